"""Places for the names of points: beside each, free of other points and names where that can be."""

import math
from collections.abc import Sequence
from typing import Final

from gtalign.drawing.axis import Point

LETTER: Final = 7.9
"""Width of a letter of a label, about, in the picture's units."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


class Labels:
    """The labels of one picture, placed one after another.

    Args:
        box: Where labels should stay.
        marks: The points, each with how far its mark reaches, in the picture's units.
    """

    def __init__(self, box: Box, marks: Sequence[tuple[float, float, float]]) -> None:
        self.box = box
        self.spots = [(x, y) for x, y, _ in marks]
        self.taken: list[Box] = [(x - r, y - r, x + r, y + r) for x, y, r in marks]

    def place(self, x: float, y: float, name: str) -> Point:
        """Where the label of the mark at a point begins; its place is taken from then on."""
        wide = LETTER * len(name)
        # Slantwise first: lines run along the axes.
        places = (
            *((x + 10, y - 12), (x - 10 - wide, y - 12), (x + 10, y + 21), (x - 10 - wide, y + 21)),
            *((x - wide / 2, y - 18), (x - wide / 2, y + 27)),
            *((x + 16, y + 4), (x - 16 - wide, y + 4)),
            *((x - wide / 2, y - 33), (x - wide / 2, y + 42)),
        )
        boxes = [(left, base - 11, left + wide, base + 3) for left, base in places]
        costs = [self._cost(box, (x, y)) for box in boxes]
        best = costs.index(min(costs))
        self.taken.append(boxes[best])
        return places[best]

    def _cost(self, box: Box, own: Point) -> float:
        """How bad a place is: what it covers, whether it is outside, or nearer to another mark."""
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        left, top, right, bottom = self.box
        outside = box[0] < left or box[1] < top or box[2] > right or box[3] > bottom
        astray = min(math.dist(middle, spot) for spot in self.spots) < math.dist(middle, own)
        return sum(meet(box, other) for other in self.taken) + 3 * outside + 0.5 * astray


def meet(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]
