from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from games import batches, random_games
from gtalign.errors import GameError
from gtalign.game import (
    USER_LLM,
    best_responses,
    dominated,
    is_trap,
    maximin,
    pareto_frontier,
    pure_nash,
    social_optimum,
    stackelberg,
)
from gtalign.game.arrays import BLOCK

DILEMMA = np.array([[[3, 3], [0, 0], [0, 4]], [[4, 0], [0, 0], [1, 1]]], float)
SOLVERS: list[Callable[[Any], Any]] = [
    pareto_frontier,
    social_optimum,
    best_responses,
    pure_nash,
    is_trap,
    lambda payoffs: dominated(payoffs)[0],
    lambda payoffs: dominated(payoffs)[1],
    lambda payoffs: stackelberg(payoffs, "llm"),
    lambda payoffs: stackelberg(payoffs, "user"),
    lambda payoffs: maximin(payoffs)[0],
    lambda payoffs: maximin(payoffs)[1],
]


def tenths(game):
    """The same game as whole numbers: {(row, column): (user, llm)}."""
    m, n, _ = game.shape
    whole = np.rint(game * 10).astype(int).tolist()
    return {(i, j): tuple(whole[i][j]) for i, j in product(range(m), range(n))}


@given(batches())
@settings(max_examples=60)
def test_frontier_optimum_and_equilibria_follow_their_definitions(games):
    frontiers, optima, nashes = pareto_frontier(games), social_optimum(games), pure_nash(games)
    for game, frontier, optimum, nash in zip(games, frontiers, optima, nashes, strict=True):
        cells = tenths(game)
        order = list(cells)
        for cell, (u, v) in cells.items():
            beaten = any(p >= u and q >= v and (p, q) != (u, v) for p, q in cells.values())
            assert frontier[cell] != beaten
            stays = all(
                (row != cell[0] or other[1] <= v) and (column != cell[1] or other[0] <= u)
                for (row, column), other in cells.items()
            )
            assert nash[cell] == stays
        best = max(order, key=lambda c: (sum(cells[c]), cells[c][0], -order.index(c)))
        assert order[optimum] == best


@given(batches())
@settings(max_examples=60)
def test_leaders_and_cautious_players_follow_their_definitions(games):
    places = {"user": stackelberg(games, "user"), "llm": stackelberg(games, "llm")}
    safest, secured = maximin(games)
    beaten = dominated(games)
    for number, game in enumerate(games):
        cells = tenths(game)
        order = list(cells)
        for side, leader in enumerate(places):
            follower = 1 - side
            reached = []
            for action in range(game.shape[side]):
                line = [c for c in order if c[side] == action]
                answer = max(cells[c][follower] for c in line)
                reached += [c for c in line if cells[c][follower] == answer]
            best = max(reached, key=lambda c: (cells[c][side], cells[c][1 - side], -order.index(c)))
            assert order[places[leader][number]] == best

            lines = [
                [cells[c][side] for c in order if c[side] == action]
                for action in range(game.shape[side])
            ]
            worst = [min(line) for line in lines]
            assert safest[number, side] == worst.index(max(worst))
            assert secured[number, side] == pytest.approx(max(worst) / 10)
            for action, line in enumerate(lines):
                strictly = any(
                    all(a > b for a, b in zip(other, line, strict=True)) for other in lines
                )
                assert beaten[side][number, action] == strictly


@given(batches())
@settings(max_examples=30)
def test_a_batch_and_its_games_agree(games):
    for solver in SOLVERS:
        batch = solver(games)
        assert len(batch) == len(games)
        for one, game in zip(batch, games, strict=True):
            assert np.array_equal(one, solver(game))


