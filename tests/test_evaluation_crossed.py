"""Intervals over questions and annotators: the formula on plain means, and what they cover."""

import numpy as np
import pytest

from gtalign.evaluation.crossed import Crossed, crossed
from gtalign.evaluation.statistics import mean_ci


def mean_of(values: np.ndarray):
    return lambda kept: np.array([values[kept].mean() if kept.any() else np.nan])


def rated(questions: int, annotators: int, strict: float, seed: int = 0):
    """Ratings of every question by every annotator, who are lenient and strict."""
    rng = np.random.default_rng(seed)
    hard_q, strict_a = rng.normal(0, 0.5, questions), rng.normal(0, strict, annotators)
    question, annotator = (g.ravel() for g in np.mgrid[:questions, :annotators])
    noise = rng.normal(0, 0.5, len(question))
    return 3 + hard_q[question] + strict_a[annotator] + noise, question, annotator


def test_one_annotator_gives_the_interval_over_questions() -> None:
    values, question, annotator = rated(15, 1, 0)
    (found,) = crossed(mean_of(values), question, annotator)
    expected = mean_ci(values, list(question))
    assert found.ends == pytest.approx((expected.low, expected.high))
    assert (found.questions, found.annotators) == (15, 1)


def test_annotators_who_differ_make_the_interval_wider() -> None:
    over_questions = mean_ci(*rated(40, 4, 1.0)[:2])
    (found,) = crossed(mean_of(rated(40, 4, 1.0)[0]), *rated(40, 4, 1.0)[1:])
    assert found.ends is not None and over_questions.low is not None
    assert found.ends[0] < over_questions.low - 0.1


@pytest.mark.parametrize(("questions", "annotators"), [(8, 8), (20, 5)])
def test_intervals_cover_the_truth(questions: int, annotators: int) -> None:
    hits = 0
    for seed in range(40):
        values, question, annotator = rated(questions, annotators, 0.4, seed)
        (found,) = crossed(mean_of(values), question, annotator)
        assert found.ends is not None
        hits += found.ends[0] <= 3 <= found.ends[1]
    assert hits >= 33  # fewer of 40 have p < .01 where the level is 95%


def test_what_is_not_defined_has_no_interval() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    (one,) = crossed(mean_of(values), ["q"] * 4, ["a", "b", "c", "d"])
    assert (one.value, one.ends) == (2.5, None)
    (lost,) = crossed(lambda kept: np.array([np.nan if not kept.all() else 1.0]), [1, 2], [1, 1])
    assert (lost.value, lost.ends) == (1.0, None)
    (unknown,) = crossed(lambda kept: np.array([np.nan]), range(9), range(9))
    assert (unknown.value, unknown.ends) == (None, None)
    (alike,) = crossed(mean_of(np.full(3, 4.0)), range(3), ["a"] * 3)
    assert alike.ends is None, "few questions that are all alike say nothing about others"


def test_many_groups_are_left_out_in_part() -> None:
    values, question, annotator = rated(900, 1, 0)
    (found,) = crossed(mean_of(values), question, annotator)
    expected = mean_ci(values, list(question))
    assert found.ends is not None and expected.low is not None and expected.high is not None
    width = (found.ends[1] - found.ends[0]) / (expected.high - expected.low)
    assert width == pytest.approx(1, abs=0.15)


def test_an_interval_ends_where_the_number_does() -> None:
    assert Crossed(4.5, (4.0, 5.6), 9, 2).within(1, 5).ends == (4.0, 5)
