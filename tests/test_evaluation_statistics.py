"""Intervals, paired bootstraps and corrections, against closed forms and other implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gtalign.errors import DataError
from gtalign.evaluation.statistics import (
    bootstrap_sums,
    codes,
    holm,
    mean_ci,
    resamples,
    spread,
)
from paired import paired_bootstrap

VALUES = st.lists(st.floats(-5, 5), min_size=3, max_size=30)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(VALUES)
def test_single_rows_give_the_ordinary_t_interval(values: list[float]) -> None:
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


def test_too_little_data_has_no_interval() -> None:
    assert mean_ci([], []).value is None
    one = mean_ci([0.2, 0.4], ["a", "a"])
    assert (one.value, one.low, one.high) == (pytest.approx(0.3), None, None)


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


def test_paired_bootstrap_agrees_with_scipy() -> None:
    generator = rng(2)
    clusters = np.repeat(np.arange(40), 2)
    a = generator.normal(0.6, 0.2, 80)
    b = a - generator.normal(0.05, 0.1, 80)
    found = paired_bootstrap(a, b, clusters.tolist(), rng(3))
    sums_a, sums_b = (np.bincount(clusters, weights=x) for x in (a, b))
    expected = stats.bootstrap(
        (sums_a, sums_b),
        lambda x, y, axis: (x.sum(axis=axis) - y.sum(axis=axis)) / 80,
        paired=True,
        n_resamples=10_000,
        method="percentile",
        rng=rng(5),
    ).confidence_interval
    assert found.value == pytest.approx((a - b).mean())
    assert found.low == pytest.approx(expected.low, abs=0.002)
    assert found.high == pytest.approx(expected.high, abs=0.002)
    assert found.relative == pytest.approx(a.mean() / b.mean() - 1)


def test_ratio_of_means_agrees_with_scipy() -> None:
    generator = rng(6)
    quality_a, quality_b = generator.random(50), generator.random(50)
    tokens_a, tokens_b = generator.uniform(50, 150, 50), generator.uniform(80, 250, 50)
    found = paired_bootstrap(
        quality_a, quality_b, range(50), rng(7), per_a=tokens_a, per_b=tokens_b
    )

    def statistic(qa, ta, qb, tb, axis):
        return qa.sum(axis=axis) / ta.sum(axis=axis) - qb.sum(axis=axis) / tb.sum(axis=axis)

    expected = stats.bootstrap(
        (quality_a, tokens_a, quality_b, tokens_b),
        statistic,
        paired=True,
        n_resamples=10_000,
        method="percentile",
        rng=rng(8),
    ).confidence_interval
    assert found.value == pytest.approx(
        quality_a.mean() / tokens_a.mean() - quality_b.mean() / tokens_b.mean()
    )
    assert found.low == pytest.approx(expected.low, abs=1e-4)
    assert found.high == pytest.approx(expected.high, abs=1e-4)


def test_p_values_are_uniform_when_nothing_differs() -> None:
    generator, small = rng(9), 0
    for _ in range(200):
        a, b = generator.normal(size=(2, 40))
        found = paired_bootstrap(a, b, range(40), generator, count=400)
        assert found.p is not None and found.low is not None and found.high is not None
        small += found.p < 0.05
    assert 0.01 <= small / 200 <= 0.12


def test_p_value_of_a_sure_difference_is_least_and_never_zero() -> None:
    found = paired_bootstrap([1.0, 1.1, 1.2], [0.0, 0.1, 0.0], "abc", rng(), count=999)
    assert found.p == pytest.approx(2 / 1000)
    same = paired_bootstrap([1.0, 2.0], [1.0, 2.0], "ab", rng(), count=100)
    assert (same.value, same.p) == (0.0, 1.0)


def test_swapping_the_models_mirrors_the_difference() -> None:
    a, b = rng(1).random(20), rng(2).random(20)
    one = paired_bootstrap(a, b, range(20), rng(3))
    other = paired_bootstrap(b, a, range(20), rng(3))
    assert one.low is not None and other.high is not None
    assert one.value == pytest.approx(-(other.value or 0))
    assert one.low == pytest.approx(-other.high)
    assert one.p == other.p


def test_pairs_with_an_unknown_side_are_left_out() -> None:
    found = paired_bootstrap([1.0, np.nan, 3.0], [0.0, 5.0, np.nan], "abc", rng())
    assert (found.value, found.clusters, found.low) == (1.0, 1, None)
    assert paired_bootstrap([np.nan], [1.0], "a", rng()).value is None


def test_relative_gain_needs_a_positive_baseline() -> None:
    found = paired_bootstrap([1.0, 2.0], [-1.0, 0.5], "ab", rng())
    assert found.relative is None
    risky = paired_bootstrap([1.0, 2.0, 1.0], [-1.0, 2.0, 1.0], "abc", rng())
    assert risky.relative == pytest.approx(1.0)
    assert risky.relative_low is None, "some resamples have a baseline that is not positive"


@given(st.integers(1, 40), st.integers(1, 60))
@settings(max_examples=25)
def test_every_resample_draws_as_many_clusters_as_there_are(groups: int, count: int) -> None:
    weights = np.concatenate(list(resamples(groups, rng(), count)))
    assert weights.shape == (count, groups)
    assert (weights.sum(axis=1) == groups).all()


def test_resamples_come_in_chunks_that_fit_in_memory() -> None:
    chunks = list(resamples(2_000_000, rng(), 3))
    assert [len(chunk) for chunk in chunks] == [2, 1]


def test_columns_share_their_resamples() -> None:
    column = rng(1).random(10)
    drawn = bootstrap_sums(np.stack([column, 2 * column], axis=1), rng(), 50)
    assert np.allclose(drawn[:, 1], 2 * drawn[:, 0])


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
