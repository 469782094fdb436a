"""Models in the plane of user and LLM welfare, with lines of equal W and their Pareto frontier."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from gtalign.drawing import Axis, Labels, Markup, Plane, Point, fixed, short, ticks
from gtalign.drawing.svg import WIDTH, circle, figure, line, path, picture, text
from gtalign.evaluation.pareto import undominated

HEIGHT: Final = 332
BOX: Final = (46.0, 30.0, 404.0, 290.0)  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Spot:
    """One model: its welfare of both sides, 0 to 1, each with the ends of its interval.

    Args:
        label: Name of the model.
        colour: Class of its colour.
        user: The user's welfare.
        llm: The LLM's.
        user_ends: Lower and upper end of the interval of the user's welfare.
        llm_ends: Lower and upper end of the interval of the LLM's welfare.
        strong: Whether the model is emphasised.
    """

    label: str
    colour: str
    user: float
    llm: float
    user_ends: Point
    llm_ends: Point
    strong: bool = False


def welfare_plane(title: str, spots: Sequence[Spot]) -> Markup:
    """The plane; empty without models."""
    if not spots:
        return Markup()
    left, top, right, bottom = BOX
    users = [value for spot in spots for value in (*spot.user_ends, spot.user)]
    llms = [value for spot in spots for value in (*spot.llm_ends, spot.llm)]
    plane = Plane(
        Axis.around(users, left, right, pad=0.14, within=(0.0, 1.0)),
        Axis.around(llms, bottom, top, pad=0.14, within=(0.0, 1.0)),
    )
    marks = [(*plane.at(spot.user, spot.llm), 6.0) for spot in spots]
    stairs = plane.stairs(undominated([(spot.user, spot.llm) for spot in spots]))
    labels = Labels(BOX, marks, [stairs])
    parts = plane.grid("user welfare U", "LLM welfare L")
    parts += levels_of_w(plane, labels)
    parts.append(path(stairs, "frontier"))
    for spot in sorted(spots, key=lambda spot: not spot.strong):
        parts += _spot(plane, labels, spot)
    told = "; ".join(f"{s.label}: U {fixed(s.user)}, L {fixed(s.llm)}" for s in spots)
    return figure(title, picture(title, told, WIDTH, HEIGHT, *parts))


def levels_of_w(plane: Plane, labels: Labels) -> list[Markup]:
    """Lines of equal W, which is the square root of U times L, each with its value."""
    x, y = plane.x, plane.y
    low = sqrt(max(x.low, 0.0) * max(y.low, 0.0))
    high = sqrt(max(x.high, 0.0) * max(y.high, 0.0))
    parts: list[Markup] = []
    for level in ticks(low, high) if high > low else ():
        if level <= 0:
            continue
        start, end = max(x.low, level**2 / y.high), x.high
        if y.low > 0:
            end = min(end, level**2 / y.low)
        if start >= end:
            continue
        steps = [start + (end - start) * i / 60 for i in range(61)]
        parts.append(plane.path([(u, level**2 / u) for u in steps], "iso"))
        edge = level**2 / x.high
        if y.low < edge < y.high:
            right, height = plane.at(x.high, edge)
            parts.append(text(right - 3, height - 3, f"W {short(level)}", "iso-label end"))
            labels.taken.append((right - 36, height - 13, right, height))
    return parts


def _spot(plane: Plane, labels: Labels, spot: Spot) -> list[Markup]:
    x, y = plane.at(spot.user, spot.llm)
    left, right = map(plane.x.at, spot.user_ends)
    low, high = map(plane.y.at, spot.llm_ends)
    thin, weight = f"whisker thin {spot.colour}", " strong" if spot.strong else ""
    return [
        line(left, y, right, y, thin),
        line(x, low, x, high, thin),
        circle(x, y, 6 if spot.strong else 5, f"dot {spot.colour}", spot.label),
        text(*labels.place(x, y, spot.label), spot.label, f"label halo{weight}"),
    ]
