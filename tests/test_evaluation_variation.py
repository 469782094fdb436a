"""Variation over questions and over training runs, against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from gtalign.evaluation.statistics import mean_ci
from gtalign.evaluation.variation import Sums, Variation, over_seeds, says, vary, vary_difference

ONE = (7,)


def sums(values_gs: list[list[float]]) -> Sums:
    top = np.array(values_gs, dtype=float)
    return np.nan_to_num(top), (~np.isnan(top)).astype(float)


def test_two_questions_and_two_runs_by_hand() -> None:
    """Mean 5; questions 3 and 7, runs 4 and 6, and nothing else: MS 16, 4 and 0."""
    found = vary(sums([[2, 4], [6, 8]]), (0, 1))
    assert found.value == 5
    assert found.seeds == {0: 4, 1: 6}
    assert found.spread is not None
    assert (found.spread.questions, found.spread.training) == pytest.approx((8**0.5, 2**0.5))
    assert found.spread.rest == pytest.approx(0)
    reach = stats.t.ppf(0.975, 1) * 1.0  # sd of 4 and 6 over the root of 2
    assert found.training == pytest.approx((5 - reach, 5 + reach))
    # variance (16 + 4 - 0) / 4 with (16 + 4)^2 / (16^2 / 1 + 4^2 / 1) degrees of freedom
    reach = stats.t.ppf(0.975, 400 / 272) * 5**0.5
    assert found.both == pytest.approx((5 - reach, 5 + reach))


def test_questions_are_the_clustered_interval_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(12, 3))
    found = vary(sums(values.tolist()), (0, 1, 2))
    expected = mean_ci(values.ravel(), np.repeat(np.arange(12), 3).tolist())
    assert found.value == pytest.approx(expected.value)
    assert found.questions == pytest.approx((expected.low, expected.high))
    assert found.clusters == 12


def test_one_run_says_nothing_about_another() -> None:
    found = vary(sums([[1], [2], [4]]), ONE)
    assert (found.training, found.both, found.spread, found.seeds) == (None, None, None, {})
    assert found.questions is not None and found.ends == found.questions


def test_runs_that_only_differ_by_chance_are_not_training() -> None:
    """Runs have one mean, and the rest is large: no variance of training is seen, none negative."""
    found = vary(sums([[0, 1], [1, 0], [0, 1], [1, 0]]), (0, 1))
    assert found.spread is not None and found.both is not None
    assert (found.spread.questions, found.spread.training) == (0, 0)
    assert found.both[0] < 0.5 < found.both[1]


def test_an_unknown_answer_is_no_zero() -> None:
    nan = float("nan")
    found = vary(sums([[1, 1], [nan, 3], [2, 2]]), (0, 1))
    assert found.value == pytest.approx(9 / 5)
    assert found.seeds == {0: 1.5, 1: 2}
    assert vary(sums([[nan, nan]]), (0, 1)) == Variation(None)
    gone = vary(sums([[nan, 1], [nan, 2]]), (0, 1))
    assert (gone.seeds, gone.training, gone.both) == ({1: 1.5}, None, None)


def test_a_ratio_of_sums() -> None:
    top, bottom = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2.0, 2.0], [4.0, 4.0]])
    found = vary((top, bottom), (0, 1))
    assert found.value == pytest.approx(10 / 12)
    assert found.seeds == pytest.approx({0: 4 / 6, 1: 1.0})


def test_a_difference_is_paired_by_question_and_run() -> None:
    """Hard questions and lucky runs move both models alike, so nothing is left to vary."""
    hard = np.add.outer(np.array([0.1, 0.5, 0.9]), np.array([0.0, 0.05]))
    found = vary_difference(sums((hard + 0.2).tolist()), sums(hard.tolist()), (0, 1))
    assert found.value == pytest.approx(0.2)
    for ends in (found.questions, found.training, found.both):
        assert ends == pytest.approx((0.2, 0.2))
    assert found.seeds == pytest.approx({0: 0.2, 1: 0.2})


def test_a_difference_is_of_the_questions_that_both_have() -> None:
    nan = float("nan")
    one, other = sums([[0.5], [0.9], [nan]]), sums([[0.4], [nan], [0.0]])
    assert vary_difference(one, other, ONE).value == pytest.approx(0.1)
    assert vary_difference(sums([[nan]]), sums([[1]]), ONE) == Variation(None)


def test_a_number_that_is_no_mean_of_answers() -> None:
    found = over_seeds({0: 0.4, 1: 0.6, 2: float("nan")}, (0.3, 0.7), 9)
    reach = stats.t.ppf(0.975, 1) * 0.1
    assert found.value == pytest.approx(0.5)
    assert found.training == pytest.approx((0.5 - reach, 0.5 + reach))
    assert (found.questions, found.both) == ((0.3, 0.7), None)
    assert over_seeds({0: float("nan")}, None, 0) == Variation(None)
    assert over_seeds({0: 0.4}, None, 3).training is None


def test_intervals_end_where_the_number_cannot_go() -> None:
    found = vary(sums([[0, 1], [1, 1]]), (0, 1)).within(0, 1)
    assert found.questions is not None and found.both is not None
    assert (found.questions[1], found.both[1]) == (1, 1)


BOTH = Variation(0.2, (0.1, 0.3), (0.15, 0.25), (0.05, 0.35), {0: 0.2, 1: 0.2}, clusters=9)


@pytest.mark.parametrize(
    ("found", "start", "inside"),
    [
        (BOTH, "above by +0.200 [+0.050, +0.350] over other questions and training runs", "2 tr"),
        (replace(BOTH, both=(-0.1, 0.5)), "above by +0.200 [+0.100, +0.300]", "but not dist"),
        (replace(BOTH, both=(-0.1, 0.5), questions=(-0.01, 0.4)), "not distinguishable: +0", "2"),
        (replace(BOTH, both=None, seeds={}), "above by", "nothing is known about another"),
        (replace(BOTH, both=None, questions=(-0.1, 0.4)), "not dist", "of one training run"),
        (replace(BOTH, questions=(0.0, 0.4), both=None), "not distinguishable", ""),
        (Variation(-0.2, (-0.3, -0.1), clusters=9), "below by \N{MINUS SIGN}0.200", ""),
        (Variation(0.2, None, clusters=1), "+0.200, of one question", "nothing is known"),
        (Variation(None), "not comparable", ""),
    ],
)  # fmt: skip
def test_words_say_no_more_than_the_interval(found: Variation, start: str, inside: str) -> None:
    said = says(found)
    assert said.startswith(start)
    assert inside in said


def test_everything_is_in_one_flat_object() -> None:
    found = vary(sums([[2, 4], [6, 8]]), (0, 1)).to_json()
    assert {"value", "questions_low", "training_high", "both_low", "sd_rest"} <= found.keys()
    assert (found["clusters"], found["training_runs"]) == (2, 2)
    assert vary(sums([[2], [6]]), ONE).to_json()["both_low"] is None
