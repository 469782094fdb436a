"""verl, in an environment of its own, which `make test-verl` makes.

Elsewhere the tests are skipped and verl is not imported: nothing else needs it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

if "GTALIGN_VERL" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
else:
    from verl_parts import JudgeServer, small_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained model with a real tokenizer."""
    return small_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def judge_server() -> "Iterator[JudgeServer]":
    """A judge over HTTP that every process of this machine can ask."""
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
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 1024 * 1024,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}},
    )
    try:
        yield ray
    finally:
        ray.shutdown()
