"""Intervals and corrections, against closed forms and other implementations."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from gtalign.errors import DataError
from gtalign.evaluation.statistics import (
    LEAST,
    codes,
    difference_ci,
    holm,
    mean_ci,
    mean_of_sums,
    spread,
)

VALUES = st.lists(st.floats(-5, 5), min_size=3, max_size=30)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(VALUES)
def test_single_rows_give_the_ordinary_t_interval(values: list[float]) -> None:
    assume(len(values) >= LEAST or np.ptp(values) > 1e-6)
    found = mean_ci(values, range(len(values)))
    error = stats.sem(values)
    reach = stats.t.ppf(0.975, len(values) - 1) * error
    assert found.value == pytest.approx(np.mean(values), abs=1e-9)
    assert found.low == pytest.approx(np.mean(values) - reach, abs=1e-9)
    assert found.high == pytest.approx(np.mean(values) + reach, abs=1e-9)
    assert (found.n, found.clusters) == (len(values), len(values))


@given(VALUES, st.integers(2, 4))
def test_repeated_rows_add_no_certainty(values: list[float], times: int) -> None:
    once = mean_ci(values, range(len(values)))
    often = mean_ci(np.repeat(values, times), list(np.repeat(range(len(values)), times)))
    assert often.low == pytest.approx(once.low, abs=1e-9)
    assert often.high == pytest.approx(once.high, abs=1e-9)


def test_standard_error_is_the_published_double_sum() -> None:
    generator = rng(4)
    values, clusters = generator.normal(size=40), generator.integers(0, 9, 40)
    mean, groups = values.mean(), len(np.unique(clusters))
    total = sum(
        np.outer(values[clusters == c] - mean, values[clusters == c] - mean).sum()
        for c in np.unique(clusters)
    )
    error = np.sqrt(total * groups / (groups - 1)) / len(values)
    found = mean_ci(values, clusters.tolist(), level=0.9)
    assert found.high is not None
    reach = stats.t.ppf(0.95, groups - 1) * error
    assert found.high - mean == pytest.approx(reach, abs=1e-12)


def test_unknown_values_are_left_out_and_counted() -> None:
    found = mean_ci([1.0, np.nan, 0.0, np.nan], ["a", "a", "b", "c"])
    assert (found.value, found.n, found.clusters) == (0.5, 2, 2)


def test_a_ratio_of_means_has_the_interval_of_its_linear_approximation() -> None:
    generator = rng(6)
    tokens = generator.uniform(50, 150, 400)
    quality = generator.random(400) * tokens / 100
    found = mean_of_sums(quality, tokens)
    drawn = stats.bootstrap(
        (quality, tokens),
        lambda q, t, axis: q.sum(axis=axis) / t.sum(axis=axis),
        paired=True,
        n_resamples=4_000,
        method="percentile",
        rng=rng(8),
    ).confidence_interval
    assert found.value == pytest.approx(quality.mean() / tokens.mean())
    assert found.low == pytest.approx(drawn.low, abs=2e-4)
    assert found.high == pytest.approx(drawn.high, abs=2e-4)


def test_too_little_data_has_no_interval() -> None:
    assert mean_ci([], []).value is None
    one = mean_ci([0.2, 0.4], ["a", "a"])
    assert (one.value, one.low, one.high) == (pytest.approx(0.3), None, None)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3, 7e8])
def test_few_clusters_that_are_all_alike_have_no_interval(value: float) -> None:
    for count in range(2, LEAST):
        found = mean_ci([value] * (2 * count), [*range(count)] * 2)
        assert (found.value, found.low, found.high) == (pytest.approx(value), None, None)
    many = mean_ci([value] * LEAST, range(LEAST))
    assert many.low == many.high == pytest.approx(value)


def test_few_clusters_that_differ_have_students_interval() -> None:
    found = mean_ci([0.2, 0.4, 0.6], "abc")
    reach = stats.t.ppf(0.975, 2) * 0.2 / np.sqrt(3)
    assert (found.low, found.high) == (pytest.approx(0.4 - reach), pytest.approx(0.4 + reach))


def test_lengths_must_agree() -> None:
    with pytest.raises(DataError, match="as many clusters"):
        mean_ci([1.0], ["a", "b"])


def test_interval_covers_the_truth_under_clustering() -> None:
    generator, hits, naive = rng(1), 0, 0
    clusters = np.repeat(np.arange(30), 4)
    for _ in range(400):
        values = generator.normal(size=30)[clusters] + generator.normal(size=120)
        found = mean_ci(values, clusters.tolist())
        apart = mean_ci(values, range(120))
        assert found.low is not None and found.high is not None
        assert apart.low is not None and apart.high is not None
        hits += found.low <= 0 <= found.high
        naive += apart.low <= 0 <= apart.high
    assert 0.92 <= hits / 400 <= 0.98
    assert naive / 400 < 0.85, "rows of one question are not independent"


def test_codes_number_by_first_appearance() -> None:
    numbered, count = codes(["b", ("a", 1), "b"])
    assert (numbered.tolist(), count) == ([0, 1, 0], 2)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, None, 0.5]) == [1.0, None, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_step_down_rule_rejects(p: list[float], alpha: float) -> None:
    rejected = set()
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] * (len(p) - rank) > alpha:
            break
        rejected.add(index)
    adjusted = holm(p)
    assert {i for i, value in enumerate(adjusted) if value is not None and value <= alpha} == (
        rejected
    )


def test_spread_needs_two_seeds() -> None:
    assert spread([0.5]) is None
    assert spread([0.4, 0.6]) == pytest.approx(0.1 * np.sqrt(2))


@given(VALUES, st.data())
def test_a_difference_of_single_rows_is_the_paired_one(
    values: list[float], data: st.DataObject
) -> None:
    others = data.draw(st.lists(st.floats(-5, 5), min_size=len(values), max_size=len(values)))
    names = range(len(values))
    found = difference_ci((values, names), (others, names))
    paired = mean_ci(np.subtract(values, others), names)
    assert found.value == pytest.approx(paired.value, abs=1e-9)
    if found.low is not None and paired.low is not None:  # without spread, few clusters give none
        assert found.low == pytest.approx(paired.low, abs=1e-9)
        assert found.high == pytest.approx(paired.high, abs=1e-9)


def test_a_difference_is_that_of_the_two_means_whatever_rows_they_have() -> None:
    one, other = ([1.0, np.nan, 0.5], ["a", "b", "c"]), ([0.0, 1.0, 1.0, 0.0], ["a", "a", "c", "d"])
    found = difference_ci(one, other)
    assert found.value == pytest.approx(0.75 - 0.5)
    assert found.clusters == 3  # nothing is known of b
    # What both sides share cancels: a cluster that is high on both adds nothing.
    names = "stuvwxyz"
    level = [0.0, 1.0, 0.3, 0.9, 0.5, 0.2, 0.7, 0.1]
    thrice = (np.repeat(level, 3), [name for name in names for _ in range(3)])
    same = difference_ci((level, list(names)), thrice)
    assert same.value == pytest.approx(0.0)
    assert same.low == pytest.approx(0.0) and same.high == pytest.approx(0.0)


def test_a_difference_needs_both_sides() -> None:
    assert difference_ci(([], []), ([1.0], ["a"])).value is None
    one = difference_ci(([1.0], ["a"]), ([0.0], ["a"]))
    assert (one.value, one.low) == (1.0, None)
    with pytest.raises(DataError, match="clusters"):
        difference_ci(([1.0], []), ([0.0], ["a"]))
