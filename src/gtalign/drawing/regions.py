"""Bars over a common axis of shares, cut into regions."""

from collections.abc import Mapping, Sequence
from typing import Final

from gtalign.drawing.axis import Axis
from gtalign.drawing.bars import legend
from gtalign.drawing.labels import fitted, margin_for
from gtalign.drawing.markup import Markup
from gtalign.drawing.numbers import fixed
from gtalign.drawing.svg import WIDTH, box, figure, line, picture, text

_STEP: Final = 30
_EDGE: Final = 14

Region = tuple[float, float, str]
"""Start and end on the axis, and the name of what holds between them."""


def region_chart(
    title: str,
    rows: Sequence[tuple[str, Sequence[Region]]],
    colours: Mapping[str, str],
    across: str,
) -> Markup:
    """Bars below each other over an axis from 0 to 1; empty without rows.

    Args:
        title: Title of the chart.
        rows: Label of each bar with its regions.
        colours: Colour class of each name; names without a region are left out of the legend.
        across: Name of the axis.
    """
    if not rows:
        return Markup()
    start = margin_for(label for label, _ in rows)
    axis = Axis(0.0, 1.0, start, WIDTH - _EDGE)
    shown = {name for _, regions in rows for _, _, name in regions}
    parts, top = legend({name: c for name, c in colours.items() if name in shown}, start)
    told = []
    for label, regions in rows:
        parts.append(text(start - 8, top + 19, fitted(label, start - 12), "label end"))
        for low, high, name in regions:
            left, right = axis.at(low), axis.at(high)
            tip = f"{label}: {name} from {fixed(low, 2)} to {fixed(high, 2)}"
            parts.append(box(left, top + 5, right - left - 1, 20, f"block {colours[name]}", tip))
            told.append(tip)
        top += _STEP
    bottom = top + 4
    parts.append(line(start, bottom, WIDTH - _EDGE, bottom, "axis"))
    for x, number in axis.ticks():
        parts += [line(x, bottom, x, bottom + 4, "axis"), text(x, bottom + 17, number, "tick mid")]
    parts.append(text((start + WIDTH - _EDGE) / 2, bottom + 34, across, "name mid"))
    return figure(title, picture(title, "; ".join(told), WIDTH, bottom + 42, *parts))
