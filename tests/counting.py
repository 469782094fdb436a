"""How much work a call makes, counted and not timed: a busy machine changes nothing."""

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any


def calls(run: Callable[[], object]) -> int:
    """Number of functions, of Python and of C, that are called while something runs."""
    count = 0

    def seen(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def check_linear(run: Callable[[str], object], piece: str) -> None:
    """Check that the work on repetitions of a piece of text grows no faster than the text.

    A regular expression is one call, whatever it does. So a long text is read as well: work that
    grows with its square would take longer than any test may.
    """
    once, twice = (calls(partial(run, piece * count)) for count in (1_000, 2_000))
    assert twice <= 2 * once, f"{once} calls, and {twice} for twice the text"
    run(piece * (400_000 // len(piece)))
