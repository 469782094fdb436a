"""Where the work on many items is done: here, or by an engine on other processes and machines."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Work = Callable[[Item], Awaitable[Result]]
"""The work on one item; many are under way at once."""

Recipe = Callable[[], AbstractAsyncContextManager[Work[Item, Result]]]
"""Opens all that the work needs, wherever that is. It can be pickled, and so can items and results;
files that it names have to be there under the same path."""


class Engine(Protocol):
    """Does the work of a run in other processes."""

    @property
    def processes(self) -> int:
        """Number of the processes; what is under way at once grows with it."""
        ...

    def open(self, recipe: Recipe[Item, Result]) -> AbstractAsyncContextManager[Work[Item, Result]]:
        """Return the work as it is done elsewhere.

        An error of the package that the work raises is raised here. An item whose process dies with
        it again and again raises `WorkerLostError`.
        """
        ...
