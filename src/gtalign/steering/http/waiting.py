"""Wait for something, but not longer than it may take."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float | None, wanted: Awaitable[T]) -> T:
    """Return what is wanted; what is there at once takes no timer.

    Most of what a busy server waits for is there: a body that came with its head, room to send an
    answer. A timer for each of them takes longer than they do.

    Args:
        seconds: How long it may take; None for any time.
        wanted: What is waited for.

    Raises:
        TimeoutError: It took longer, and was cancelled.
    """
    steps = wanted.__await__()
    try:
        first = next(steps)
    except StopIteration as ended:
        there: T = ended.value
        return there
    async with asyncio.timeout(seconds):
        return await _Begun(steps, first)


class _Begun(Awaitable[T]):
    """Something whose first step was taken.

    Args:
        steps: Its steps.
        first: What that step waits for.
    """

    def __init__(self, steps: Generator[Any, Any, T], first: Any) -> None:
        self._steps = steps
        self._first = first

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._first
        while True:
            step: Callable[[], Any]
            try:
                step = partial(self._steps.send, (yield waits_for))
            except BaseException as error:  # it is told, and decides
                step = partial(self._steps.throw, error)
            try:
                waits_for = step()
            except StopIteration as ended:
                found: T = ended.value
                return found
