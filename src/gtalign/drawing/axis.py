"""Axes: round numbers for their ticks, and the position of a number in a picture."""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Final

from gtalign.drawing.numbers import short
from gtalign.errors import DrawingError

Point = tuple[float, float]

_SLACK: Final = Fraction(1, 10**9)  # share of a step by which rounding may put a tick outside


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten.

    The step is the smallest that gives at most `most` numbers; less than a step remains at each
    end.

    Args:
        low: The lesser end, in the unit of the data.
        high: The greater end; equal to `low` for one tick.
        most: Greatest number of ticks, 3 or more.

    Returns:
        Increasing numbers, at least one.

    Raises:
        DrawingError: An end is not finite, or they are in the wrong order.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise DrawingError(
            f"an axis goes from a finite number to a greater one, not {low} to {high}"
        )
    least, greatest = Fraction(low), Fraction(high)
    if least == greatest:
        return [low]
    rough = (greatest - least) / most
    start = math.floor(math.log10(rough.numerator) - math.log10(rough.denominator) - 0.1)
    for power in count(start):
        for factor in (1, 2, 5):
            step = factor * Fraction(10) ** power
            first, last = (
                math.ceil(least / step - _SLACK),
                math.floor(greatest / step + _SLACK),
            )
            if last - first < most:
                places = (min(max(i * step, least), greatest) for i in range(first, last + 1))
                return list(dict.fromkeys(float(place) for place in places))
    raise AssertionError("a step that is wide enough comes")


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis: numbers from `low` to `high` lie from `start` to `end` of a picture.

    Args:
        low: Least number, in the unit of the data.
        high: Greatest number.
        start: Position of the least number, in the picture's units.
        end: Position of the greatest; less than `start` on an axis that goes up.

    Raises:
        DrawingError: An end is not finite, or `high` is not greater than `low`.
    """

    low: float
    high: float
    start: float
    end: float

    def __post_init__(self) -> None:
        """Check the ends."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise DrawingError(
                f"an axis goes from a finite number to a greater one, not {self.low} to {self.high}"
            )

    @classmethod
    def around(
        cls,
        values: Iterable[float],
        start: float,
        end: float,
        *,
        pad: float = 0.06,
        least: float = 0.0,
        within: Point | None = None,
    ) -> "Axis":
        """The axis that shows all values, with some room at both ends.

        Args:
            values: One or more, in the unit of the axis.
            start: Position of the least number.
            end: Position of the greatest.
            pad: Room at each end, as a share of the span of the values.
            least: Least room, in the unit of the axis.
            within: Limits of the axis if all values are within them: (0, 1) for shares.

        Raises:
            DrawingError: A value is not finite, or there is none.
        """
        held = list(values)
        if not held or not all(map(math.isfinite, held)):
            raise DrawingError("an axis needs finite numbers to lie around")
        low, high = min(held), max(held)
        gap = max((high / 2 - low / 2) * pad * 2, least)
        if low == high and not gap:
            gap = abs(high) * 0.05 or 0.5
        limit = sys.float_info.max
        lower, upper = max(low - gap, -limit), min(high + gap, limit)
        if within is not None and within[0] <= low and high <= within[1]:
            lower, upper = max(lower, within[0]), min(upper, within[1])
        return cls(lower, upper, start, end)

    def at(self, value: float) -> float:
        """Position of a number, in the picture's units."""
        span = self.high - self.low
        if math.isfinite(span):
            part = (value - self.low) / span
        else:  # the difference of two finite numbers need not be finite
            part = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.start + part * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Position and text of each tick."""
        return [(self.at(value), short(value)) for value in ticks(self.low, self.high, most)]
