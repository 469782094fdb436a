"""The frontier plot: cells in the plane of both payoffs, before an edit and after it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gtalign.drawing import Axis, Labels, Markup, Plane, Point, action_colour, element, number
from gtalign.drawing.svg import WIDTH, circle, group, line, path, picture, polygon, text
from gtalign.game import Bimatrix, pareto_frontier

HEIGHT: Final = 350
BOX: Final = (38.0, 22.0, WIDTH - 12.0, HEIGHT - 40.0)  # left, top, right, bottom
CORNERS: Final[tuple[tuple[Point, ...], ...]] = (
    (),
    ((-0.87, -0.87), (0.87, -0.87), (0.87, 0.87), (-0.87, 0.87)),
    ((0, -1.15), (1.1, 0.8), (-1.1, 0.8)),
    ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
)
"""Shapes of the LLM's actions, in order: a circle, then corners in halves of a mark's size."""

_MARK: Final = 7.0  # half the size of a mark
_HEAD: Final = 7.0  # length of an arrow's head


@dataclass(frozen=True, slots=True)
class _Mark:
    """One cell of one matrix, and where it is drawn."""

    key: str
    column: int
    x: float
    y: float
    chosen: bool
    payoffs: str

    @property
    def colour(self) -> str:
        return action_colour(self.column)


def frontier_plot(
    after: Bimatrix,
    before: Bimatrix | None = None,
    *,
    chosen: str | None = None,
    chosen_before: str | None = None,
) -> Markup:
    """The plot with its caption.

    Args:
        after: The matrix in force.
        before: The one that it was made of, of the same form; None for no arrows.
        chosen: Cell that is chosen in `after`.
        chosen_before: Cell that is chosen in `before`.
    """
    left, top, right, bottom = BOX
    games = [game for game in (before, after) if game is not None]
    users, llms = ([float(v) for g in games for v in g.payoffs[..., side].flat] for side in (0, 1))
    plane = Plane(
        Axis.around(users, left, right, pad=0.09, least=0.5),
        Axis.around(llms, bottom, top, pad=0.09, least=0.5),
    )
    now = _marks(plane, after, chosen)
    was = [] if before is None else _marks(plane, before, chosen_before)
    places = [(mark.x, mark.y, 9.0) for mark in was]
    places += [(mark.x, mark.y, 14.0 if mark.chosen else 9.0) for mark in now]
    stairs = [plane.stairs(_frontier(game)) for game in games]
    arrows = [((old.x, old.y), (new.x, new.y)) for old, new in zip(was, now, strict=False)]
    labels = Labels((left, top - 2, right + 10, bottom), places, [*stairs, *arrows])
    parts = plane.grid("user's payoff →", "↑ LLM's payoff", both=True)
    if before is not None:
        parts.append(path(stairs[0], "frontier was"))
    parts.append(path(stairs[-1], "frontier"))
    for old, new in zip(was, now, strict=False):
        parts += _arrow(old, new)
    parts += [_shape(mark, "was", ", as stated") for mark in was]
    parts += [_shape(mark, "now", ", as edited" if was else "") for mark in now]
    for mark in now:
        name = f"{mark.key} ✓" if mark.chosen else mark.key
        kind = "label halo strong" if mark.chosen else "label halo"
        parts.append(text(*labels.place(mark.x, mark.y, name), name, kind))
    summary = _summary(after, before, chosen, chosen_before)
    how = (
        "The line is the Pareto frontier. Ringed: chosen."
        if before is None
        else "Hollow and dashed: as stated. Filled and solid: as edited. Ringed: chosen."
    )
    caption = (
        f"{how} The shape is the LLM's action; cells with the same payoffs stand side by side."
    )
    drawn = picture("Frontier plot", summary, WIDTH, HEIGHT, *parts)
    return element("figure", drawn, element("figcaption", caption), class_="plot")


def _frontier(game: Bimatrix) -> list[Point]:
    return [game.cell(key) for key in game.form.where(pareto_frontier(game.payoffs))]


def _summary(
    after: Bimatrix, before: Bimatrix | None, chosen: str | None, chosen_before: str | None
) -> str:
    def told(start: str, game: Bimatrix, picked: str | None) -> str:
        cells = ", ".join(game.form.where(pareto_frontier(game.payoffs)))
        choice = "" if picked is None else f"; {picked} is chosen"
        return f" {start} the frontier are {cells}{choice}."

    found = "Each cell by the user's payoff and the LLM's."
    if before is None:
        return found + told("On", after, chosen)
    found += told("As edited, on", after, chosen)
    return found + told("As stated, on", before, chosen_before)


def _marks(plane: Plane, game: Bimatrix, chosen: str | None) -> list[_Mark]:
    """The cells, those at one place side by side, and all of these inside."""
    spots = [plane.at(*game.cell(key)) for key in game.form.cells]
    rounded = [(round(x), round(y)) for x, y in spots]
    found = []
    for place, (key, (x, y)) in enumerate(zip(game.form.cells, spots, strict=True)):
        half = _MARK * (rounded.count(rounded[place]) - 1)
        shift = 2 * _MARK * rounded[:place].count(rounded[place]) - half
        x = max(min(x, plane.x.end - half), plane.x.start + half) + shift
        user, llm = game.cell(key)
        payoffs = f"{key}: user {number(user)}, LLM {number(llm)}"
        found.append(_Mark(key, game.form.index(key)[1], x, y, key == chosen, payoffs))
    return found


def _shape(mark: _Mark, kind: str, when: str) -> Markup:
    corners = CORNERS[mark.column % len(CORNERS)]
    points = [(mark.x + dx * _MARK, mark.y + dy * _MARK) for dx, dy in corners]
    return group(
        f"mark {kind} {mark.colour}",
        circle(mark.x, mark.y, 12.5, "ring") if mark.chosen else None,
        polygon(points, "shape") if points else circle(mark.x, mark.y, _MARK, "shape"),
        tip=f"{mark.payoffs}{when}{', chosen' if mark.chosen else ''}",
    )


def _arrow(old: _Mark, new: _Mark) -> Sequence[Markup]:
    """An arrow between two marks that leaves both free; none if they touch."""
    length = math.hypot(new.x - old.x, new.y - old.y)
    gap = _MARK + 3
    if length <= 2 * gap + _HEAD:
        return ()
    dx, dy = (new.x - old.x) / length, (new.y - old.y) / length
    tip = (new.x - gap * dx, new.y - gap * dy)
    x, y = (tip[0] - _HEAD * dx, tip[1] - _HEAD * dy)
    half = _HEAD / 2
    head = (tip, (x - half * dy, y + half * dx), (x + half * dy, y - half * dx))
    shaft = line(old.x + gap * dx, old.y + gap * dy, x, y, "shaft")
    return (group(f"arrow {new.colour}", shaft, polygon(head, "head")),)
