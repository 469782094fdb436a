"""What several tests share."""

import asyncio
import gc
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn.server
from hypothesis import HealthCheck, settings

from browser import browser

# Collecting imports a million objects that stay until the end. The garbage collector would look at
# them again and again; it begins when they are there, and leaves them alone.
gc.disable()

# No test reaches a model hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A subprocess imports the package under test, installed or not.
SRC = Path(__file__).parents[1] / "src"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH")]))

# No test times: a slow machine is no failure. `make test` depends on nothing but the code, so it
# draws the same examples every time; `make fuzz` draws others in each round.
settings.register_profile(
    "untimed", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
untimed = settings.get_profile("untimed")
settings.register_profile("repeatable", untimed, derandomize=True, max_examples=30)
settings.register_profile("fuzz", untimed, print_blob=True)
settings.load_profile(os.environ.get("GTALIGN_HYPOTHESIS", "repeatable"))

# Recorded rewards and solved games; their README says where they come from.
VECTORS = Path(__file__).parent / "vectors"

# Published data, and recorded rewards that hold published texts, kept beside the repository.
SHARED = Path(os.environ.get("GTALIGN_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture
def vectors() -> Path:
    """The folder of recorded vectors that every clone has."""
    return VECTORS


@pytest.fixture
def shared() -> Path:
    """The folder of shared data; a test that needs it is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}; GTALIGN_SHARED names another place")
    return SHARED


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """End the processes that a failed test left, before the end of its loop waits for them."""
    forked = sys.modules.get("forked")  # most tests start none
    if forked is not None:
        forked.end_all()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests marked as early.

    Of two workers the first then has those that fork processes, and alone imports what is forked;
    and no long test is left for the end, when the other worker has nothing to do.
    """
    items.sort(key=lambda item: item.get_closest_marker("early") is None)


def pytest_collection_finish() -> None:
    """Let the garbage collector begin, for what tests make."""
    gc.freeze()
    gc.enable()


class Hurried:
    """The module asyncio, but a pause is short."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@pytest.fixture(scope="session", autouse=True)
def servers_end_at_once() -> Iterator[None]:
    """uvicorn looks ten times a second whether it is to end, and hundreds of tests end a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", Hurried())
        yield


@pytest.fixture(scope="session", autouse=True)
def no_certificates() -> Iterator[None]:
    """A client reads all certificates of the system; hundreds of tests make one, none uses TLS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_verify_locations", lambda *places, **named: None)
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Any]:
    """One Chromium for all tests; each has windows of its own, without a past."""
    async with browser() as found:
        yield found
