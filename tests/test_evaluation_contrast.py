"""Paired differences: intervals, p values, McNemar's test, and what can be detected."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from gtalign.evaluation.contrast import MANY, PLENTY, Contrast, contrasts
from gtalign.evaluation.draws import resamples, studentised, subsets
from gtalign.evaluation.statistics import LEAST
from gtalign.evaluation.sums import PairedSums


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def column(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)[:, None]


def paired(
    a: ArrayLike, b: ArrayLike, per_a: ArrayLike | None = None, per_b: ArrayLike | None = None
) -> PairedSums:
    """Sums of one quantity, one row for each cluster."""
    ones = np.ones(len(column(a)))
    return PairedSums(
        column(a),
        column(ones if per_a is None else per_a),
        column(b),
        column(ones if per_b is None else per_b),
    )


def compared(a: ArrayLike, b: ArrayLike, *per: ArrayLike, count: int = 2000) -> Contrast:
    (found,) = contrasts(paired(a, b, *per), rng(), count)
    return found


# --- few clusters: signs are flipped -------------------------------------------------------------


@pytest.mark.parametrize("groups", [6, 7, 9, 12])
def test_sign_flips_agree_with_scipy(groups: int) -> None:
    a, b = rng(groups).normal([[0.7], [0.0]], size=(2, groups))
    found = compared(a, b, count=5000)
    expected = stats.permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        n_resamples=5000,
    )
    assert found.method == "sign flips"
    assert found.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("groups", [6, 8, 11])
def test_the_interval_holds_what_the_test_does_not_reject(groups: int) -> None:
    a, b = rng(groups).normal(size=(2, groups))
    found = compared(a, b, count=5000)
    assert found.low is not None and found.high is not None
    step = 2 / 2**groups  # p values of so few clusters are multiples of it
    for end, outwards in ((found.low, -1e-6), (found.high, 1e-6)):
        inside = compared(a - (end - outwards), b, count=5000).p
        outside = compared(a - (end + outwards), b, count=5000).p
        assert inside is not None and outside is not None
        assert outside < inside
        assert inside > 0.05 - step and outside <= 0.05 + step


def test_six_clusters_reject_what_lies_beyond_all_of_them() -> None:
    """Of 64 ways to flip signs, 2 are as extreme as no flip: 3.1%. With 4 it would be above 5%."""
    a, b = rng(1).uniform(1, 2, size=(2, 6))
    found = compared(a, b)
    assert (found.low, found.high) == pytest.approx(((a - b).min(), (a - b).max()))
    gains = a / b - 1
    assert (found.relative_low, found.relative_high) == pytest.approx((gains.min(), gains.max()))


@pytest.mark.parametrize(
    ("sizes", "flipped"),
    [
        ([1, 1, 2, 2, 3, 3], True),
        ([1, 1, 1, 1, 2, 2], False),
        ([1, 1, 1, 2, 2, 3, 3], False),
        ([1, 1, 2, 2, 3, 3, 0, 0, 0], True),
        ([-1, 1, -1, 1, 2, -2], False),
        ([1 + 1e-12, 1, 1 - 1e-12, 1, 2, 3], True),
    ],
)
def test_signs_are_flipped_where_half_of_the_differences_are_of_their_own_size(
    sizes: list[float], flipped: bool
) -> None:
    found = compared(np.add(sizes, 7), np.full(len(sizes), 7))
    assert (found.method == "sign flips") is flipped


def test_random_subsets_agree_with_all_of_them() -> None:
    a, b = rng(3).normal([[0.5], [0.0]], size=(2, 13))
    every, some = compared(a, b, count=10_000), compared(a, b, count=8_000)
    assert some.p == pytest.approx(every.p, abs=0.02)
    assert some.low == pytest.approx(every.low, abs=0.1)


@given(st.integers(1, 9))
def test_every_subset_but_the_empty_one(groups: int) -> None:
    found = subsets(groups, rng(), 10_000)
    assert found.shape == (2**groups - 1, groups)
    assert len(np.unique(found, axis=0)) == len(found)


@pytest.mark.parametrize("groups", [1, 2, 3, 5])
def test_too_few_clusters_have_no_p_value(groups: int) -> None:
    found = compared(np.arange(1.0, groups + 1) * 5, np.zeros(groups))
    assert (found.p, found.method, found.clusters) == (None, "none", groups)
    assert (found.low is None) == (groups == 1)
    if groups > 1:
        ends = stats.ttest_1samp(np.arange(1.0, groups + 1) * 5, 0).confidence_interval()
        assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


@pytest.mark.parametrize("groups", [LEAST, 10, 20, MANY, PLENTY])
def test_no_p_value_is_below_what_the_number_of_clusters_allows(groups: int) -> None:
    sure = compared(rng(1).normal(100, 1, groups), rng(2).normal(0, 1, groups), count=500)
    assert sure.p is not None and sure.p >= 2.0 ** (1 - groups)
    assert sure.p < 0.05
    same_step = compared(np.ones(groups), np.zeros(groups))
    assert same_step.p == pytest.approx(2.0 ** (1 - groups))


def test_no_difference_at_all() -> None:
    for groups in (6, 30, MANY, PLENTY):
        found = compared(np.ones(groups), np.ones(groups))
        assert (found.value, found.p, found.low, found.high) == (0, 1, 0, 0)
        assert found.detectable is None


# --- many clusters: a bootstrap ------------------------------------------------------------------


def test_the_variance_of_a_draw_is_that_of_its_clusters() -> None:
    sums = PairedSums(*(rng(k).uniform(0.5, 2, (9, 3)) for k in range(4)))
    weights = next(resamples(9, rng(5), 4))
    found = studentised(sums, rng(5), 4)
    for draw, counts in enumerate(weights):
        rows = np.repeat(np.arange(9), counts.astype(int))
        for k in range(3):
            ta, ba, tb, bb = (part[rows, k] for part in sums.parts)
            a, b = ta.sum() / ba.sum(), tb.sum() / bb.sum()
            terms = (ta - a * ba) / ba.sum() - (tb - b * bb) / bb.sum()
            error = np.sqrt(9 / 8 * np.square(terms).sum())
            whole = [part[:, k].sum() for part in sums.parts]
            distance = a - b - (whole[0] / whole[1] - whole[2] / whole[3])
            assert found[0, draw, k] == pytest.approx(abs(distance) / error)
            logs = (ta - a * ba) / ba.sum() / a - (tb - b * bb) / bb.sum() / b
            gain = np.log(a / b) - np.log(whole[0] / whole[1] * whole[3] / whole[2])
            assert found[1, draw, k] == pytest.approx(
                abs(gain) / np.sqrt(9 / 8 * np.square(logs).sum())
            )


def test_the_bootstrap_is_near_the_normal_interval_where_differences_are_normal() -> None:
    a, b = rng(4).normal(size=(2, 300))
    found = compared(a, b, count=4000)
    ends = stats.ttest_rel(a, b).confidence_interval()
    assert found.method == "bootstrap"
    assert found.low == pytest.approx(ends.low, abs=0.01)
    assert found.high == pytest.approx(ends.high, abs=0.01)
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.02)


def test_so_many_clusters_that_nothing_is_drawn() -> None:
    a, b = rng(4).normal(size=(2, PLENTY))
    found = compared(a, b)
    assert found.method == "t"
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_draws_without_spread_fall_back_to_student() -> None:
    a = np.zeros(MANY)
    a[:2] = 1.0, 0.7
    found = compared(a, np.zeros(MANY))
    assert found.method == "t"
    assert found.p == pytest.approx(stats.ttest_1samp(a, 0).pvalue)


@given(st.integers(1, 40), st.integers(1, 60))
@settings(max_examples=25)
def test_every_resample_draws_as_many_clusters_as_there_are(groups: int, count: int) -> None:
    weights = np.concatenate(list(resamples(groups, rng(), count)))
    assert weights.shape == (count, groups)
    assert (weights.sum(axis=1) == groups).all()


def test_resamples_come_in_chunks_that_fit_in_memory() -> None:
    assert [len(chunk) for chunk in resamples(2_000_000, rng(), 3)] == [2, 1]
    assert [len(chunk) for chunk in resamples(2, rng(), 3, width=2_000_000)] == [2, 1]


# --- 0/1 outcomes --------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 0), (9, 2), (3, 3), (20, 41)])
def test_mcnemar_is_the_binomial_test_of_the_pairs_that_differ(wins: int, losses: int) -> None:
    a = [1] * wins + [0] * losses + [1, 0, 1]
    b = [0] * wins + [1] * losses + [1, 0, 1]
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    found = compared(a, b)
    assert found.mcnemar == pytest.approx(expected)
    swapped = compared(b, a)
    assert swapped.mcnemar == found.mcnemar


def test_mcnemar_needs_single_pairs_of_right_and_wrong() -> None:
    assert compared([0.5, 1, 0], [1, 0, 0]).mcnemar is None
    assert compared([2, 1, 0], [1, 0, 0], [2, 2, 2], [2, 2, 2]).mcnemar is None, "rollouts"


def test_few_sizes_of_differences_are_left_to_student() -> None:
    a, b = (rng(k).integers(0, 2, 12).astype(float) for k in (1, 2))
    found = compared(a, b)
    assert found.method == "t"
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue)


# --- what holds for all --------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [4, 9, 30, MANY, PLENTY])
def test_swapping_the_models_mirrors_the_difference(groups: int) -> None:
    a, b = rng(1).random(groups), rng(2).random(groups)
    one, other = compared(a, b, count=400), compared(b, a, count=400)
    assert one.low is not None and other.high is not None
    assert one.value == pytest.approx(-(other.value or 0))
    assert one.low == pytest.approx(-other.high)
    assert one.p == other.p
    assert one.detectable == pytest.approx(other.detectable)


@pytest.mark.parametrize("groups", [3, 12, MANY, PLENTY])
def test_ratios_are_compared_on_all_clusters_together(groups: int) -> None:
    quality_a, quality_b = rng(1).random(groups), rng(2).random(groups)
    tokens_a, tokens_b = rng(3).uniform(50, 150, groups), rng(4).uniform(80, 180, groups)
    found = compared(quality_a, quality_b, tokens_a, tokens_b, count=400)
    a, b = quality_a.sum() / tokens_a.sum(), quality_b.sum() / tokens_b.sum()
    assert found.value == pytest.approx(a - b)
    assert found.relative == pytest.approx(a / b - 1)
    assert found.relative_low is not None and found.relative_high is not None
    assert found.relative_low < a / b - 1 < found.relative_high


def test_clusters_that_one_model_lacks_are_left_out() -> None:
    found = compared([1.0, 0.0, 3.0], [0.0, 5.0, 0.0], [1, 0, 1], [1, 1, 0])
    assert (found.value, found.clusters, found.low) == (1.0, 1, None)
    assert compared([0.0], [1.0], [0], [1]).value is None


@pytest.mark.parametrize("groups", [5, 20, MANY, PLENTY])
def test_a_gain_needs_a_positive_baseline(groups: int) -> None:
    a = rng(1).random(groups)
    assert compared(a, -a).relative is None
    lost = compared(np.zeros(groups), a)
    assert lost.relative == -1.0


@pytest.mark.parametrize(("groups", "spread"), [(8, 0.3), (40, 0.2), (150, 0.5)])
def test_the_detectable_difference_is_found_in_most_comparisons(groups: int, spread: float) -> None:
    generator = rng(groups)
    sizes = [
        compared(generator.normal(0, spread, groups), np.zeros(groups)).detectable
        for _ in range(30)
    ]
    size = float(np.mean([one for one in sizes if one is not None]))
    power = stats.nct.sf(
        stats.t.ppf(0.975, groups - 1), groups - 1, size / spread * np.sqrt(groups)
    )
    assert power == pytest.approx(0.8, abs=0.04)


def test_several_quantities_at_once_are_what_each_is_alone() -> None:
    parts = [rng(k).random((MANY, 3)) + 0.1 for k in range(4)]
    parts[1][:90, 1] = 0.0  # ten clusters are left
    sums = PairedSums(*parts)
    every = contrasts(sums, rng(7), 300)
    assert [one.clusters for one in every] == [MANY, 10, MANY]
    assert [one.method for one in every] == ["bootstrap", "sign flips", "bootstrap"]
    for k, one in enumerate(every):
        (alone,) = contrasts(sums.column(k), rng(7), 300)
        assert alone.value == pytest.approx(one.value)
        assert alone.low == pytest.approx(one.low, abs=0.4)


def false_alarms(groups: int, kind: str, runs: int = 400) -> float:
    """Share of comparisons of one model with itself that find p < .05."""
    generator = rng(groups)
    draw = {
        "continuous": lambda: generator.normal(size=groups),
        "skewed": lambda: generator.lognormal(size=groups),
        "0/1": lambda: generator.integers(0, 2, groups).astype(float),
    }[kind]
    found = [compared(draw(), draw(), count=200).p for _ in range(runs)]
    return sum(p is not None and p <= 0.05 for p in found) / runs


@pytest.mark.parametrize("kind", ["continuous", "skewed", "0/1"])
@pytest.mark.parametrize("groups", [2, 5, 10, 20, 50])
def test_false_alarms_are_near_their_level(groups: int, kind: str) -> None:
    share = false_alarms(groups, kind)
    assert share <= 0.06 + 2.5 * 0.0119, "two and a half standard errors of 400 runs"
    if groups >= 10:
        assert share >= 0.03 - 2.5 * 0.0085
    else:
        assert share == 0
