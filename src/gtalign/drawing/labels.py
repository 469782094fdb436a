"""Place the names of points: beside each point, clear of other points and names if possible."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from gtalign.drawing.axis import Point

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


class Labels:
    """The labels of one picture, placed one after another.

    Args:
        box: The box in which labels should stay.
        marks: The points, each with the radius of its mark, in the picture's units.
        lines: Corners of lines that labels should not cover; only pieces along an axis count.
    """

    def __init__(
        self,
        box: Box,
        marks: Sequence[tuple[float, float, float]],
        lines: Iterable[Sequence[Point]] = (),
    ) -> None:
        self.box = box
        self.lines = [
            (min(x, u) - 1, min(y, v) - 1, max(x, u) + 1, max(y, v) + 1)
            for line in lines
            for (x, y), (u, v) in pairwise(line)
            if abs(x - u) < 1 or abs(y - v) < 1
        ]
        self.spots = [(x, y) for x, y, _ in marks]
        self.taken: list[Box] = [(x - r, y - r, x + r, y + r) for x, y, r in marks]

    def place(self, x: float, y: float, name: str) -> Point:
        """Place the label of the mark at a point; return where it begins."""
        wide = width_of(name)
        # Diagonal places first: lines run along the axes.
        places = (
            *((x + 10, y - 12), (x - 10 - wide, y - 12), (x + 10, y + 21), (x - 10 - wide, y + 21)),
            *((x - wide / 2, y - 18), (x - wide / 2, y + 27)),
            *((x + 16, y + 4), (x - 16 - wide, y + 4)),
            *((x - wide / 2, y - 33), (x - wide / 2, y + 42)),
            *((left, y - rise) for rise in (27, 42, 57) for left in (x + 10, x - 10 - wide)),
        )
        boxes = [(left, base - 11, left + wide, base + 3) for left, base in places]
        costs = [self._cost(box, (x, y)) for box in boxes]
        best = costs.index(min(costs))
        self.taken.append(boxes[best])
        return places[best]

    def _cost(self, box: Box, own: Point) -> float:
        """The penalty of a place: for covering others, being outside, or nearer to another mark."""
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        left, top, right, bottom = self.box
        outside = box[0] < left or box[1] < top or box[2] > right or box[3] > bottom
        astray = min(math.dist(middle, spot) for spot in self.spots) < math.dist(middle, own)
        covered = sum(meet(box, other) for other in self.taken)
        crossed = sum(meet(box, line) for line in self.lines)
        return covered + 3 * outside + 0.5 * astray + 0.4 * crossed


def width_of(name: str) -> float:
    """Approximate width of a label, in the picture's units: a sans serif of 13 units."""
    return sum(9.6 if letter.isupper() else 7.6 for letter in name)


def width_of_ticks(numbers: Iterable[str]) -> float:
    """Approximate width of an axis's widest number: phones show them in a larger font."""
    return 1.15 * max(map(width_of, numbers))


def margin_for(names: Iterable[str]) -> float:
    """Width of a margin for the names of rows, within bounds, in the picture's units."""
    return min(max(92.0, *(width_of(name) + 12 for name in names)), 180.0)


def fitted(name: str, wide: float) -> str:
    """A name cut to a width; a cut name ends in an ellipsis."""
    while width_of(name) > wide:
        name = name.removesuffix("…")[:-1] + "…"
    return name


def meet(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]
