"""Calls that are awaited at once and share batches of a model's work."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def at_once(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await calls at once, and return their results in order.

    The first call that fails ends the others, and its error is raised as it is.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


class Together:
    """Computes what calls wait for as one batch, once every call that has not ended waits.

    Attributes:
        _members: Number of the calls that have not ended.
    """

    _members = 0

    async def together(self, calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Await calls at once, and return their results in order.

        A batch begins when every call that has not ended waits: equal calls make equal batches. The
        first call that fails ends the others, and its error is raised as it is.
        """

        async def member(call: Coroutine[Any, Any, T]) -> T:
            try:
                return await call
            finally:
                self._members -= 1
                self._begin()

        self._members += len(calls)
        return await at_once([member(call) for call in calls])

    def _begin(self) -> None:
        """Compute what is waited for, if every call waits."""
        raise NotImplementedError
