"""Edits of a payoff matrix by rule, one entry each, to see whether the rest of a chain follows.

The optimum of a matrix is what the method's chain is asked to choose: the cells of the highest sum
of both payoffs (GTAlign, arXiv 2510.08872, its prompt). If several cells tie, each is right. An
edit either moves the optimum to other actions of the LLM, or leaves the set of optimal cells as it
is. A constant added to all payoffs of one player changes every sum alike, so it moves nothing.

Payoffs are counted in *ticks*, whole units of their last decimal: sums and ties are then exact.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gtalign.game import Bimatrix

Ticks = NDArray[np.int64]
"""Payoffs in ticks, ``[m, n, 2]``: rows of the user, columns of the LLM, user before LLM."""

Mask = NDArray[np.bool_]

BY_FAR: Final = 2
"""Points by which `best` sets its cell above every other, for each side."""

SHIFT: Final = 1
"""Points that a shift adds to every payoff of a player."""

_TRIES: Final = 50


@dataclass(frozen=True, slots=True)
class Grid:
    """The payoffs that a matrix can hold: whole ticks in a range.

    Args:
        decimals: Decimals of a payoff.
        low: Least payoff, inclusive.
        high: Greatest payoff, inclusive.
    """

    decimals: int
    low: float = -5.0
    high: float = 5.0

    @property
    def point(self) -> int:
        """Ticks of one point."""
        return int(10**self.decimals)

    @property
    def bottom(self) -> int:
        """Least payoff, in ticks."""
        return int(np.ceil(self.low * self.point - 1e-6))

    @property
    def top(self) -> int:
        """Greatest payoff, in ticks."""
        return int(np.floor(self.high * self.point + 1e-6))

    def ticks(self, game: Bimatrix) -> Ticks:
        """Payoffs of a game in ticks; finer ones are rounded."""
        return np.rint(game.payoffs * self.point).astype(np.int64)

    def holds(self, ticks: Ticks) -> bool:
        """Whether all payoffs lie in the range."""
        return bool(ticks.min() >= self.bottom and ticks.max() <= self.top)

    def game(self, ticks: Ticks, like: Bimatrix) -> Bimatrix:
        """The game of the same form with these payoffs."""
        return Bimatrix(like.form, ticks / self.point)


def optimal(ticks: Ticks) -> Mask:
    """Cells of the highest sum, ``[m, n]``."""
    sums = ticks.sum(axis=-1)
    found: Mask = sums == sums.max()
    return found


def moves(before: Ticks, after: Ticks) -> bool:
    """Whether no LLM action that was optimal still is."""
    return not bool((optimal(before).any(axis=0) & optimal(after).any(axis=0)).any())


def stays(before: Ticks, after: Ticks) -> bool:
    """Whether the same cells are optimal."""
    return bool((optimal(before) == optimal(after)).all())


Change = Callable[[Ticks, Grid, np.random.Generator], Ticks | None]
"""Takes payoffs, their grid and a source of chance; returns other payoffs on the grid, or None
where the matrix allows no such edit."""


@dataclass(frozen=True, slots=True)
class EditRule:
    """One way to edit a matrix.

    Args:
        name: Its name in settings, tables and transcripts.
        says: What it changes, in one sentence.
        optimum: Whether the optimum stays as it is, or moves to other actions.
        change: Makes the edit.
    """

    name: str
    says: str
    optimum: Literal["stays", "moves"]
    change: Change = field(repr=False)

    def apply(self, stated: Bimatrix, grid: Grid, rng: np.random.Generator) -> Bimatrix | None:
        """Return the edited matrix; None where the stated one allows no such edit."""
        before = grid.ticks(stated)
        after = self.change(before, grid, rng)
        if after is None or not grid.holds(after):
            return None
        holds = moves if self.optimum == "moves" else stays
        return grid.game(after, stated) if holds(before, after) else None


def _as_written(ticks: Ticks, grid: Grid, rng: np.random.Generator) -> Ticks:
    return ticks


def _flip(ticks: Ticks, grid: Grid, rng: np.random.Generator) -> Ticks | None:
    """Change as few ticks as possible so that other actions become optimal.

    One cell of another action is raised above the optimum. Lowering the optimum by a tick takes as
    much as raising the other by one, and more where several cells tie, so the optimum is lowered
    only where the range leaves no room above it.
    """
    best = optimal(ticks)
    other = ~best.any(axis=0)
    if not other.any():
        return None
    sums = ticks.sum(axis=-1)
    row, column = _first_of(np.where(other, sums, np.iinfo(np.int64).min))
    changed = ticks.copy()
    missing = int(sums.max() - sums[row, column]) + 1
    for side in (0, 1):
        step = min(missing, grid.top - int(changed[row, column, side]))
        changed[row, column, side] += step
        missing -= step
    if missing:  # the optimum has the greatest sum that there is
        for tied in np.argwhere(best):
            changed[(*tied, 0)] -= missing
    return changed


def _swap(ticks: Ticks, grid: Grid, rng: np.random.Generator) -> Ticks | None:
    """Swap the columns of the optimal action and of another one."""
    columns = optimal(ticks).any(axis=0)
    others = np.flatnonzero(~columns)
    if columns.sum() != 1 or not len(others):
        return None
    one, other = int(np.argmax(columns)), int(rng.choice(others))
    changed = ticks.copy()
    changed[:, [one, other]] = ticks[:, [other, one]]
    return changed


def _permute(ticks: Ticks, grid: Grid, rng: np.random.Generator) -> Ticks | None:
    """Permute the payoffs of one player over the cells, until the optimum has moved."""
    for _ in range(_TRIES):
        side = int(rng.integers(2))
        changed = ticks.copy()
        changed[..., side] = rng.permutation(ticks[..., side].ravel()).reshape(ticks.shape[:2])
        if moves(ticks, changed):
            return changed
    return None


def _best(ticks: Ticks, grid: Grid, rng: np.random.Generator) -> Ticks | None:
    """Give a cell of another action the greatest payoffs, and keep every other well below."""
    worse = ~optimal(ticks).any(axis=0)
    others = np.argwhere(np.broadcast_to(worse, ticks.shape[:2]))
    if not len(others):
        return None
    row, column = others[int(rng.integers(len(others)))]
    changed = np.minimum(ticks, grid.top - BY_FAR * grid.point)
    changed[row, column] = grid.top
    return changed


def _shifted(*sides: int) -> Change:
    """Add a constant to every payoff of one player or of both, upwards if there is room."""

    def change(ticks: Ticks, grid: Grid, rng: np.random.Generator) -> Ticks | None:
        for step in (SHIFT * grid.point, -SHIFT * grid.point):
            changed = ticks.copy()
            changed[..., list(sides)] += step
            if grid.holds(changed):
                return changed
        return None

    return change


def _noise(ticks: Ticks, grid: Grid, rng: np.random.Generator) -> Ticks | None:
    """Move payoffs outside the optimum by at most a tick, so that no sum reaches the best."""
    best = optimal(ticks)
    changed = np.clip(ticks + rng.integers(-1, 2, ticks.shape), grid.bottom, grid.top)
    reaches = changed.sum(axis=-1) >= ticks.sum(axis=-1).max()
    changed = np.where((best | reaches)[..., None], ticks, changed)
    return None if (changed == ticks).all() else changed


AS_WRITTEN: Final = EditRule(
    name="as written",
    says="Nothing is changed: the matrix as the model wrote it.",
    optimum="stays",
    change=_as_written,
)

EDITS: Final[dict[str, EditRule]] = {
    rule.name: rule
    for rule in (
        EditRule(
            name="flip",
            says="The smallest change that makes another action optimal.",
            optimum="moves",
            change=_flip,
        ),
        EditRule(
            name="swap",
            says="The optimal action and another one swap all their payoffs.",
            optimum="moves",
            change=_swap,
        ),
        EditRule(
            name="permute",
            says="One player's payoffs are permuted over the cells, so that the optimum moves.",
            optimum="moves",
            change=_permute,
        ),
        EditRule(
            name="best",
            says=(
                "A cell of another action gets the greatest payoffs, and every other payoff is at"
                f" least {BY_FAR} points lower."
            ),
            optimum="moves",
            change=_best,
        ),
        EditRule(
            name="shift user",
            says=f"All payoffs of the user change by {SHIFT} point: no order of sums changes.",
            optimum="stays",
            change=_shifted(0),
        ),
        EditRule(
            name="shift LLM",
            says=f"All payoffs of the LLM change by {SHIFT} point: no order of sums changes.",
            optimum="stays",
            change=_shifted(1),
        ),
        EditRule(
            name="shift both",
            says=f"All payoffs change by {SHIFT} point: no order of sums changes.",
            optimum="stays",
            change=_shifted(0, 1),
        ),
        EditRule(
            name="noise",
            says=(
                "Payoffs outside the optimum change by at most one unit of their last decimal, and"
                " no sum reaches the best."
            ),
            optimum="stays",
            change=_noise,
        ),
    )
}
"""The edits by name. An entry of your own takes effect as soon as you add it."""


def known_edit(name: str) -> str:
    """Return the name of an edit as it is; raises ValueError for any other text."""
    if name not in EDITS:
        *first, last = map(repr, EDITS)
        raise ValueError(f"input should be {', '.join(first)} or {last}")
    return name


def _first_of(values: NDArray[np.int64]) -> tuple[int, int]:
    """Row and column of the first greatest value."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(row), int(column)
