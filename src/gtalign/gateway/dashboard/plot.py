"""The frontier plot: cells in the plane of both payoffs, before an edit and after it."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from gtalign.game import TOLERANCE, Bimatrix, pareto_frontier

WIDTH: Final = 420
HEIGHT: Final = 350
SHAPES: Final = ("circle", "square", "triangle", "diamond")
"""Of the LLM's actions, in their order; there are as many colours as classes ``a0`` to ``a5``."""

COLOURS: Final = 6

_BOX: Final = (38.0, 18.0, WIDTH - 12.0, HEIGHT - 40.0)  # left, top, right, bottom
_MARK: Final = 7.0  # half the size of a mark
_HEAD: Final = 7.0  # length of an arrow's head
_LETTER: Final = 7.9  # width of a letter of a label, about
_TICKS: Final = 6

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """One cell of one matrix.

    Args:
        key: Of the cell.
        x: Where it lies in the plot.
        y: Likewise, downwards.
        shape: One of `SHAPES`, by the LLM's action.
        points: Corners of the shape, unless it is a circle.
        colour: Number of its class.
        chosen: Whether the policy's rule chooses it.
        tip: The cell in words.
    """

    key: str
    x: float
    y: float
    shape: str
    points: str
    colour: int
    chosen: bool
    tip: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """From where a cell was to where it is now."""

    colour: int
    x1: float
    y1: float
    x2: float
    y2: float
    head: str


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a cell, beside its mark."""

    key: str
    x: float
    y: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn, in the units of its view box.

    Args:
        size: Width and height.
        box: Left, top, right and bottom of the plane.
        across: Ticks of the user's payoff: place and number.
        up: Of the LLM's.
        before: Marks of the matrix before, if there is one.
        after: Of the matrix after.
        arrows: For the cells that moved.
        labels: One for each cell.
        frontier_before: Corners of the line of the frontier before; empty if there is none.
        frontier_after: Of the one after.
        summary: The plot in words.
    """

    size: tuple[int, int]
    box: tuple[float, float, float, float]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    before: tuple[Mark, ...]
    after: tuple[Mark, ...]
    arrows: tuple[Arrow, ...]
    labels: tuple[Label, ...]
    frontier_before: str
    frontier_after: str
    summary: str


def plot(
    after: Bimatrix,
    before: Bimatrix | None = None,
    *,
    chosen: str | None = None,
    chosen_before: str | None = None,
) -> Plot:
    """Lay the plot out.

    Args:
        after: The matrix in force.
        before: The one that it was made of, of the same form; None for no arrows.
        chosen: Cell that is chosen in `after`.
        chosen_before: Cell that is chosen in `before`.
    """
    games = [game for game in (before, after) if game is not None]
    sides = [[float(v) for game in games for v in game.payoffs[..., side].flat] for side in (0, 1)]
    x_range, y_range = (_padded(min(values), max(values)) for values in sides)
    left, top, right, bottom = _BOX

    def at(user: float, llm: float) -> Point:
        return (
            left + (user - x_range[0]) / (x_range[1] - x_range[0]) * (right - left),
            bottom - (llm - y_range[0]) / (y_range[1] - y_range[0]) * (bottom - top),
        )

    def marks(game: Bimatrix, picked: str | None) -> tuple[Mark, ...]:
        found = []
        spots = [at(*game.cell(key)) for key in game.form.cells]
        beside = _spread([(round(x), round(y)) for x, y in spots])
        for key, (x, y), (shift, half) in zip(game.form.cells, spots, beside, strict=True):
            user, llm = game.cell(key)
            column = game.form.index(key)[1]
            x = max(min(x, right - half), left + half) + shift  # all of one place stay inside
            shape = SHAPES[column % len(SHAPES)]
            tip = f"{key}: user {_short(user)}, LLM {_short(llm)}"
            corners = _corners(shape, x, y)
            found.append(Mark(key, x, y, shape, corners, column % COLOURS, key == picked, tip))
        return tuple(found)

    def line(game: Bimatrix) -> str:
        cells = [game.cell(key) for key in game.form.where(pareto_frontier(game.payoffs))]
        return _path([at(*point) for point in _staircase(cells)], bottom, left)

    now = marks(after, chosen)
    was = () if before is None else marks(before, chosen_before)
    return Plot(
        size=(WIDTH, HEIGHT),
        box=_BOX,
        across=tuple((at(v, y_range[0])[0], _short(v)) for v in _ticks(*x_range)),
        up=tuple((at(x_range[0], v)[1], _short(v)) for v in _ticks(*y_range)),
        before=was,
        after=now,
        arrows=tuple(a for old, new in zip(was, now, strict=False) if (a := _arrow(old, new))),
        labels=_labels(now, [(mark.x, mark.y) for mark in was]),
        frontier_before="" if before is None else line(before),
        frontier_after=line(after),
        summary=_summary(after, before, chosen, chosen_before),
    )


def _summary(
    after: Bimatrix, before: Bimatrix | None, chosen: str | None, chosen_before: str | None
) -> str:
    def told(game: Bimatrix, picked: str | None) -> str:
        cells = ", ".join(game.form.where(pareto_frontier(game.payoffs)))
        choice = "" if picked is None else f"; {picked} is chosen"
        return f"on the frontier are {cells}{choice}"

    text = f"Each cell by the user's payoff and the LLM's. As edited, {told(after, chosen)}."
    if before is None:
        return text.replace("As edited, on", "On")
    return f"{text} As stated, {told(before, chosen_before)}."


