"""Many answers in the plane of user and LLM welfare, with the lines of equal W and of equal sum."""

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Final

from gtalign.drawing import Axis, Labels, Markup, Plane, Point, short, ticks
from gtalign.drawing.svg import WIDTH, circle, figure, picture, text
from gtalign.evaluation.plane import BOX, HEIGHT, levels_of_w

_CELLS: Final = 50  # on each axis: answers in one cell are one mark
_LARGEST: Final = 6.0


def welfare_cloud(title: str, points: Sequence[Point]) -> Markup:
    """The plane from 0 to 1 on both axes; empty without points.

    Args:
        title: Title of the picture.
        points: U and L of each answer. Answers that lie close together are one mark, whose area
            grows with their number.
    """
    if not points:
        return Markup()
    left, top, right, bottom = BOX
    users, llms = zip(*points, strict=True)
    plane = Plane(
        Axis.around([*users, 0.0, 1.0], left, right, pad=0.02, within=(0.0, 1.0)),
        Axis.around([*llms, 0.0, 1.0], bottom, top, pad=0.02, within=(0.0, 1.0)),
    )
    parts = plane.grid("user welfare U", "LLM welfare L")
    parts += levels_of_w(plane, Labels(BOX, []))
    parts += _sums(plane)
    cells = Counter((round(u * _CELLS) / _CELLS, round(v * _CELLS) / _CELLS) for u, v in points)
    most = max(cells.values())
    for (user, llm), count in sorted(cells.items()):
        radius = max(1.2, _LARGEST * sqrt(count / most))
        where = f"U {short(user)}, L {short(llm)}"
        tip = f"{where}: {count} answer{'s' if count > 1 else ''}"
        parts.append(circle(*plane.at(user, llm), radius, "dot c0 many", tip))
    told = (
        f"{len(points)} answers. Dashed curves have equal W, the square root of U times L; solid "
        "lines have an equal sum of U and L."
    )
    return figure(title, picture(title, told, WIDTH, HEIGHT, *parts))


def _sums(plane: Plane) -> list[Markup]:
    """Lines of equal U + L, each with its value."""
    x, y = plane.x, plane.y
    parts: list[Markup] = []
    for level in ticks(x.low + y.low, x.high + y.high):
        start, end = max(x.low, level - y.high), min(x.high, level - y.low)
        if start >= end:
            continue
        parts.append(plane.path([(start, level - start), (end, level - end)], "iso sum"))
        across, up = plane.at(start, level - start)
        parts.append(text(across + 3, up + 11, f"sum {short(level)}", "iso-label"))
    return parts
