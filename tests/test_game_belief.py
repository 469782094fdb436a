"""Beliefs over the user's type: what to do, and what it is worth to ask."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import batches, random_games
from gtalign.errors import GameError
from gtalign.game import (
    belief_payoffs,
    belief_response,
    perfect_information,
    posterior,
    sample_information,
    worth_asking,
)
from gtalign.game.belief import Aim

AIMS: tuple[Aim, ...] = ("user", "llm", "welfare")


def counted(payoffs_ta: Any) -> Any:
    """A decision of one side alone: the payoffs are the LLM's, and the user's are 0."""
    array = np.asarray(payoffs_ta, float)
    return np.stack([np.zeros_like(array), array], axis=-1)


def some_belief(types: int, seed: int) -> Any:
    return np.random.default_rng(seed).dirichlet(np.ones(types))


def some_likelihood(types: int, signals: int, seed: int) -> Any:
    return np.random.default_rng(seed).dirichlet(np.ones(signals), types)


def test_perfect_information_of_the_investor() -> None:
    """Stock, fund or bank under three markets (Wikipedia, "Expected value of perfect information").

    The expected payoffs are 680, 590 and 500; with perfect information 1030.
    """
    payoffs = counted([[1500, 900, 500], [300, 600, 500], [-800, -200, 500]])
    belief = [0.5, 0.3, 0.2]
    assert belief_payoffs(payoffs, belief)[:, 1] == pytest.approx([680, 590, 500])
    assert belief_response(payoffs, belief, "llm") == 0
    assert perfect_information(payoffs, belief, "llm")[1] == pytest.approx(350)


def test_sample_information_of_the_restaurant() -> None:
    """Burger Prince (Anderson, Sweeney and Williams, Quantitative Methods for Business, chapter 4).

    Published: P(favourable) .54, after it .148, .185, .667; EVPI 2,000; EVSI 900.88, of which .88
    come from rounding the beliefs.
    """
    payoffs = counted([[10e3, 8e3, 6e3], [15e3, 18e3, 16e3], [14e3, 12e3, 21e3]])
    belief, survey = [0.4, 0.2, 0.4], [[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]
    chance, after = posterior(belief, survey)
    assert chance == pytest.approx([0.54, 0.46])
    assert after[0] == pytest.approx([0.148, 0.185, 0.667], abs=5e-4)
    assert after[1] == pytest.approx([0.696, 0.217, 0.087], abs=5e-4)
    assert perfect_information(payoffs, belief, "llm")[1] == pytest.approx(2000)
    assert sample_information(payoffs, belief, survey, "llm")[1] == pytest.approx(900)
    assert worth_asking(payoffs, belief, survey, [0, 899], "llm")
    assert not worth_asking(payoffs, belief, survey, [0, 900], "llm")


@given(batches(), st.integers(0, 99), st.integers(1, 4), st.sampled_from(AIMS))
@settings(max_examples=60)
def test_values_follow_their_definition(games: Any, seed: int, signals: int, aim: Aim) -> None:
    types = games.shape[1]
    belief, likelihood = some_belief(types, seed), some_likelihood(types, signals, seed)
    sides = {"user": [1, 0], "llm": [0, 1], "welfare": [1, 1]}[aim]
    gains = sample_information(games, belief, likelihood, aim)
    perfect = perfect_information(games, belief, aim)
    for game, gain, known in zip(games, gains, perfect, strict=True):
        value = game @ sides  # [T, n]
        before = (belief @ value).max()
        after = sum(
            chance * (own @ value).max()
            for chance, own in zip(*posterior(belief, likelihood), strict=True)
        )
        assert gain @ sides == pytest.approx(after - before, abs=1e-7)
        assert known @ sides == pytest.approx(belief @ value.max(axis=1) - before, abs=1e-7)
        assert -1e-7 <= gain @ sides <= known @ sides + 1e-7


def test_a_side_that_the_aim_does_not_count_may_lose() -> None:
    payoffs = [[[0, 3], [2, 2]], [[0, 0], [2, 2]]]
    gain = perfect_information(payoffs, [0.5, 0.5], "llm")
    assert gain.tolist() == [-1, 0.5]
    assert worth_asking(payoffs, [0.5, 0.5], np.eye(2), [0, 0.4], "llm")
    assert not worth_asking(payoffs, [0.5, 0.5], np.eye(2), [0, 0])


def test_ties_go_to_the_user_then_to_the_first() -> None:
    assert belief_response([[[1, 3], [3, 1], [3, 1]]], [1.0]) == 1
    assert belief_response([[[3, 1], [3, 4], [3, 4]]], [1.0], "user") == 1
    assert belief_response([[[0.1, 0.7], [0.3, 0.5]]], [1.0]) == 1  # 0.1 + 0.7 is less in floats


def test_batches_and_single_games_agree() -> None:
    games = random_games(7, 3, 4)
    beliefs = np.random.default_rng(1).dirichlet(np.ones(3), 7)
    likelihoods = np.random.default_rng(2).dirichlet(np.ones(2), (7, 3))
    together = sample_information(games, beliefs, likelihoods)
    responses = belief_response(games, beliefs)
    for n in range(7):
        alone = sample_information(games[n], beliefs[n], likelihoods[n])
        assert together[n] == pytest.approx(alone)
        assert responses[n] == belief_response(games[n], beliefs[n])
    for n in range(7):
        one_game = sample_information(games[0], beliefs, likelihoods[0])[n]
        assert one_game == pytest.approx(sample_information(games[0], beliefs[n], likelihoods[0]))
        one_belief = sample_information(games[0], beliefs[0], likelihoods)[n]
        assert one_belief == pytest.approx(sample_information(games[0], beliefs[0], likelihoods[n]))
    assert worth_asking(games, beliefs, likelihoods, np.zeros((7, 2))).shape == (7,)
    assert belief_payoffs(games[:0], beliefs[:0]).shape == (0, 4, 2)


def test_impossible_signals_say_nothing() -> None:
    chance, after = posterior([1.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    assert chance.tolist() == [1, 0]
    assert after[0].tolist() == [1, 0]
    assert np.isnan(after[1]).all()
    games = random_games(1, 2, 3)[0]
    assert perfect_information(games, [1.0, 0.0]).tolist() == [0, 0]


GAME = random_games(1, 2, 3)[0]
WRONG: list[tuple[Any, Any, Any, str]] = [
    (GAME, [0.5, 0.6], np.eye(2), "add up to 1"),
    (GAME, [1.5, -0.5], np.eye(2), "0 or more"),
    (GAME, [np.nan, 1.0], np.eye(2), "a belief"),
    (GAME, [0.2, 0.3, 0.5], np.eye(2), "about 3 types, not 2"),
    (GAME, [0.5, 0.5], np.eye(3), "likelihood is about 3 types"),
    (GAME, [0.5, 0.5], [[1.0, 0.5], [0.0, 1.0]], "a likelihood"),
    (GAME, 0.5, np.eye(2), "axes"),
    (np.array([GAME, GAME]), [[0.5, 0.5]] * 3, np.eye(2), "batches of 2 and 3"),
    (np.array([GAME, GAME]), [0.5, 0.5], np.array([np.eye(2)] * 3), "batches of 3 and 2"),
    (GAME * np.inf, [0.5, 0.5], np.eye(2), "finite"),
    (GAME[0], [0.5, 0.5], np.eye(2), "shape"),
]


@pytest.mark.parametrize(("payoffs", "belief", "likelihood", "message"), WRONG)
def test_wrong_input_is_refused(payoffs: Any, belief: Any, likelihood: Any, message: str) -> None:
    with pytest.raises(GameError, match=message):
        sample_information(payoffs, belief, likelihood)


def test_wrong_costs_and_aims_are_refused() -> None:
    with pytest.raises(GameError, match="a cost is two finite numbers"):
        worth_asking(GAME, [0.5, 0.5], np.eye(2), 1.0)
    with pytest.raises(GameError, match="a cost is two finite numbers"):
        worth_asking(GAME, [0.5, 0.5], np.eye(2), [0, np.nan])
    aim: Any = "nobody"
    with pytest.raises(GameError, match="an aim is one of user, llm, welfare"):
        belief_response(GAME, [0.5, 0.5], aim)
