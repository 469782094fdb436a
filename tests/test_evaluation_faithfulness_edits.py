"""The edits of a matrix by rule: what each moves, what it leaves, and that the smallest is."""

from dataclasses import replace
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gtalign.evaluation.faithfulness.edits import (
    BY_FAR,
    EDITS,
    Grid,
    Ticks,
    moves,
    optimal,
    stays,
)
from gtalign.evaluation.faithfulness.settings import FaithfulnessSettings
from gtalign.game import USER_LLM, Bimatrix, GameForm, social_optimum

GRIDS = (Grid(0), Grid(1), Grid(0, -2.0, 2.0), Grid(2, 0.0, 1.0))
ALL = tuple(EDITS)


def games(grid: Grid, shape: tuple[int, int] = (2, 3)) -> st.SearchStrategy[Any]:
    return arrays(np.int64, (*shape, 2), elements=st.integers(grid.bottom, grid.top))


@st.composite
def placed(draw: st.DrawFn) -> tuple[Ticks, Grid]:
    grid = draw(st.sampled_from(GRIDS))
    return draw(games(grid)), grid


def edited(name: str, ticks: Ticks, grid: Grid, seed: int = 0) -> Ticks | None:
    """The edit of a game, read back through its payoffs."""
    stated = Bimatrix(USER_LLM, ticks / grid.point)
    found = EDITS[name].apply(stated, grid, np.random.default_rng(seed))
    return None if found is None else grid.ticks(found)


@pytest.mark.parametrize("name", ALL)
@given(game=placed(), seed=st.integers(0, 2**16))
def test_an_edit_does_to_the_optimum_what_it_says(
    name: str, game: tuple[Ticks, Grid], seed: int
) -> None:
    ticks, grid = game
    after = edited(name, ticks, grid, seed)
    if after is None:
        return
    assert grid.holds(after)
    assert (after != ticks).any()
    assert (moves if EDITS[name].optimum == "moves" else stays)(ticks, after)
    # By the package's own solution as well: it takes one of the optimal cells.
    best = int(social_optimum(after / grid.point))
    assert optimal(after).ravel()[best]
    again = edited(name, ticks, grid, seed)
    assert again is not None and (again == after).all()


def lengths(total: int, cells: int) -> Any:
    """Every change of the sums of so many cells that takes `total` ticks."""
    for places in combinations_with_replacement(range(cells), total):
        for signs in product((-1, 1), repeat=total):
            change = np.zeros(cells, np.int64)
            np.add.at(change, list(places), list(signs))
            yield change


@given(games(Grid(0, -1.0, 1.0)))
def test_no_change_smaller_than_the_flip_moves_the_optimum(ticks: Ticks) -> None:
    grid = Grid(0, -1.0, 1.0)
    after = edited("flip", ticks, grid)
    if after is None:
        assert optimal(ticks).any(axis=0).all()  # every action is optimal: there is no other
        return
    size = int(np.abs(after - ticks).sum())
    sums = ticks.sum(axis=-1)
    for total in range(min(size, 3)):
        for change in lengths(total, sums.size):
            small = sums + change.reshape(sums.shape)
            if (np.abs(small) > 2).any():
                continue  # outside the range
            assert not moves(ticks, np.stack([small, np.zeros_like(small)], axis=-1))


@given(placed())
def test_the_flip_leaves_all_other_payoffs_and_is_as_small_as_the_sums_say(
    game: tuple[Ticks, Grid],
) -> None:
    ticks, grid = game
    after = edited("flip", ticks, grid)
    if after is None:
        return
    sums, best = ticks.sum(axis=-1), optimal(ticks)
    runner_up = sums[:, ~best.any(axis=0)].max()
    missing = int(sums.max() - runner_up) + 1
    full = sums.max() == 2 * grid.top  # no sum can be greater: the optimal ones have to fall
    size = missing - 1 + int(best.sum()) if full else missing
    assert np.abs(after - ticks).sum() == size
    if not full:
        assert (after != ticks).any(axis=-1).sum() == 1


@given(placed(), st.integers(0, 2**16))
def test_what_each_edit_changes(game: tuple[Ticks, Grid], seed: int) -> None:
    ticks, grid = game
    shifts: dict[str, tuple[int, ...]] = {
        "shift user": (0,),
        "shift LLM": (1,),
        "shift both": (0, 1),
    }
    for name, sides in shifts.items():
        after = edited(name, ticks, grid)
        if after is not None:
            change = after - ticks
            assert np.unique(change[..., list(sides)]).tolist() in ([grid.point], [-grid.point])
            assert not np.delete(change, sides, axis=-1).any()
    swapped = edited("swap", ticks, grid, seed)
    if swapped is not None:
        columns = sorted(ticks.transpose(1, 0, 2).reshape(3, -1).tolist())
        assert sorted(swapped.transpose(1, 0, 2).reshape(3, -1).tolist()) == columns
    permuted = edited("permute", ticks, grid, seed)
    if permuted is not None:
        kept = [bool((permuted[..., side] == ticks[..., side]).all()) for side in (0, 1)]
        assert any(kept)
        for side in (0, 1):
            assert sorted(permuted[..., side].flat) == sorted(ticks[..., side].flat)
    noisy = edited("noise", ticks, grid, seed)
    if noisy is not None:
        assert np.abs(noisy - ticks).max() == 1
        assert not (noisy - ticks)[optimal(ticks)].any()
    best = edited("best", ticks, grid, seed)
    if best is not None:
        [cell] = np.argwhere(optimal(best))
        assert (best[tuple(cell)] == grid.top).all()
        rest = best.copy()
        rest[tuple(cell)] = grid.bottom
        assert rest.max() <= max(grid.top - BY_FAR * grid.point, grid.bottom)


def test_a_matrix_that_allows_no_edit_has_none() -> None:
    flat = np.zeros((2, 3, 2), np.int64)  # every action is optimal
    wide = np.array([[[5, 5], [-5, -5], [0, 0]], [[0, 0], [0, 0], [0, 0]]], np.int64)
    assert {name for name in ALL if edited(name, flat, Grid(0)) is not None} == {
        "shift user",
        "shift LLM",
        "shift both",
    }
    assert all(edited(name, wide, Grid(0)) is None for name in ("shift user", "shift both"))
    full = edited("flip", wide, Grid(0))
    assert full is not None and full[0, 0].sum() == 9 and full.sum(axis=-1).max() == 10


def test_edits_fit_games_of_other_shapes() -> None:
    form = GameForm(user={"A": "a"}, llm={"X": "x", "Y": "y"})
    stated = Bimatrix(form, [[[1.5, 2.0], [0.5, 0.5]]])
    rng = np.random.default_rng(0)
    for name, rule in EDITS.items():
        found = rule.apply(stated, Grid(1), rng)
        assert found is None or found.form == form, name
    flip = EDITS["flip"].apply(stated, Grid(1), rng)
    assert flip is not None
    assert flip.cell("A_Y") == (3.1, 0.5)


def test_an_entry_of_your_own_is_measured_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EDITS, "mine", replace(EDITS["noise"], name="mine"))
    assert FaithfulnessSettings().edits == (*ALL, "mine")
