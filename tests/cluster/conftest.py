"""verl, in an environment of its own, which `make test-verl` makes.

Elsewhere the tests are skipped and their modules are not imported: nothing else needs verl.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verl_parts import JudgeServer


class Skipped(pytest.Module):
    """A module of tests that cannot run here."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip("needs verl: run `make test-verl`", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    if "GTALIGN_VERL" in os.environ:
        return None
    return Skipped.from_parent(parent, path=module_path)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained model with a real tokenizer."""
    from verl_parts import small_checkpoint

    return small_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def judge_server() -> "Iterator[JudgeServer]":
    """A judge over HTTP that every process of this machine can ask."""
    from verl_parts import JudgeServer

    server = JudgeServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def judge(judge_server: "JudgeServer") -> "JudgeServer":
    """The judge, as it was at the beginning."""
    judge_server.reset()
    return judge_server


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A local cluster of Ray with two processors."""
    # On a machine that does other work, too, its parts take long to find each other.
    os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", "300")
    import ray

    for left in (4, 3, 2, 1, 0):
        try:
            ray.init(
                num_cpus=2,
                include_dashboard=False,
                object_store_memory=100 * 1024 * 1024,
                log_to_driver=False,
                runtime_env={"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}},
            )
            break
        except Exception:  # it says so in several classes
            ray.shutdown()
            if not left:
                raise
    try:
        yield ray
    finally:
        ray.shutdown()
