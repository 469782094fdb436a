"""A trial: one request before all others, which shows whether a server answers at all.

Answers from the cache need no trial. All requests that have to be sent wait for it. If it fails,
they all fail with its error, and nothing else is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gtalign.errors import ServiceError

ATTEMPTS: Final = 2
"""How often the request of a trial is sent at most."""

ASKED: Final = "How many legs has a horse?"
"""The plain question of every trial."""


class Trial:
    """A trial that is made at most once.

    Args:
        make: Makes it; returns the error for all other requests, or None if the server answers.
    """

    def __init__(self, make: Callable[[], Awaitable[ServiceError | None]]) -> None:
        self._make = make
        self._passed = False
        self._refused: ServiceError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    async def pass_or_raise(self) -> None:
        """Make the trial unless it was made; return if it was passed.

        Raises:
            ServiceError: It was not passed.
        """
        if self._passed:
            return
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # a lock belongs to one event loop
            self._loop, self._lock = loop, asyncio.Lock()
        async with self._lock:
            if self._refused is None and not self._passed:
                self._refused = await self._make()
                self._passed = self._refused is None
            if self._refused is not None:
                raise self._refused
