import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import batches, random_games
from gtalign.errors import GameError
from gtalign.game import TOLERANCE, USER_LLM, Bimatrix, equilibria, pure_nash, vertex_pairs

PAIRS = ((2, 3), (3, 2), (2, 2), (2, 4), (4, 2))


def points(found):
    """Equilibria as a sorted list of the probabilities of both players, for comparison."""
    return sorted(np.hstack([found.user, found.llm]).round(9).tolist())


def same(found, wanted):
    left, right = points(found), points(wanted)
    return len(left) == len(right) and np.allclose(left, right, rtol=0, atol=2e-9)


def test_all_published_games_are_solved_exactly(vectors: Path) -> None:
    lines = (vectors / "extreme-equilibria.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    games = np.stack([Bimatrix.from_json(record["game"]).payoffs for record in records])
    assert len(games) == 2000
    batch = equilibria(games)
    swapped = equilibria(games.swapaxes(1, 2)[..., ::-1])
    for number, record in enumerate(records):
        wanted = {  # the file lists an equilibrium twice in two of its games
            tuple(
                float(Fraction(mixture.get(action, "0")))
                for mixture, actions in (
                    (entry["user"], USER_LLM.user_actions),
                    (entry["llm"], USER_LLM.llm_actions),
                )
                for action in actions
            )
            for entry in record["extreme_equilibria"]
        }
        other = swapped.of(number)
        for user, llm in (
            (batch.of(number).user, batch.of(number).llm),
            (other.llm, other.user),
            (equilibria(games[number]).user, equilibria(games[number]).llm),
        ):
            found = sorted(np.hstack([user, llm]).tolist())
            assert len(found) == len(wanted), number
            assert np.allclose(found, sorted(wanted), rtol=0, atol=1e-9), number


@given(batches(PAIRS))
@settings(max_examples=60)
def test_both_methods_agree(games):
    found = equilibria(games)
    assert np.array_equal(np.unique(found.game), np.arange(len(games)))
    for number, game in enumerate(games):
        assert same(found.of(number), equilibria(game))


@given(batches(((2, 2), (2, 3), (3, 2), (1, 3))))
@settings(max_examples=30)
def test_the_general_method_agrees_when_useless_actions_are_added(games):
    _, m, n, _ = games.shape
    for game in games:
        larger = np.zeros((3, 4, 2))
        larger[:m, :n] = game
        larger[m:, :, 0] = larger[:, n:, 1] = -20  # worse than anything
        found = equilibria(larger)
        assert not found.user[:, m:].any() and not found.llm[:, n:].any()
        smaller = equilibria(game)
        assert points(smaller) == sorted(
            np.hstack([found.user[:, :m], found.llm[:, :n]]).round(9).tolist()
        )


@given(batches(((2, 3), (3, 3), (4, 2), (3, 4), (1, 1))))
@settings(max_examples=40)
def test_every_equilibrium_is_a_mutual_best_response_and_comes_once(games):
    found = equilibria(games)
    assert (found.user >= 0).all() and np.allclose(found.user.sum(axis=1), 1)
    assert (found.llm >= 0).all() and np.allclose(found.llm.sum(axis=1), 1)
    user_payoff, llm_payoff = np.moveaxis(games[found.game], -1, 0)
    of_rows = np.einsum("emn,en->em", user_payoff, found.llm)
    of_columns = np.einsum("emn,em->en", llm_payoff, found.user)
    for values, mixture in ((of_rows, found.user), (of_columns, found.llm)):
        best = values.max(axis=1, keepdims=True)
        assert (
            values[mixture > 0] >= np.broadcast_to(best, values.shape)[mixture > 0] - 1e-9
        ).all()
    for number in range(len(games)):
        listed = points(found.of(number))
        assert listed and len({tuple(point) for point in listed}) == len(listed)


@given(batches(((2, 3), (3, 3))))
@settings(max_examples=30)
def test_the_pure_ones_are_the_pure_equilibria(games):
    found = equilibria(games)
    certain = (found.user.max(axis=1) == 1) & (found.llm.max(axis=1) == 1)
    cells = np.zeros(games.shape[:3], bool)
    cells[
        found.game[certain], found.user[certain].argmax(axis=1), found.llm[certain].argmax(axis=1)
    ] = True
    assert np.array_equal(cells, pure_nash(games))


@given(batches(((2, 3), (4, 2), (3, 3))), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_permuting_actions_and_affine_changes_carry_over(games, random):
    _, m, n, _ = games.shape
    rows, columns = random.sample(range(m), m), random.sample(range(n), n)
    moved = equilibria(games[:, rows][:, :, columns] * [2, 0.5] + [-1, 3])
    found = equilibria(games)
    for number in range(len(games)):
        before, after = found.of(number), moved.of(number)
        wanted = np.hstack([before.user[:, rows], before.llm[:, columns]]).round(9).tolist()
        assert np.allclose(points(after), sorted(wanted), rtol=0, atol=2e-9)


def test_payoffs_off_any_grid_are_solved_alike_by_both_methods():
    games = np.random.default_rng(3).normal(size=(300, 2, 3, 2))
    found = equilibria(games)
    for number, game in enumerate(games):
        one, other = points(found.of(number)), points(equilibria(game))
        assert np.allclose(one, other, rtol=0, atol=1e-6)


def test_textbook_games():
    rock = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], float)
    found = equilibria(np.stack([rock, -rock], axis=-1))
    assert points(found) == [[round(1 / 3, 9)] * 6]
    # Coordination on one of three: every set of meeting points is an equilibrium.
    meet = np.stack([np.eye(3)] * 2, axis=-1)
    assert len(equilibria(meet)) == 7
    # Nobody cares: all pairs of pure actions are extreme.
    assert len(equilibria(np.zeros((2, 3, 2)))) == len(equilibria(np.zeros((1, 2, 3, 2)))) == 6
    assert len(equilibria(np.zeros((3, 3, 2)))) == 9


