"""A worker: one process of the cluster that works on many items at once."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from gtalign.endpoints.engine import Recipe, Work
from gtalign.endpoints.opening import opening
from gtalign.errors import GTAlignError
from gtalign.integrations.ray.desk import DeskCalls, DeskEndpoint


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What became of an item.

    Args:
        result: The result.
        error: The error of the package that the work raised; None if it ended well.
    """

    result: Any = None
    error: GTAlignError | None = None


class Worker:
    """Opens the work once, in an event loop of its own, and does it on what it is given.

    No method is async: Ray would run all of them in one loop, where a wait for the desk stops the
    others.

    Args:
        recipe: Opens the work.
        desk: Name of the desk that sends the requests.
    """

    def __init__(self, recipe: Recipe[Any, Any], desk: str) -> None:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("gtalign").setLevel(logging.INFO)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._stack.enter_context(opening(partial(DeskEndpoint, DeskCalls.of(desk))))
        self._opened = asyncio.run_coroutine_threadsafe(_open(recipe, self._stack), self._loop)

    def close(self) -> None:
        """Close the work and end the loop."""
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ready(self) -> None:
        """Say that the worker is there."""

    def work(self, items: Sequence[Any]) -> list[WorkResult]:
        """Do the work on some items, all at once."""
        done = asyncio.run_coroutine_threadsafe(_outcomes(self._opened, items), self._loop)
        return done.result()


async def _open(recipe: Recipe[Any, Any], stack: AsyncExitStack) -> Work[Any, Any]:
    return await stack.enter_async_context(recipe())


async def _outcomes(opened: Future[Work[Any, Any]], items: Sequence[Any]) -> list[WorkResult]:
    async def one(item: Any) -> WorkResult:
        try:
            work = await asyncio.wrap_future(opened)
            return WorkResult(await work(item))
        except GTAlignError as error:
            return WorkResult(error=error)

    return list(await asyncio.gather(*map(one, items)))
