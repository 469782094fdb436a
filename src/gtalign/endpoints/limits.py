"""Limits on requests: how many are under way at once, and how many begin in a minute."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class RateLimit:
    """Spaces requests evenly.

    Args:
        per_minute: Most requests in a minute; None for no limit.
        clock: Seconds that never go back.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 0.0 if per_minute is None else 60 / per_minute
        self._clock = clock
        self._sleep = sleep
        self._next = -float("inf")

    async def wait(self) -> None:
        """Wait for this request's turn. Turns are given in the order of the calls."""
        if not self._interval:
            return
        now = self._clock()
        turn = max(now, self._next)
        self._next = turn + self._interval
        if turn > now:
            await self._sleep(turn - now)


class Limits:
    """The limits of one server, which several endpoints may share.

    Args:
        concurrency: Most requests under way at once.
        per_minute: Most requests begun in a minute; None for no limit.

    Attributes:
        rate: Spaces the requests.
    """

    def __init__(self, concurrency: int, per_minute: float | None) -> None:
        self.concurrency = concurrency
        self.rate = RateLimit(per_minute)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots = asyncio.Semaphore(concurrency)

    def slots(self) -> asyncio.Semaphore:
        """Return what a request holds while it is under way; it belongs to the running loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._slots, self._loop = asyncio.Semaphore(self.concurrency), loop
        return self._slots