def test_three_lines_through_one_point_make_one_vertex():
    game = np.zeros((1, 2, 3, 2))
    game[0, :, :, 1] = [[2, 1, 0], [0, 1, 2]]  # all three LLM actions tie at (1/2, 1/2)
    game[0, :, :, 0] = [[0, 1, 0], [1, 0, 1]]
    found = equilibria(game)
    assert same(found, equilibria(game[0]))
    mixed = found.user[found.user.max(axis=1) < 1]
    assert len(mixed) == 2 and (mixed == 0.5).all()


def test_vertices_come_in_the_documented_order():
    games = random_games(50, 2, 4)
    pairs = vertex_pairs(games)
    assert pairs.shape == (50, 2 + 6, 4 + 6)
    assert np.array_equal(pairs[:, :2, :4], pure_nash(games))
    mirrored = vertex_pairs(games.swapaxes(1, 2)[..., ::-1])
    assert np.array_equal(mirrored, pairs.swapaxes(1, 2))
    assert np.array_equal(vertex_pairs(games[7]), pairs[7])


def test_a_large_batch_agrees_with_its_games():
    games = random_games(9000, high=5)
    found = equilibria(games)
    assert (np.diff(found.game) >= 0).all()
    for number in (0, 1, 8191, 8192, 8999):
        assert same(found.of(number), equilibria(games[number]))


def test_an_empty_batch_has_no_equilibria():
    for shape in ((0, 2, 3, 2), (0, 3, 3, 2)):
        found = equilibria(np.zeros(shape))
        assert len(found) == 0 and found.user.shape == (0, shape[1])
        assert len(found.of(0)) == 0


def test_near_ties_follow_the_tolerance():
    game = np.zeros((2, 2, 2))
    game[0, 0, 0] = TOLERANCE / 4
    assert len(equilibria(game)) == len(equilibria(game[None])) == 4
    game[0, 0, 0] = 100 * TOLERANCE
    assert len(equilibria(game)) == len(equilibria(game[None])) == 3


def test_payoffs_too_large_for_the_grid_are_read_as_they_are():
    game = np.zeros((2, 2, 2))
    game[:, :, 0], game[:, :, 1] = [[1e30, 0], [0, 3e30]], [[2e30, 0], [0, 1e30]]
    assert points(equilibria(game))[1] == [round(1 / 3, 9), round(2 / 3, 9), 0.75, 0.25]


def test_wrong_games_are_refused():
    with pytest.raises(GameError, match="two actions"):
        vertex_pairs(np.zeros((3, 3, 2)))
    with pytest.raises(GameError, match="two actions"):
        vertex_pairs(np.zeros((1, 2, 2)))
    with pytest.raises(GameError, match="shape"):
        equilibria(np.zeros((2, 3)))
    for shape in ((2, 3, 2), (4, 2, 3, 2), (3, 3, 2)):
        with pytest.raises(GameError, match="not a finite number"):
            equilibria(np.full(shape, np.nan))
