import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import batches
from gtalign.errors import GameError
from gtalign.game import ces, cobb_douglas, maximin, nash_bargaining, utilitarian

positive = st.floats(1e-3, 1e3)
orders = st.floats(-50, 50)


@given(positive, positive, orders)
def test_it_is_the_power_mean(user, llm, rho):
    mean = ces(user, llm, rho)
    assert ces(llm, user, rho) == pytest.approx(mean, rel=1e-12)
    slack = 1e-9 * max(user, llm)
    assert min(user, llm) - slack <= mean <= max(user, llm) + slack
    if 0.01 < abs(rho) < 20:
        formula = ((user**rho + llm**rho) / 2) ** (1 / rho)
        assert mean == pytest.approx(formula, rel=1e-9)


@given(positive, positive, orders, orders)
def test_it_grows_with_its_order(user, llm, rho, other):
    low, high = sorted([rho, other])
    assert ces(user, llm, low) <= ces(user, llm, high) * (1 + 1e-9)


@given(positive, positive, orders, st.floats(1e-2, 1e2))
def test_it_scales_with_its_arguments(user, llm, rho, factor):
    scaled = ces(factor * user, factor * llm, rho)
    assert scaled == pytest.approx(factor * ces(user, llm, rho), rel=1e-9)


@given(positive, positive)
def test_members_and_limits(user, llm):
    assert cobb_douglas(user, llm) == pytest.approx(math.sqrt(user * llm))
    assert utilitarian(user, llm) == pytest.approx((user + llm) / 2)
    assert ces(user, llm, -math.inf) == min(user, llm)
    assert ces(user, llm, math.inf) == max(user, llm)
    for rho in (1e-7, -1e-7, 1e-11, -1e-13, 5e-324):
        assert ces(user, llm, rho) == pytest.approx(cobb_douglas(user, llm), rel=1e-4)
    assert ces(user, llm, 1 + 1e-9) == pytest.approx(utilitarian(user, llm))
    assert ces(user, llm, -1e6) == pytest.approx(min(user, llm), rel=1e-4)


def test_zero_is_fatal_up_to_cobb_douglas_and_not_beyond():
    assert [ces(0, 4, rho) for rho in (-math.inf, -3, -1e-9, 0, 1e-9)] == [0] * 5
    assert ces(0, 4, 0.5) == pytest.approx(1)
    assert ces(0, 4, 1) == 2
    assert ces(0, 0, 2) == ces(0, 0, -2) == 0


def test_negative_welfare_is_undefined_save_for_mean_and_extremes():
    assert [ces(-1, 3, rho) for rho in (-math.inf, 1, math.inf)] == [-1, 1, 3]
    for rho in (-2, 0, 0.5, 2):
        assert math.isnan(ces(-1, 3, rho)) and math.isnan(ces(-1, -3, rho))
    assert math.isnan(ces(math.nan, 3, 0)) and math.isnan(ces(math.inf, 3, 0))
    with pytest.raises(GameError, match="order rho"):
        ces(1, 1, math.nan)


def test_numbers_give_a_float_and_arrays_an_array():
    assert type(ces(1, 4, 0)) is float
    result = ces([[1, 0], [-1, 9]], 4.0, 0)
    assert result.shape == (2, 2)
    assert np.array_equal(result, [[2.0, 0.0], [np.nan, 6.0]], equal_nan=True)


def test_nothing_overflows():
    assert ces(1e300, 1e300, 3) == pytest.approx(1e300)
    assert ces(1e300, 1e-300, 0) == pytest.approx(1)
    assert ces(1e-300, 1e300, -1000) == pytest.approx(1e-300, rel=1e-2)
    assert utilitarian(1.5e308, 1.5e308) == 1.5e308


@given(batches(((2, 3), (3, 3))))
@settings(max_examples=40)
def test_bargaining_maximises_the_product_of_gains(games):
    point = maximin(games)[1]
    chosen = nash_bargaining(games, point)
    for game, least, cell in zip(games, point, chosen, strict=True):
        gains = np.rint((game.reshape(-1, 2) - least) * 10)
        fair = (gains >= 0).all(axis=1)
        assert fair.any() == (cell >= 0)
        if fair.any():
            assert fair[cell]
            assert gains[cell].prod() == gains[fair].prod(axis=1).max()
        assert nash_bargaining(game, least) == cell


def test_bargaining_without_a_fair_cell_and_with_ties():
    game = np.zeros((2, 2, 2))
    assert nash_bargaining(game, [1, 1]) == -1
    game[1, 0] = 3, 0  # every product is zero: the highest sum
    assert nash_bargaining(game, [0, 0]) == 2
    assert nash_bargaining(np.stack([game, -game]), [0, 0]).tolist() == [2, 0]


@pytest.mark.parametrize("point", [[0, 0, 0], 0, [[0, 0]], [0, np.nan]])
def test_a_wrong_disagreement_point_is_refused(point):
    with pytest.raises(GameError, match="disagreement point"):
        nash_bargaining(np.zeros((2, 2, 2)), point)
