"""A Ray cluster on this machine with two CPUs, which all tests of this folder share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Workers import what tests give them to do.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ |= {"RAY_enable_worker_prestart": "0", "RAY_prestart_worker_first_driver": "0"}
ray = pytest.importorskip("ray", reason="Ray is not installed: make test-ray installs it")


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 << 20,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()
