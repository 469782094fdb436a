"""The strip that shows which action is chosen as a number grows."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gtalign.drawing import Markup, action_colour, number
from gtalign.drawing.svg import box, line, picture
from gtalign.steering import ChoiceInterval

WIDTH: Final = 1000.0

LISTED: Final = 14
"""Largest number of intervals that are also listed in words."""

DRAWN: Final = 500
"""Largest number of intervals that are all drawn; of more, one in each of so many slots."""


@dataclass(frozen=True, slots=True)
class Part:
    """One interval.

    Args:
        interval: What it is.
        x: Where it begins in the strip.
        width: How wide it is.
        colour: Class of its action's colour.
        now: Whether the number lies in it.
    """

    interval: ChoiceInterval
    x: float
    width: float
    colour: str
    now: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """What is drawn, in the units of a view box `WIDTH` wide.

    Args:
        parts: The intervals that are drawn, in order.
        count: Number of all intervals.
        mark: Where the number lies.
        high: The end of the strip.
    """

    parts: tuple[Part, ...]
    count: int
    mark: float
    high: float

    @property
    def listed(self) -> tuple[Part, ...]:
        """The intervals that are listed in words: the first ones, where there are too many."""
        return self.parts[:LISTED]


def strip(intervals: Sequence[ChoiceInterval], actions: Sequence[str], value: float) -> Strip:
    """Lay a strip out.

    Args:
        intervals: In order, beginning at 0.
        actions: The LLM's, in the order of their colours.
        value: Value of the number.
    """
    high = intervals[-1].high
    parts = []
    for interval in _drawn(intervals):
        x, end = (WIDTH * edge / high for edge in (interval.low, interval.high))
        now = interval.low <= value < interval.high or (interval.high == high and value >= high)
        colour = action_colour(actions.index(interval.action))
        parts.append(Part(interval, x, end - x, colour, now))
    return Strip(tuple(parts), len(intervals), WIDTH * min(value / high, 1.0), high)


def strip_chart(strip: Strip) -> Markup:
    """The strip as a picture that is as wide as the page lets it be."""
    parts = []
    for one in strip.parts:
        low, high = (number(edge, 6) for edge in (one.interval.low, one.interval.high))
        tip = f"{one.interval.action}: {low} to {high}"
        parts.append(box(one.x, 8, one.width, 24, f"block {one.colour}", tip))
    told = ", ".join(
        f"{i.action} from {number(i.low, 4)} to {number(i.high, 4)}"
        for i in (one.interval for one in strip.listed)
    )
    needle = line(strip.mark, 0, strip.mark, 40, "needle")
    return picture("Where it flips", told, WIDTH, 40, parts, needle, kind="strip", stretched=True)


def _drawn(intervals: Sequence[ChoiceInterval]) -> Sequence[ChoiceInterval]:
    if len(intervals) <= DRAWN:
        return intervals
    high = intervals[-1].high
    starts = [interval.low for interval in intervals]
    found: list[ChoiceInterval] = []
    for slot in range(DRAWN):
        low, end = high * slot / DRAWN, high * (slot + 1) / DRAWN
        action = intervals[bisect_right(starts, (low + end) / 2) - 1].action
        if found and found[-1].action == action:
            low = found.pop().low
        found.append(ChoiceInterval(action, low, end))
    return found
