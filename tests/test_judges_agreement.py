"""Agreement and correction against published examples, and by their properties."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gtalign.errors import DataError
from gtalign.judges import corrected_rate, krippendorff_alpha


def row(text: str) -> list[float | None]:
    return [None if mark == "." else float(mark) for mark in text.split()]


# Krippendorff 2011, example A: two raters, ten units, two values.
BINARY = [row("0 1 0 0 0 0 0 0 1 0"), row("1 1 1 0 0 1 0 0 0 0")]
# Example B: two raters, twelve units, five values (a to e as 1 to 5).
TWO = [row("1 1 2 2 4 3 3 3 5 4 4 1"), row("2 1 2 2 2 3 3 3 5 4 4 4")]
# Example C and D: four raters, twelve units, missing values.
FOUR = [
    row("1 2 3 3 2 1 4 1 2 . . ."),
    row("1 2 3 3 2 2 4 1 2 5 . 3"),
    row(". 3 3 3 2 3 4 2 2 5 1 ."),
    row("1 2 3 3 2 4 4 1 2 5 1 ."),
]
# The example of the encyclopedia's article: three raters, fifteen units.
THREE = [
    row(". . . . . 3 4 1 2 1 1 3 3 . 3"),
    row("1 . 2 1 3 3 4 3 . . . . . . ."),
    row(". . 2 1 3 4 4 . 2 1 1 3 3 . 4"),
]


@pytest.mark.parametrize(
    ("ratings", "level", "alpha"),
    [
        (BINARY, "nominal", 0.095),
        (TWO, "nominal", 0.692),
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (THREE, "nominal", 0.691),
        (THREE, "interval", 0.811),
    ],
)
def test_published_examples(ratings: list[list[float | None]], level: str, alpha: float) -> None:
    assert krippendorff_alpha(ratings, level) == pytest.approx(alpha, abs=6e-4)  # type: ignore[arg-type]


LEVELS = st.sampled_from(["nominal", "ordinal", "interval"])
TABLES = st.integers(2, 8).flatmap(
    lambda units: st.lists(
        st.lists(st.none() | st.integers(0, 4).map(float), min_size=units, max_size=units),
        min_size=2,
        max_size=4,
    )
)


@given(TABLES, LEVELS)
def test_alpha_is_at_most_1_and_minds_no_order(table: list[list[float | None]], level: str) -> None:
    alpha = krippendorff_alpha(table, level)  # type: ignore[arg-type]
    assume(alpha is not None)
    assert alpha is not None
    assert alpha <= 1 + 1e-9
    swapped = [list(reversed(rater)) for rater in reversed(table)]
    assert krippendorff_alpha(swapped, level) == pytest.approx(alpha)  # type: ignore[arg-type]
    stretched = [[None if v is None else 3 * v - 7 for v in rater] for rater in table]
    assert krippendorff_alpha(stretched, level) == pytest.approx(alpha)  # type: ignore[arg-type]
    lonely = [[*rater, 2.0 if n == 0 else None] for n, rater in enumerate(table)]
    assert krippendorff_alpha(lonely, level) == pytest.approx(alpha)  # type: ignore[arg-type]


@given(TABLES)
def test_ordinal_minds_ranks_alone(table: list[list[float | None]]) -> None:
    alpha = krippendorff_alpha(table, "ordinal")
    assume(alpha is not None)
    bent = [[None if v is None else math.exp(v) for v in rater] for rater in table]
    assert krippendorff_alpha(bent, "ordinal") == pytest.approx(alpha)


@given(st.lists(st.integers(0, 4).map(float), min_size=2, max_size=9), LEVELS)
def test_perfect_agreement(values: list[float], level: str) -> None:
    alpha = krippendorff_alpha([values, values, values], level)  # type: ignore[arg-type]
    assert alpha is None if len(set(values)) == 1 else alpha == pytest.approx(1)


def test_chance_agreement_is_near_0() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, size=(2, 5000)).astype(float).tolist()
    assert krippendorff_alpha(table, "nominal") == pytest.approx(0, abs=0.03)


def test_alpha_that_is_not_defined() -> None:
    assert krippendorff_alpha([], "nominal") is None
    assert krippendorff_alpha([[], []], "nominal") is None
    assert krippendorff_alpha([[1.0, None], [None, 2.0]], "nominal") is None
    assert krippendorff_alpha([[1.0, math.nan], [1.0, 2.0]], "interval") is None
    with pytest.raises(DataError, match=r"\[2, 1\] units"):
        krippendorff_alpha([[1.0, 2.0], [1.0]], "nominal")
    with pytest.raises(DataError, match="infinite"):
        krippendorff_alpha([[1.0, math.inf], [1.0, 2.0]], "interval")
    with pytest.raises(DataError, match="'ratio'"):
        krippendorff_alpha([[1.0, 2.0], [1.0, 2.0]], "ratio")  # type: ignore[arg-type]


def test_large_scores_do_not_overflow() -> None:
    table = [[1e200, -1e200, 0.0], [1e200, -1e200, 1e199]]
    assert krippendorff_alpha(table, "interval") == pytest.approx(0.9978, abs=1e-3)


def gold(tp: int, fn: int, tn: int, fp: int) -> list[tuple[bool, bool]]:
    return [(True, True)] * tp + [(False, True)] * fn + [(False, False)] * tn + [(True, False)] * fp


def test_the_formula_of_rogan_and_gladen() -> None:
    verdicts = [True] * 40 + [False] * 60
    found = corrected_rate(verdicts, gold(45, 5, 40, 10), np.random.default_rng(0))
    assert (found.sensitivity, found.specificity, found.reported) == (0.9, 0.8, 0.4)
    assert found.value == pytest.approx((0.4 + 0.8 - 1) / (0.9 + 0.8 - 1))
    assert found.low < found.value < found.high
    assert (found.n, found.gold) == (100, 100)
    again = corrected_rate(verdicts, gold(45, 5, 40, 10), np.random.default_rng(0))
    assert again == found


def test_the_interval_narrows_with_either_sample() -> None:
    def width(n: int, labels: int) -> float:
        found = corrected_rate(
            [True] * (4 * n) + [False] * (6 * n),
            gold(9 * labels, labels, 8 * labels, 2 * labels),
            np.random.default_rng(0),
        )
        return found.high - found.low

    assert width(10, 10) < width(10, 2)
    assert width(100, 2) < width(2, 2)
    assert width(1000, 1000) < 0.04


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    sensitivity, specificity, covered, runs = 0.9, 0.85, {0.05: 0, 0.5: 0}, 150
    for rate in covered:
        for _ in range(runs):
            truth = rng.random(300) < rate
            labels = np.arange(60) < 30

            def judged(truth: np.ndarray) -> np.ndarray:
                share = np.where(truth, sensitivity, 1 - specificity)
                return rng.random(len(truth)) < share

            pairs = list(zip(judged(labels).tolist(), labels.tolist(), strict=True))
            found = corrected_rate(judged(truth).tolist(), pairs, rng, draws=200)
            covered[rate] += found.low <= rate <= found.high
    assert all(count / runs > 0.92 for count in covered.values()), covered


def test_a_correction_that_is_clipped() -> None:
    found = corrected_rate([False] * 50, gold(10, 0, 8, 2), np.random.default_rng(0))
    assert found.value == found.low == 0
    assert 0 < found.high < 0.5


@pytest.mark.parametrize(
    ("verdicts", "labels", "why"),
    [
        ([], gold(1, 0, 1, 0), "no verdict"),
        ([True], gold(1, 0, 0, 0), "1 true and 0 false"),
        ([True], gold(1, 1, 1, 1), "no better than chance"),
    ],
)
def test_a_correction_that_cannot_be(
    verdicts: list[bool], labels: list[tuple[bool, bool]], why: str
) -> None:
    with pytest.raises(DataError, match=why):
        corrected_rate(verdicts, labels, np.random.default_rng(0))
