"""The measured terms of welfare."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.reward.formulas import distinctness, latency, window

LENGTHS = st.integers(0, 10_000_000)


def test_window_by_hand() -> None:
    middle = 1 / (1 + math.exp(-0.005 * 240))
    assert window(260, 20, 500, 0.005) == pytest.approx(middle**2)
    assert window(100, 100, 100_000, 0.5) == pytest.approx(0.5)


@given(LENGTHS, st.floats(0, 1000), st.floats(1, 1000), st.floats(1e-4, 10))
def test_window_is_symmetric_and_never_overflows(
    length: int, low: float, width: float, steepness: float
) -> None:
    high = low + width
    value = window(length, low, high, steepness)
    assert 0 <= value <= 1
    assert value == pytest.approx(window(low + high - length, low, high, steepness))
    assert value <= window((low + high) / 2, low, high, steepness) + 1e-12


@given(LENGTHS, st.floats(1, 1e4))
def test_latency_falls(length: int, scale: float) -> None:
    assert 0 <= latency(length + 1, scale) <= latency(length, scale) <= 1


def test_latency_by_hand() -> None:
    assert latency(0, 500) == 1
    assert latency(500, 500) == pytest.approx(math.exp(-1))


def test_distinctness_by_hand() -> None:
    equal, near, apart = (2.0, 2.0), (2.0, 2.1), (2.0, 3.0)
    assert distinctness(np.array([equal] * 6)) == 0
    assert distinctness(np.array([near] * 6)) == pytest.approx(0.5)
    assert distinctness(np.array([apart] * 6)) == 1
    assert distinctness(np.array([equal, near, apart] + [equal] * 3)) == pytest.approx(3 / 12)


def test_exactly_a_tenth_apart_is_not_clearly_distinct() -> None:
    for larger in np.arange(1, 51) / 10:
        assert distinctness(np.array([[larger, 0.9 * larger]])) == pytest.approx(0.5)


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 2), min_size=1, max_size=12))
def test_distinctness_is_a_share(payoffs: list[tuple[float, float]]) -> None:
    array = np.array(payoffs)
    assert 0 <= distinctness(array) <= 1
    assert distinctness(array) == distinctness(array[:, ::-1])
