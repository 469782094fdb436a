"""Mixed commitment against linear programs, and what it brings against equilibria."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.optimize import linprog

from games import batches, random_games
from gtalign.errors import GameError
from gtalign.game import commit, commitment_gain, stackelberg
from gtalign.game.commitment import Ties
from gtalign.game.form import Player

LEADERS: tuple[Player, ...] = ("user", "llm")
BOTH: tuple[Ties, ...] = ("strong", "weak")


def sides(game: Any, leader: Player) -> tuple[Any, Any]:
    """Payoffs of leader and follower, ``[leader's action, follower's action]``."""
    return (game[..., 0], game[..., 1]) if leader == "user" else (game[..., 1].T, game[..., 0].T)


def by_linear_programs(game: Any, leader: Player, ties: Ties) -> float:
    """The leader's value after Conitzer and Sandholm (2006): one program for each answer.

    For weak commitment, only answers that are best by a margin somewhere count, and of answers that
    are always equal the leader gets the worst (von Stengel and Zamir, 2010).
    """
    first, second = sides(game, leader)
    own, other = first.shape
    values = []
    for f in range(other):
        equal = [g for g in range(other) if np.array_equal(second[:, g], second[:, f])]
        rest = [g for g in range(other) if g not in equal]
        # Variables: the mixture, then one number that is made as great as possible.
        ahead = np.array([[*(second[:, g] - second[:, f]), 1.0] for g in rest]).reshape(-1, own + 1)
        one, bounds = [[*np.ones(own), 0.0]], [(0.0, 1.0)] * own + [(None, None)]
        best = [*np.zeros(own), -1.0]
        if ties == "weak" and rest:
            margin = linprog(best, ahead, np.zeros(len(rest)), one, [1.0], bounds)
            if -margin.fun <= 1e-7:
                continue
        worst = [[*-first[:, g], 1.0] for g in (equal if ties == "weak" else [f])]
        ahead[:, -1] = 0
        rows = np.vstack([ahead, worst])
        found = linprog(best, rows, np.zeros(len(rows)), one, [1.0], bounds)
        if found.status == 0:
            values.append(-found.fun)
    return max(values)


def test_the_example_of_conitzer() -> None:
    """Up or down with half each gives the leader 2.5; alone in equilibrium it gets 1.

    (The game of figure 1 in Conitzer, "On Stackelberg mixed strategies", Synthese 193, 2016; the
    numbers follow by hand.) Weak commitment comes as close to 2.5 as it likes.
    """
    game = np.array([[[1, 1], [3, 0]], [[0, 0], [2, 1]]], float)
    for ties in BOTH:
        found = commit(game, "user", ties)
        assert found.mixed.tolist() == [0.5, 0.5]
        assert found.answer == 1
        assert found.payoffs.tolist() == [2.5, 0.5]
    assert commitment_gain(game, "user").tolist() == [1.5, -0.5]


@pytest.mark.parametrize("ties", BOTH)
@pytest.mark.parametrize("leader", LEADERS)
@pytest.mark.parametrize(("m", "n"), [(2, 3), (3, 2), (2, 2), (3, 3), (1, 3), (4, 3)])
def test_the_value_is_that_of_the_linear_programs(
    m: int, n: int, leader: Player, ties: Ties
) -> None:
    for high in (1, 3, 50):
        games = random_games(5, m, n, seed=high, high=high)
        found = commit(games, leader, ties)
        side = 0 if leader == "user" else 1
        for number, game in enumerate(games):
            expected = by_linear_programs(game, leader, ties)
            assert found.payoffs[number, side] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("ties", BOTH)
@pytest.mark.parametrize("leader", LEADERS)
def test_equal_answers_of_the_follower_are_met(leader: Player, ties: Ties) -> None:
    """Games in which the follower has two actions that are always equal."""
    for shape in ((2, 3), (3, 2), (3, 3), (4, 4)):
        games = random_games(6, *shape, seed=2, high=3)
        if leader == "user":
            games[..., 1, 1] = games[..., 0, 1]
        else:
            games[:, 1, :, 0] = games[:, 0, :, 0]
        found = commit(games, leader, ties)
        for number, game in enumerate(games):
            expected = by_linear_programs(game, leader, ties)
            assert found.payoffs[number, 0 if leader == "user" else 1] == pytest.approx(expected)


@given(batches())
@settings(max_examples=25)
def test_what_is_found_is_what_happens(games: Any) -> None:
    for leader in LEADERS:
        strong, weak = commit(games, leader, "strong"), commit(games, leader, "weak")
        pure = stackelberg(games, leader)
        side = 0 if leader == "user" else 1
        for number, game in enumerate(games):
            first, second = sides(game, leader)
            for found in (strong, weak):
                mixed, answer = found.mixed[number], found.answer[number]
                assert mixed.sum() == pytest.approx(1)
                assert (mixed >= 0).all()
                follows = mixed @ second
                assert follows[answer] >= follows.max() - 1e-8
                reached = [(mixed @ first)[answer], follows[answer]]
                expected = reached if leader == "user" else reached[::-1]
                assert found.payoffs[number] == pytest.approx(expected)
            assert weak.payoffs[number, side] <= strong.payoffs[number, side] + 1e-8
            at_pure = game.reshape(-1, 2)[pure[number], side]
            assert strong.payoffs[number, side] >= at_pure - 1e-8


@given(batches(shapes=((2, 3), (3, 2), (2, 2))))
@settings(max_examples=25)
def test_who_leads_strongly_never_loses(games: Any) -> None:
    for side, leader in enumerate(LEADERS):
        assert (commitment_gain(games, leader)[:, side] >= -1e-8).all()


def test_batches_and_exact_games_agree() -> None:
    games = random_games(20, 2, 3, seed=4, high=3)
    wide = np.concatenate([games, np.full((20, 1, 3, 2), -99.0)], axis=1)
    wide[:, 2, :, 1] = games[:, 1, :, 1]
    for ties in BOTH:
        small, large = commit(games, "user", ties), commit(wide, "user", ties)
        assert large.payoffs[:, 0] == pytest.approx(small.payoffs[:, 0])
    alone = commit(games[3], "llm")
    assert alone.payoffs == pytest.approx(commit(games, "llm").payoffs[3])
    assert alone.mixed.shape == (3,)
    assert commit(games[:0], "llm").payoffs.shape == (0, 2)
    assert commitment_gain(games[3], "llm").shape == (2,)


def test_weak_commitment_to_an_indifferent_follower() -> None:
    game = np.array([[[3, 1], [0, 1]], [[0, 0], [2, 0]]], float)  # the LLM never cares
    strong, weak = commit(game, "user"), commit(game, "user", "weak")
    assert strong.payoffs.tolist() == [3, 1]
    assert weak.payoffs.tolist() == pytest.approx([1.2, 0.4])


def test_wrong_ties_are_refused() -> None:
    ties: Any = "medium"
    with pytest.raises(GameError, match="strong or weak"):
        commit(random_games(1), "user", ties)
    with pytest.raises(GameError, match="finite"):
        commit(np.full((2, 3, 2), np.nan), "user")
