"""The clock for deleting kept texts, safe against jumps: a deletion cannot be undone."""

from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import Final

JUMP: Final = 60 * 1_000_000
"""A clock that moves by more than these microseconds jumps; one that moves by less is set right."""

LASTING: Final = 3600 * 1_000_000
"""Microseconds for which a jump has to last before it is believed."""


class WallTime:
    """Microseconds since 1970, by a clock whose jumps are not believed before they have lasted.

    A system's clock is set wrong at times, by years even, and right again minutes later. Until
    then this one continues from the time before.

    Args:
        clock: The system's, in nanoseconds since 1970.
        steady: Nanoseconds that only grow.
    """

    def __init__(
        self, clock: Callable[[], int] = time_ns, steady: Callable[[], int] = monotonic_ns
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._offset = self._shown()
        self._jumped: int | None = None  # when, by the steady clock

    def __call__(self) -> int:
        """The time."""
        since, shown = self._steady() // 1000, self._shown()
        if abs(shown - self._offset) <= JUMP:
            self._jumped = None
        elif self._jumped is None:
            self._jumped = since
        if self._jumped is None or since - self._jumped >= LASTING:
            self._offset, self._jumped = shown, None
        return since + self._offset

    def _shown(self) -> int:
        return (self._clock() - self._steady()) // 1000
