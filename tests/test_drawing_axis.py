"""Axes: ticks are round, few and inside on any range, and places keep their order."""

import math
import sys
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.drawing import Axis, ticks
from gtalign.errors import DrawingError, GTAlignError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
MOST = st.integers(3, 12)
LARGEST = sys.float_info.max


@given(FINITE, FINITE, MOST)
def test_ticks_of_any_range_are_few_finite_increasing_and_inside(
    one: float, other: float, most: int
) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high, most)
    assert 1 <= len(found) <= most
    assert all(map(math.isfinite, found))
    assert all(a < b for a, b in pairwise(found))
    assert low <= found[0] and found[-1] <= high


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.integers(-6, 6), MOST)
def test_ticks_are_multiples_of_one_round_step_and_leave_less_than_it_at_each_end(
    start: int, length: int, power: int, most: int
) -> None:
    low, high = (float(Fraction(v) * Fraction(10) ** power) for v in (start, start + length))
    found = ticks(low, high, most)
    if len(found) < 2:
        return
    step = min(b - a for a, b in pairwise(found))
    digit = f"{step:.6e}"
    assert digit[0] in "125" and float(digit.partition("e")[0]) in (1, 2, 5)
    assert all(math.isclose(v / step, round(v / step), abs_tol=1e-6) for v in found)
    assert found[0] - low < step * 1.000001 and high - found[-1] < step * 1.000001


def test_ticks_of_usual_ranges() -> None:
    assert ticks(0, 1) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-3, 7) == [-2.0, 0.0, 2.0, 4.0, 6.0]
    assert ticks(2, 2) == [2]
    assert ticks(0.1 + 0.2, 1.0) == pytest.approx([0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize(
    ("low", "high"),
    [
        *((-LARGEST, LARGEST), (0.0, LARGEST), (0.0, 5e-324), (-5e-324, 5e-324)),
        *((1e16, 1e16 + 2), (1.0, math.nextafter(1.0, 2)), (-1e-308, 1e308)),
    ],
)
def test_ticks_of_hostile_ranges(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 6 and all(low <= value <= high for value in found)
    axis = Axis(low, high, 10, 90)
    places = [axis.at(value) for value in found]
    assert places == sorted(places) and all(10 <= place <= 90 for place in places)
    assert all(text and "nan" not in text for _, text in axis.ticks())


@pytest.mark.parametrize("ends", [(math.nan, 1), (0, math.nan), (0, math.inf), (2, 1)])
def test_what_is_no_range_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(DrawingError, match="finite"):
        ticks(*ends)
    with pytest.raises(DrawingError, match="finite"):
        Axis(*ends, 0, 100)
    assert issubclass(DrawingError, ValueError) and issubclass(DrawingError, GTAlignError)


@given(st.lists(FINITE, min_size=1, max_size=9))
def test_an_axis_around_values_shows_each_in_its_order(values: list[float]) -> None:
    axis = Axis.around(values, 300, 20)
    places = [axis.at(value) for value in values]
    assert all(20 <= place <= 300 for place in places)
    for (one, place), (other, at) in pairwise(sorted(zip(values, places, strict=True))):
        assert one == other or place >= at
    assert (axis.at(axis.low), axis.at(axis.high)) == (300, 20)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_an_axis_of_shares_does_not_go_past_one(shares: list[float]) -> None:
    axis = Axis.around(shares, 0, 100, within=(0, 1))
    assert 0 <= axis.low < axis.high <= 1


def test_an_axis_of_what_may_be_more_is_not_cut() -> None:
    axis = Axis.around([0.5, 1.5], 0, 100, within=(0, 1))
    assert axis.low < 0.5 and axis.high > 1.5


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_an_axis_needs_finite_numbers(values: list[float]) -> None:
    with pytest.raises(DrawingError, match="finite numbers"):
        Axis.around(values, 0, 1)
