"""The plane of two axes: grid, names, and the staircase of a Pareto frontier."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gtalign.drawing.axis import Axis, Point
from gtalign.drawing.markup import Markup
from gtalign.drawing.svg import line, path, text


@dataclass(frozen=True, slots=True)
class Plane:
    """Two axes, of which the second goes up.

    Args:
        x: The axis from left to right.
        y: The axis from bottom to top.
    """

    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> Point:
        """Position of a point, in the picture's units."""
        return self.x.at(x), self.y.at(y)

    def path(self, points: Iterable[Point], kind: str) -> Markup:
        """A line through points, given in the units of the axes."""
        return path([self.at(*point) for point in points], kind)

    def grid(self, across: str, up: str, *, both: bool = False) -> list[Markup]:
        """Ticks with their numbers, lines across, and the names of both axes.

        Args:
            across: Name of the first axis.
            up: Name of the second axis.
            both: Whether there are vertical lines as well.
        """
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        parts = []
        for y, number in self.y.ticks():
            parts += [line(left, y, right, y, "grid"), text(left - 6, y + 4, number, "tick end")]
        for x, number in self.x.ticks():
            mark = (
                line(x, top, x, bottom, "grid") if both else line(x, bottom, x, bottom + 4, "axis")
            )
            parts += [mark, text(x, bottom + 17, number, "tick mid")]
        parts.append(line(left, bottom, right, bottom, "axis"))
        if both:
            parts.append(line(left, top, left, bottom, "axis"))
        if across:
            parts.append(text((left + right) / 2, bottom + 34, across, "name mid"))
        if up:
            parts.append(text(4, top - 9, up, "name"))
        return parts

    def stairs(self, frontier: Iterable[Point]) -> Sequence[Point]:
        """Corners of a frontier's staircase, extended to both axes, in the picture's units."""
        return [self.at(*corner) for corner in staircase(frontier, self.x.low, self.y.low)]


def staircase(frontier: Iterable[Point], left: float, bottom: float) -> Sequence[Point]:
    """Corners of the line around the area that a frontier's points dominate.

    Args:
        frontier: Points of which none dominates another, where more is better on both axes; in any
            order, with repetitions. Empty for no line.
        left: Start of the line on the first axis, at the height of the first point.
        bottom: End of the line on the second axis, below the last point.
    """
    points = sorted(set(frontier))
    if not points:
        return []
    corners = [(left, points[0][1])]
    for x, y in points:
        if corners[-1][1] != y:
            corners.append((corners[-1][0], y))
        corners.append((x, y))
    return [*corners, (points[-1][0], bottom)]
