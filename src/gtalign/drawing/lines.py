"""Lines over a common axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from gtalign.drawing.axis import Axis, Point
from gtalign.drawing.labels import width_of_ticks
from gtalign.drawing.markup import Markup
from gtalign.drawing.plane import Plane
from gtalign.drawing.svg import WIDTH, circle, figure, picture

HEIGHT: Final = 270


@dataclass(frozen=True, slots=True)
class Series:
    """One line.

    Args:
        label: Name of the line.
        colour: Colour class.
        points: Points in the units of the axes, by increasing first number. Points that are not
            finite are left out.
        faint: Whether the line is faint.
    """

    label: str
    colour: str
    points: Sequence[Point]
    faint: bool = False


def line_chart(
    title: str,
    series: Sequence[Series],
    across: str,
    up: str = "",
    *,
    dots: bool = False,
    diagonal: bool = False,
    within: Point | None = None,
    shown: Point | None = None,
) -> Markup:
    """Lines with both axes; empty without a point.

    Args:
        title: Title of the chart.
        series: The lines.
        across: Name of the first axis.
        up: Name of the second axis.
        dots: Whether each point has a dot.
        diagonal: Whether to draw the line on which both numbers are equal.
        within: Limits of the second axis if all numbers are within them.
        shown: Range that the second axis shows in any case.
    """
    drawn = [(one, [p for p in one.points if isfinite(p[0]) and isfinite(p[1])]) for one in series]
    points = [point for _, own in drawn for point in own]
    if not points:
        return Markup()
    y = Axis.around([*(y for _, y in points), *(shown or ())], 230, 30, within=within)
    left = max(46.0, 12 + width_of_ticks(number for _, number in y.ticks()))
    x = Axis.around((x for x, _ in points), left, 396, pad=0)
    plane = Plane(x, y)
    parts = plane.grid(across, up)
    low, high = max(x.low, y.low), min(x.high, y.high)
    if diagonal and low < high:
        parts.append(plane.path([(low, low), (high, high)], "iso"))
    for one, own in drawn:
        parts.append(plane.path(own, f"curve {one.colour}{' faint' if one.faint else ''}"))
        if dots:
            spots = (plane.at(*point) for point in own)
            parts += [circle(*spot, 3, f"dot {one.colour}", one.label) for spot in spots]
    told = ", ".join(dict.fromkeys(one.label for one, own in drawn if own))
    return figure(title, picture(title, f"Lines of {told}.", WIDTH, HEIGHT, *parts))


def smooth(points: Sequence[Point], width: int = 15, most: int = 160) -> list[Point]:
    """Centred moving average over `width` points, thinned to at most `most` points."""
    reach = min(width, max(1, len(points) // 6)) // 2
    means = []
    for i, (x, _) in enumerate(points):
        near = [y for _, y in points[max(0, i - reach) : i + reach + 1]]
        means.append((x, sum(near) / len(near)))
    step = max(1, -(-len(means) // most))
    return means if step == 1 else [*means[:-1:step], means[-1]]
