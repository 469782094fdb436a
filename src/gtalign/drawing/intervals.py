"""Estimates below each other on one axis, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gtalign.drawing.axis import Axis, Point
from gtalign.drawing.labels import fitted, margin_for
from gtalign.drawing.markup import Markup
from gtalign.drawing.numbers import fixed
from gtalign.drawing.svg import WIDTH, circle, figure, line, picture, text

_STEP: Final = 26
_HEAD: Final = 24


@dataclass(frozen=True, slots=True)
class Whisker:
    """One row: an estimate, the ends of its interval, and single values to mark below it.

    Args:
        label: Name of the row.
        colour: Colour class.
        value: The estimate, in the unit of the axis.
        low: Lower end of the interval.
        high: Upper end.
        marks: Further values.
        strong: Whether the row is emphasised.
    """

    label: str
    colour: str
    value: float
    low: float
    high: float
    marks: Sequence[float] = ()
    strong: bool = False


def interval_chart(
    title: str,
    sets: Sequence[tuple[str, Sequence[Whisker]]],
    digits: int = 3,
    *,
    within: Point | None = None,
) -> Markup:
    """Rows of estimates in groups; empty without rows.

    Args:
        title: Title of the chart.
        sets: Groups of rows, each under its own name; empty ones are left out.
        digits: Decimals of the numbers at the end of the rows.
        within: Limits of the axis if all numbers are within them.

    Raises:
        DrawingError: A number is not finite.
    """
    sets = [(name, rows) for name, rows in sets if rows]
    if not sets:
        return Markup()
    ends = [v for _, rows in sets for row in rows for v in (row.low, row.high, *row.marks)]
    left = margin_for(row.label for _, rows in sets for row in rows)
    axis = Axis.around(ends, left, WIDTH - 58, within=within)
    bottom = 8 + sum(_HEAD + _STEP * len(rows) for _, rows in sets)
    parts = []
    for x, number in axis.ticks(5):
        parts += [line(x, 8, x, bottom, "grid"), text(x, bottom + 17, number, "tick mid")]
    top, told = 8, []
    for name, rows in sets:
        parts.append(text(4, top + 16, name, "name"))
        top += _HEAD
        for row in rows:
            parts += _row(axis, row, top + _STEP / 2, digits)
            told.append(f"{name}, {row.label}: {fixed(row.value, digits)}")
            top += _STEP
    return figure(title, picture(title, "; ".join(told), WIDTH, bottom + 26, *parts))


def _row(axis: Axis, row: Whisker, y: float, digits: int) -> list[Markup]:
    weight = " strong" if row.strong else ""
    marks = (axis.at(mark) for mark in row.marks)
    return [
        text(axis.start - 8, y + 4, fitted(row.label, axis.start - 12), f"label end{weight}"),
        line(axis.at(row.low), y, axis.at(row.high), y, f"whisker {row.colour}"),
        *(line(x, y + 6, x, y + 11, f"seed {row.colour}") for x in marks),
        circle(axis.at(row.value), y, 5, f"dot {row.colour}"),
        text(WIDTH - 4, y + 4, fixed(row.value, digits), f"value end{weight}"),
    ]
