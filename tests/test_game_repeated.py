from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings

from games import batches, random_games
from gtalign.game import critical_discount, equilibria, pure_nash


@pytest.mark.parametrize(
    ("payoffs", "expected"),
    [
        (
            (3, 1, 4, 2),
            1 / 2,
        ),  # reward, sucker, temptation, punishment: economics.stackexchange 30180
        ((3, -1, 5, 2), 2 / 3),
        ((3, 0, 5, 1), 1 / 2),  # Axelrod's numbers, The Evolution of Cooperation, 1984
    ],
)
def test_cooperation_in_the_prisoners_dilemma(payoffs: Any, expected: float) -> None:
    reward, sucker, temptation, punishment = payoffs
    game = [
        [[reward, reward], [sucker, temptation]],
        [[temptation, sucker], [punishment, punishment]],
    ]
    discount = critical_discount(np.array(game, float))
    assert discount[0, 0] == pytest.approx(expected)
    assert discount[1, 1] == 0
    assert np.isnan([discount[0, 1], discount[1, 0]]).all()


NO_PUNISHMENT = [[[-0.1, 0], [-0.1, -0.1], [0, 0.1]], [[-0.1, -0.1], [0, 0], [-0.1, -0.1]]]
"""The user gets less in the first cell than in what follows when somebody leaves it."""


@given(batches(shapes=((2, 3), (3, 2), (2, 2), (3, 3))))
@example(np.array([NO_PUNISHMENT]))
@settings(max_examples=25)
def test_nobody_gains_by_leaving_from_the_critical_discount_on(games: Any) -> None:
    """The definition, by the sums of both streams; nan where somebody always leaves."""
    found = equilibria(games)
    discounts = critical_discount(games)
    for number, game in enumerate(games):
        own = found.of(number)
        value = np.einsum("em,en,mnp->ep", own.user, own.llm, game)
        punished = value.min(axis=0)

        def stays(
            row: int, column: int, discount: float, game: Any, punished: Any, slack: float = 1e-7
        ) -> bool:
            others = np.delete(game[:, column, 0], row), np.delete(game[row, :, 1], column)
            return all(
                (1 - discount) * other.max() + discount * punished[p] <= kept + slack
                for p, (other, kept) in enumerate(zip(others, game[row, column], strict=True))
            )

        for (row, column), least in np.ndenumerate(discounts[number]):
            if np.isnan(least):
                for discount in np.linspace(0, 0.999, 50):
                    assert not stays(row, column, discount, game, punished, -1e-7)
            else:
                assert 0 <= least < 1
                assert stays(row, column, least, game, punished)
                if least > 1e-3:
                    assert not stays(row, column, least - 1e-3, game, punished)


def test_who_is_better_off_after_leaving_does_not_stay() -> None:
    # The LLM alone would stay from a discount factor of 3/4 on; the user leaves at any.
    assert np.isnan(critical_discount(np.array(NO_PUNISHMENT))[0, 0])


def test_leaving_may_cost_more_at_once_than_it_brings_later() -> None:
    # In the first cell the user gets 1, by leaving it 0 and then 1.5 for ever: it stays up to 2/3.
    # The LLM is tempted by 1 in the first game (it stays from 1/2 on), by 4 in the second (4/5).
    games = [[[[1, 1], [-9, temptation]], [[0, -9], [1.5, 0]]] for temptation in (2.0, 5.0)]
    discounts = critical_discount(np.array(games, float))
    assert discounts[0, 0, 0] == pytest.approx(0.5)
    assert np.isnan(discounts[1, 0, 0])


def test_a_player_of_one_action_never_leaves() -> None:
    assert critical_discount(np.array([[[1.0, 3.0]], [[2.0, 0.0]]]))[1, 0] == 0


def test_equilibria_need_no_patience_and_batches_agree() -> None:
    games = random_games(50, seed=3)
    discounts = critical_discount(games)
    assert ((discounts == 0) == pure_nash(games)).all()
    for game, discount in zip(games, discounts, strict=True):
        np.testing.assert_allclose(critical_discount(game), discount)
