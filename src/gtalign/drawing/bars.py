"""Horizontal bars made of parts."""

from collections.abc import Mapping, Sequence
from typing import Final

from gtalign.drawing.axis import Axis
from gtalign.drawing.labels import fitted, margin_for
from gtalign.drawing.markup import Markup
from gtalign.drawing.numbers import fixed
from gtalign.drawing.svg import WIDTH, box, figure, picture, text

_STEP: Final = 30


def stacked_chart(
    title: str, bars: Sequence[tuple[str, Mapping[str, float]]], colours: Mapping[str, str]
) -> Markup:
    """Bars below each other, with the total at the end of each; empty without bars.

    Args:
        title: Title of the chart.
        bars: Label of each bar with its parts and their lengths, 0 or more, in one unit.
        colours: Colour class of each part.
    """
    if not bars:
        return Markup()
    start = margin_for(label for label, _ in bars)
    parts, top = legend(colours, start)
    longest = max(sum(lengths.values()) for _, lengths in bars) or 1.0
    axis = Axis(0.0, longest, start, WIDTH - 44)
    told = []
    for label, lengths in bars:
        parts.append(text(start - 8, top + 19, fitted(label, start - 12), "label end"))
        total = 0.0
        for name, length in lengths.items():
            left, right = axis.at(total), axis.at(total + length)
            tip = f"{label}, {name}: {fixed(length, 1)}"
            parts.append(box(left, top + 5, right - left - 1, 20, f"block {colours[name]}", tip))
            total += length
        parts.append(text(axis.at(total) + 6, top + 19, fixed(total, 0), "value"))
        told.append(f"{label}: {fixed(total, 0)}")
        top += _STEP
    return figure(title, picture(title, "; ".join(told), WIDTH, top + 8, *parts))


def legend(colours: Mapping[str, str], start: float) -> tuple[list[Markup], float]:
    """The names of what has a colour, in lines from `start` on, and where the space under them is.

    Args:
        colours: Colour class of each name.
        start: Left end of the lines, in the picture's units.
    """
    parts = []
    x, top = start, 12.0
    for name, colour in colours.items():
        wide = 26 + 7 * len(name)
        if x > start and x + wide > WIDTH:
            x, top = start, top + 18
        parts += [box(x, top, 10, 10, f"block {colour}"), text(x + 14, top + 9, name, "tick")]
        x += wide
    return parts, top + 28
