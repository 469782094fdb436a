from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

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


@given(batches(shapes=((2, 3), (3, 2), (2, 2), (3, 3))))
@settings(max_examples=25)
def test_nobody_gains_by_leaving_from_the_critical_discount_on(games: Any) -> None:
    """The definition, by the sums of both streams; nan where even a patient player leaves."""
    found = equilibria(games)
    discounts = critical_discount(games)
    for number, game in enumerate(games):
        own = found.of(number)
        value = np.einsum("em,en,mnp->ep", own.user, own.llm, game)
        punished = value.min(axis=0)

        def stays(row: int, column: int, discount: float, game: Any, punished: Any) -> bool:
            best = [game[:, column, 0].max(), game[row, :, 1].max()]
            kept = game[row, column]
            return all(
                (1 - discount) * best[p] + discount * punished[p] <= kept[p] + 1e-7 for p in (0, 1)
            )

        for (row, column), least in np.ndenumerate(discounts[number]):
            if np.isnan(least):
                assert not stays(row, column, 0.999, game, punished)
            else:
                assert 0 <= least < 1
                assert stays(row, column, least, game, punished)
                if least > 1e-3:
                    assert not stays(row, column, least - 1e-3, game, punished)


def test_equilibria_need_no_patience_and_batches_agree() -> None:
    games = random_games(50, seed=3)
    discounts = critical_discount(games)
    assert ((discounts == 0) == pure_nash(games)).all()
    for game, discount in zip(games, discounts, strict=True):
        np.testing.assert_allclose(critical_discount(game), discount)
