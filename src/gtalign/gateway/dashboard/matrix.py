"""A payoff matrix as a table: what each cell shows, and how strongly it is coloured."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gtalign.game import Bimatrix, pareto_frontier, pure_nash

LEVELS: Final = 8
"""Strengths of colour besides none: classes ``u0`` to ``u8`` for the user's payoffs, ``l0`` to
``l8`` for the LLM's."""

RANGE: Final = (-5.0, 5.0)
"""Payoffs that have no colour and all of it, unless a matrix goes beyond."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Args:
        key: As in ``VQ_DA``.
        user: The user's payoff.
        llm: The LLM's.
        user_level: Strength of its colour, 0 to `LEVELS`.
        llm_level: Likewise.
        chosen: Whether the policy's rule chooses it.
        frontier: Whether no other cell dominates it.
        equilibrium: Whether nobody gains by leaving it alone.
    """

    key: str
    user: float
    llm: float
    user_level: int
    llm_level: int
    chosen: bool
    frontier: bool
    equilibrium: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix to draw.

    Args:
        columns: The LLM's actions, each with its description.
        rows: The user's, each with its description and its cells.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]


def grid(
    game: Bimatrix,
    chosen: str | None = None,
    frontier: Collection[str] | None = None,
    equilibria: Collection[str] | None = None,
) -> Grid:
    """Lay a matrix out.

    Args:
        game: The matrix.
        chosen: Key of the cell to mark.
        frontier: Keys of the cells on the frontier; None to compute them.
        equilibria: Keys of the pure equilibria; None to compute them.
    """
    form, payoffs = game.form, game.payoffs
    if frontier is None:
        frontier = form.where(pareto_frontier(payoffs))
    if equilibria is None:
        equilibria = form.where(pure_nash(payoffs))
    low, high = min(RANGE[0], float(payoffs.min())), max(RANGE[1], float(payoffs.max()))

    def level(payoff: float) -> int:
        return round(LEVELS * (payoff - low) / (high - low))

    def cell(key: str) -> Cell:
        user, llm = game.cell(key)
        marks = (key == chosen, key in frontier, key in equilibria)
        return Cell(key, user, llm, level(user), level(llm), *marks)

    rows = tuple(
        (name, meaning, tuple(cell(form.cell(row, column)) for column in range(form.shape[1])))
        for row, (name, meaning) in enumerate(form.user)
    )
    return Grid(form.llm, rows)
