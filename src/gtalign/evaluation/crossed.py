"""Intervals that allow for both other questions and other annotators.

Several annotators rate answers to the same questions, so ratings depend on each other in two ways:
a question is hard for all, and an annotator is strict with all. The jackknife handles both, and any
number that is made of ratings: a mean, a difference, a correlation, an agreement. It computes the
number again without each question, without each annotator and without each cell (the ratings of one
question by one annotator), and takes

    variance = V_questions + V_annotators - V_cells,
    V = (G - 1) / G * sum over the G groups of (number without the group - their mean)^2.

The subtraction is that of Cameron, Gelbach and Miller, "Robust Inference With Multiway Clustering"
(2011); the jackknife is Efron and Stein's, "The Jackknife Estimate of Variance" (1981). Degrees of
freedom are Satterthwaite's (1946). Where the larger of the first two is more than the variance, it
stands alone: the interval is then too wide rather than too narrow.

With a single annotator the interval is over questions alone, and nothing is known about other
annotators.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation.statistics import LEAST, LEVEL, Floats, codes
from gtalign.evaluation.variation import Ends

Mask = NDArray[np.bool_]

_MOST: Final = 200
"""Most groups that are left out in turn; of more, so many evenly spaced ones stand for all."""

_ROUNDING: Final = 1e-12  # standard error that is none


@dataclass(frozen=True, slots=True)
class Crossed:
    """A number with its interval over questions and annotators.

    Attributes:
        value: The number; None where it is not defined.
        ends: Ends of its interval; None for fewer than two questions, where the number is not
            defined without one of the groups, or where few questions are all alike.
        questions: Number of questions.
        annotators: Number of annotators; with 1, the interval is over questions alone.
    """

    value: float | None
    ends: Ends | None
    questions: int
    annotators: int

    def mapped(self, function: Callable[[float], float]) -> "Crossed":
        """The same on another scale, by a function that grows."""
        value = None if self.value is None else function(self.value)
        ends = None if self.ends is None else (function(self.ends[0]), function(self.ends[1]))
        return Crossed(value, ends, self.questions, self.annotators)

    def within(self, low: float, high: float) -> "Crossed":
        """The same with an interval that ends where the number cannot go further."""
        return self.mapped(lambda value: min(max(value, low), high))

    def to_json(self) -> dict[str, float | int | None]:
        """Return the number, its ends and what it rests on, as one flat object."""
        low, high = self.ends or (None, None)
        return {
            "value": self.value,
            "low": low,
            "high": high,
            "questions": self.questions,
            "annotators": self.annotators,
        }


def crossed(
    estimate: Callable[[Mask], Floats],
    questions: Sequence[object],
    annotators: Sequence[object],
    level: float = LEVEL,
) -> list[Crossed]:
    """Some numbers with their intervals over questions and annotators.

    Args:
        estimate: Computes K numbers from the ratings that a mask of shape [N] keeps;
            not-a-number where one is not defined.
        questions: Question of each of the N ratings, or the cluster of questions.
        annotators: Annotator of each.
        level: Confidence, between 0 and 1.

    Returns:
        The K numbers.
    """
    question_n, questions_count = codes(questions)
    annotator_n, annotators_count = codes(annotators)
    value_k = estimate(np.ones(len(question_n), dtype=np.bool_))
    ends: list[Ends | None] = [None] * len(value_k)
    if questions_count > 1:
        parts = [_jackknife(estimate, question_n, questions_count)]
        if annotators_count > 1:
            cell_n, cells = codes(list(zip(question_n, annotator_n, strict=True)))
            parts.append(_jackknife(estimate, annotator_n, annotators_count))
            parts.append(_jackknife(estimate, cell_n, cells))
        for k, value in enumerate(value_k):
            reach = _reach([(variance_k[k], freedom) for variance_k, freedom in parts], level)
            alike = reach <= _ROUNDING * max(1.0, abs(value)) and questions_count < LEAST
            if not (np.isnan(value) or np.isnan(reach) or alike):
                ends[k] = (float(value - reach), float(value + reach))
    return [
        Crossed(None if np.isnan(value) else float(value), end, questions_count, annotators_count)
        for value, end in zip(value_k, ends, strict=True)
    ]


def _jackknife(
    estimate: Callable[[Mask], Floats], group_n: NDArray[np.intp], groups: int
) -> tuple[Floats, int]:
    """Variances of the numbers as each group is left out, and their degrees of freedom.

    A number that is not defined without some group has a variance that is not-a-number.
    """
    chosen = np.unique(np.linspace(0, groups - 1, min(groups, _MOST)).round().astype(np.intp))
    without_gk = np.stack([estimate(group_n != group) for group in chosen])
    squares_k = np.square(without_gk - without_gk.mean(axis=0)).sum(axis=0)
    return (groups - 1) / len(chosen) * squares_k, groups - 1


def _reach(parts: Sequence[tuple[float, int]], level: float) -> float:
    """Half the width of an interval, from the variances of the parts and their freedom."""
    from scipy import special  # needs the extra `eval`

    if any(np.isnan(part) for part, _ in parts):
        return float("nan")
    variance, own = max(parts[:2])
    degrees = float(own)
    if len(parts) == 3:
        summed = parts[0][0] + parts[1][0] - parts[2][0]
        if summed > variance:
            degrees = summed**2 / sum(part**2 / freedom for part, freedom in parts)
            variance = summed
    return float(special.stdtrit(max(degrees, 1.0), (1 + level) / 2)) * sqrt(variance)
