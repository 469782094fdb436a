from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import batches, random_games
from gtalign.errors import GameError
from gtalign.game import belief_response, optimum_radius, response_radius, social_optimum
from gtalign.game.belief import Aim


def moved(game: Any, up: Any, by: Any) -> Any:
    """The game with the cells of a mask raised, and all others lowered, for both players."""
    return game + np.where(up, by, -by)[..., None]


@given(batches(), st.integers(0, 99))
@settings(max_examples=50)
def test_less_than_the_radius_moves_nothing(games: Any, seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-1, 1, games.shape)
    n = games.shape[2]
    for of in ("action", "cell"):
        radius = optimum_radius(games, of)
        small = np.where(np.isinf(radius), 9, radius * 0.999)
        before = social_optimum(games)
        after = social_optimum(games + noise * small[:, None, None, None])
        stays = before == after if of == "cell" else before % n == after % n
        assert stays[radius > 1e-6].all()


@pytest.mark.parametrize("of", ["action", "cell"])
def test_a_little_more_than_the_radius_flips_it(of: Any) -> None:
    for game in random_games(40, seed=5):
        radius, best = optimum_radius(game, of), int(social_optimum(game))
        column = np.arange(6).reshape(2, 3) % 3
        others = column != best % 3 if of == "action" else np.arange(6).reshape(2, 3) != best
        flipped = int(social_optimum(moved(game, others, radius + 1e-6)))
        assert (flipped % 3 != best % 3) if of == "action" else (flipped != best)


@pytest.mark.parametrize("aim", ["user", "llm", "welfare"])
def test_the_response_to_a_belief_flips_at_its_radius(aim: Aim) -> None:
    rng = np.random.default_rng(1)
    for game in random_games(40, 3, 4, seed=7):
        belief = rng.dirichlet(np.ones(3))
        radius, best = response_radius(game, belief, aim), belief_response(game, belief, aim)
        others = np.broadcast_to(np.arange(4) != best, (3, 4))
        assert belief_response(moved(game, others, radius - 1e-6), belief, aim) == best
        assert belief_response(moved(game, others, radius + 1e-6), belief, aim) != best


def test_ties_have_no_radius_and_a_single_action_has_no_bound() -> None:
    tied = np.array([[[0.1, 0.7], [0.3, 0.5]]])
    assert optimum_radius(tied) == 0
    assert response_radius(tied, [1.0]) == 0
    single = random_games(3, 2, 1)
    assert np.isinf(optimum_radius(single)).all()
    assert np.isinf(response_radius(single, [0.5, 0.5])).all()
    assert np.isfinite(optimum_radius(single, "cell")).all()


def test_wrong_input_is_refused() -> None:
    of: Any = "row"
    with pytest.raises(GameError, match="the action or the cell"):
        optimum_radius(random_games(1), of)
    with pytest.raises(GameError, match="finite"):
        optimum_radius(np.full((2, 3, 2), np.nan))
