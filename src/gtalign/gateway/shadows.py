"""Shadows: the chains of answers that were only observed, asked for one after the other."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

log = logging.getLogger(__name__)

_MOST: Final = 64  # shadows that may wait; an engine that is too slow for them is left alone
_PAUSE: Final = 0.05  # seconds between two looks whether the engine is idle


class Shadows:
    """Runs shadows beside the answers, one at a time.

    Args:
        busy: Whether engines are at work for clients, which a shadow would disturb. Then it waits.
    """

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a shadow once it is its turn, or leave it if too many wait."""
        if len(self._tasks) >= _MOST:
            log.warning("a shadow is left out: %d others wait for the engine", len(self._tasks))
            return
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait for the shadows that were begun."""
        await asyncio.gather(*self._tasks)

    async def aclose(self) -> None:
        """End the shadows: their answers are on record without them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with self._turn:
            while self._busy():
                await asyncio.sleep(_PAUSE)
            await work()
