from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.special import softmax

from games import batches, random_games
from gtalign.errors import GameError
from gtalign.game import noisy_leader, quantal_equilibrium, stackelberg

PENNIES = np.stack([[[1.1141, 0], [0, 0.2785]], [[0, 1.1141], [1.1141, 0]]], axis=-1)
"""Ochs (1995), as McKelvey and Palfrey (1995) scale it."""


def test_a_point_on_the_branch_of_matching_pennies() -> None:
    """Gambit's documentation follows the same branch and prints this profile."""
    user, llm = np.array([0.5182276540742868, 0.4817723459257562]), 0.49821668880066783
    gain = 1.1141 * llm - 0.2785 * (1 - llm)
    precision = float(np.log(user[0] / user[1]) / gain)
    found = quantal_equilibrium(PENNIES, precision)
    assert found[0] == pytest.approx(user, abs=1e-8)
    assert found[1][0] == pytest.approx(llm, abs=1e-8)


def test_the_branch_ends_at_the_equilibrium() -> None:
    user, llm = quantal_equilibrium(PENNIES, 60)
    assert user == pytest.approx([0.5, 0.5], abs=0.05)
    assert llm == pytest.approx([0.2, 0.8], abs=0.05)


@given(batches())
@settings(max_examples=30)
def test_each_side_responds_to_the_other(games: Any) -> None:
    user, llm = quantal_equilibrium(games, 0.7)
    values_user = np.einsum("imn,in->im", games[..., 0], llm)
    values_llm = np.einsum("imn,im->in", games[..., 1], user)
    assert user == pytest.approx(softmax(0.7 * values_user, axis=-1), abs=1e-8)
    assert llm == pytest.approx(softmax(0.7 * values_llm, axis=-1), abs=1e-8)


def test_without_precision_all_actions_are_equally_likely() -> None:
    user, llm = quantal_equilibrium(random_games(1)[0], 0)
    assert user.tolist() == [0.5, 0.5]
    assert llm == pytest.approx([1 / 3] * 3)


def test_precise_users_are_led_as_by_a_leader() -> None:
    games = random_games(200, seed=6)
    action, reached = noisy_leader(games, 1e6)
    cells = stackelberg(games, "llm")
    expected = games.reshape(200, 6, 2)[np.arange(200), cells]
    ties = np.abs(games[:, 0, :, 0] - games[:, 1, :, 0]).min(axis=1) < 1e-9
    assert (action[~ties] == cells[~ties] % 3).all()
    assert reached[~ties] == pytest.approx(expected[~ties])
    alone, own = noisy_leader(games[0], 1.0)
    assert games[0, ..., 1].min() < own[1] < games[0, ..., 1].max()
    assert alone in range(3)


def test_chance_users_make_the_leader_average() -> None:
    games = random_games(5, seed=1)
    action, reached = noisy_leader(games, 0)
    assert (action == games[..., 1].mean(axis=1).argmax(axis=1)).all()
    assert reached[:, 1] == pytest.approx(games[..., 1].mean(axis=1).max(axis=1))


def test_wrong_input_is_refused() -> None:
    for precision in (-1.0, np.nan, np.inf):
        for call in (noisy_leader, quantal_equilibrium):
            with pytest.raises(GameError, match="a precision"):
                call(random_games(1)[0], precision)
    with pytest.raises(GameError, match="too great"):
        quantal_equilibrium(random_games(1), 1e9)
    with pytest.raises(GameError, match="finite"):
        noisy_leader(np.full((2, 3, 2), np.inf), 1)