def _staircase(cells: Collection[Point]) -> list[Point]:
    """The frontier's corners: from one cell to the next, first down, then across."""
    points: list[Point] = []
    for user, llm in sorted(cells):
        if points and points[-1][1] != llm:
            points.append((points[-1][0], llm))
        points.append((user, llm))
    return points


def _path(points: Sequence[Point], bottom: float, left: float) -> str:
    """The line through points, led on to both axes."""
    (x0, y0), (x1, _) = points[0], points[-1]
    whole = [(left, y0), (x0, y0), *points[1:], (x1, bottom)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in whole)


def _spread(spots: Sequence[tuple[int, int]]) -> list[Point]:
    """How far to shift each mark, so that those at one place stand side by side.

    With each the farthest that one of its place is shifted.
    """
    halves = [_MARK * (spots.count(spot) - 1) for spot in spots]
    return [
        (2 * _MARK * spots[:place].count(spot) - half, half)
        for place, (spot, half) in enumerate(zip(spots, halves, strict=True))
    ]


def _corners(shape: str, x: float, y: float) -> str:
    r = _MARK
    if shape == "square":
        corners = [(-r, -r), (r, -r), (r, r), (-r, r)]
        corners = [(0.87 * dx, 0.87 * dy) for dx, dy in corners]
    elif shape == "triangle":
        corners = [(0, -1.15 * r), (1.1 * r, 0.8 * r), (-1.1 * r, 0.8 * r)]
    else:
        corners = [(0, -1.25 * r), (1.25 * r, 0), (0, 1.25 * r), (-1.25 * r, 0)]
    return " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)


def _arrow(old: Mark, new: Mark) -> Arrow | None:
    """An arrow between two marks that leaves both free; None if they touch."""
    length = math.hypot(new.x - old.x, new.y - old.y)
    gap = _MARK + 3
    if length <= 2 * gap + _HEAD:
        return None
    dx, dy = (new.x - old.x) / length, (new.y - old.y) / length
    tip = (new.x - gap * dx, new.y - gap * dy)
    base = (tip[0] - _HEAD * dx, tip[1] - _HEAD * dy)
    half = _HEAD / 2
    head = (
        tip,
        (base[0] - half * dy, base[1] + half * dx),
        (base[0] + half * dy, base[1] - half * dx),
    )
    return Arrow(
        new.colour,
        old.x + gap * dx,
        old.y + gap * dy,
        *base,
        " ".join(f"{x:.1f},{y:.1f}" for x, y in head),
    )


def _labels(marks: Sequence[Mark], others: Sequence[Point]) -> tuple[Label, ...]:
    """A place beside each mark, free of other marks and labels as far as that can be had."""
    taken = [(x - 9, y - 9, x + 9, y + 9) for x, y in others]
    for mark in marks:
        r = 14 if mark.chosen else 9
        taken.append((mark.x - r, mark.y - r, mark.x + r, mark.y + r))
    spots = [*others, *((mark.x, mark.y) for mark in marks)]
    found = []
    for mark in marks:
        wide = _LETTER * (len(mark.key) + (2 if mark.chosen else 0))
        # Slantwise first: arrows and the frontier run along the axes.
        places = [
            (mark.x + 10, mark.y - 12),
            (mark.x - 10 - wide, mark.y - 12),
            (mark.x + 10, mark.y + 21),
            (mark.x - 10 - wide, mark.y + 21),
            (mark.x - wide / 2, mark.y - 18),
            (mark.x - wide / 2, mark.y + 27),
            (mark.x + 16, mark.y + 4),
            (mark.x - 16 - wide, mark.y + 4),
            (mark.x - wide / 2, mark.y - 33),
            (mark.x - wide / 2, mark.y + 42),
        ]
        boxes = [(x, y - 11, x + wide, y + 3) for x, y in places]
        clashes = [
            sum(_meet(box, other) for other in taken) + _outside(box) + _astray(box, mark, spots)
            for box in boxes
        ]
        best = clashes.index(min(clashes))
        taken.append(boxes[best])
        found.append(Label(mark.key, *places[best], mark.chosen))
    return tuple(found)


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


def _outside(box: tuple[float, ...]) -> int:
    left, top, right, bottom = _BOX
    return 3 * (box[0] < left or box[1] < top - 8 or box[2] > right + 10 or box[3] > bottom)


def _astray(box: tuple[float, ...], own: Mark, spots: Sequence[Point]) -> float:
    """A half if a label's place is nearer to another mark than to its own."""
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return 0.5 * (min(math.dist(middle, at) for at in spots) < math.dist(middle, (own.x, own.y)))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends, about `_TICKS` of them."""
    raw = (high - low) / _TICKS
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * 0.999)
    first, last = math.ceil(low / step - TOLERANCE), math.floor(high / step + TOLERANCE)
    return [i * step for i in range(first, last + 1)]


def _padded(low: float, high: float) -> Point:
    gap = max((high - low) * 0.09, abs(high) * 0.01, 0.5)
    return low - gap, high + gap


def _short(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:.3g}"
    return "0" if text == "-0" else text.replace("-", "\N{MINUS SIGN}")