def test_a_batch_of_several_blocks_agrees_with_its_parts():
    games = random_games(2 * BLOCK // 6 + 5)
    for solver in SOLVERS:
        assert np.array_equal(solver(games)[-3000:], solver(games[-3000:]))
        assert len(solver(games[:0])) == 0


@given(batches(high=3))
@settings(max_examples=30)
def test_permuting_actions_permutes_cells(games):
    _, m, n, _ = games.shape
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(m), rng.permutation(n)
    permuted = games[:, rows][:, :, columns]
    for solver in (pareto_frontier, pure_nash, best_responses):
        assert np.array_equal(solver(permuted), solver(games)[:, rows][:, :, columns])
    for before, after, order in zip(
        dominated(games), dominated(permuted), (rows, columns), strict=True
    ):
        assert np.array_equal(after, before[:, order])


@given(batches())
@settings(max_examples=30)
def test_positive_affine_changes_of_payoffs_keep_equilibria_and_frontier(games):
    changed = games * [3, 0.5] + [-7, 20]
    for solver in (pareto_frontier, pure_nash, best_responses, is_trap):
        assert np.array_equal(solver(changed), solver(games))


def test_the_dilemma_is_a_trap():
    assert USER_LLM.where(pure_nash(DILEMMA)) == ("VQ_DA",)
    assert USER_LLM.where(pareto_frontier(DILEMMA)) == ("DQ_AQ", "DQ_DA", "VQ_AQ")
    assert USER_LLM.cells[social_optimum(DILEMMA)] == "DQ_AQ"
    assert is_trap(DILEMMA)


def test_sums_that_floats_tell_apart_are_ties():
    game = np.zeros((2, 3, 2))
    game[0, 1] = 0.1, 0.7
    game[1, 2] = 0.3, 0.5  # whose sum is larger by the last bit
    assert social_optimum(game) == 5  # the tie goes to the user's 0.3
    game[1, 2] = game[0, 1]
    assert social_optimum(game) == 1  # then to the first cell


def test_equal_points_stay_on_the_frontier():
    game = np.zeros((2, 3, 2))
    game[0, 0] = game[1, 1] = 2, 2
    game[0, 2] = 2, 1
    assert USER_LLM.where(pareto_frontier(game)) == ("DQ_AQ", "VQ_CQ")


def test_the_follower_breaks_ties_in_the_leaders_favour():
    game = np.zeros((2, 3, 2))
    game[:, :, 1] = [[0, 0, 0], [5, 0, 0]]
    assert USER_LLM.cells[stackelberg(game, "llm")] == "VQ_AQ"


@pytest.mark.parametrize(
    ("payoffs", "message"),
    [
        (np.zeros((2, 3)), "shape"),
        (np.zeros((2, 3, 3)), "shape"),
        (np.zeros((0, 3, 2)), "shape"),
        (np.zeros((2, 3, 2), bool), "numbers"),
        (np.zeros((2, 3, 2), complex), "numbers"),
    ],
)
def test_wrong_arrays_are_refused(payoffs, message):
    for solver in SOLVERS:
        with pytest.raises(GameError, match=message):
            solver(payoffs)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e101])
def test_payoffs_that_are_not_finite_are_refused_by_place(value):
    games = random_games(BLOCK // 6 + 20)
    games[-3, 1, 2, 0] = value
    for solver in SOLVERS:
        with pytest.raises(GameError, match=rf"game {len(games) - 3}: .* \[1, 2, 0\]"):
            solver(games)
        with pytest.raises(GameError, match="not a finite number"):
            solver(games[-3])


def test_the_published_facts_about_random_games():
    games = random_games(20_000)
    welfare, nash = games.sum(axis=-1), pure_nash(games).reshape(-1, 6)
    each, optimum = np.arange(len(games)), social_optimum(games)
    assert 1 - nash.any(axis=1).mean() == pytest.approx(0.16, abs=0.01)
    assert nash[each, optimum].mean() == pytest.approx(0.56, abs=0.015)
    assert (~(games > 0).all(-1).any((1, 2))).mean() == pytest.approx(0.185, abs=0.01)
    # Plain float sums choose another cell in about a fifth of the games whose best sum is tied.
    whole = np.sort(np.rint(welfare.reshape(-1, 6) * 10))
    tied = np.flatnonzero(whole[:, -1] == whole[:, -2])
    plain = np.lexsort((games[tied, :, :, 0].reshape(-1, 6), welfare[tied].reshape(-1, 6)))[:, -1]
    assert (plain != optimum[tied]).mean() == pytest.approx(0.2, abs=0.08)
