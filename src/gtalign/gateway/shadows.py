"""Work beside the answers, one piece after the other: shadows and dry runs."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

log = logging.getLogger(__name__)

_MOST: Final = 64  # shadows that may wait; an engine that is too slow for them is left alone
_PAUSE: Final = 0.05  # seconds between two looks whether the engine is idle


class Shadows:
    """Does work beside the answers, one piece at a time.

    Args:
        busy: Whether engines are at work for clients, which it would disturb. Then it waits.
        what: A piece of it, for messages.
        most: Most pieces that may wait; others are left out.
    """

    def __init__(self, busy: Callable[[], bool], what: str = "a shadow", most: int = _MOST) -> None:
        self._busy = busy
        self._what = what
        self._most = most
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do a piece once it is its turn, or leave it out if too many wait."""
        if len(self._tasks) >= self._most:
            log.warning("%s is left out: %d others wait", self._what, len(self._tasks))
            return
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self._tasks)

    async def aclose(self) -> None:
        """End it: the answers are on record without it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with self._turn:
            while self._busy():
                await asyncio.sleep(_PAUSE)
            await work()
