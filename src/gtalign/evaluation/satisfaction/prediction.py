"""Does a measure of an answer predict how satisfied people are with it?

The satisfaction of an answer is the mean of its ratings. A measure, such as W or one factor of the
reward, predicts it if the two correlate over the answers: linearly (Pearson), in their ranks
(Spearman), or in the order of pairs (Kendall's tau-b). W is compared with each other measure on the
answers that have both: the difference of the sizes of the two correlations, since a measure that
falls as satisfaction rises predicts it as well. Preferences say the same of two answers to one
question: how often is the one preferred that has more of the measure?
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import tanh
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation.crossed import Crossed, Mask, crossed
from gtalign.evaluation.satisfaction.rated import Rated
from gtalign.evaluation.statistics import Floats
from gtalign.game import TOLERANCE

MEASURE: Final = "W"
"""The measure that the others are compared with."""

METHODS: Final = ("pearson", "spearman", "kendall")

_LEAST_ANSWERS: Final = 4  # of fewer, the correlation says nothing
_EDGE: Final = 1 - 1e-12  # correlations beyond it have no finite Fisher transform


@dataclass(frozen=True, slots=True)
class Predictor:
    """One measure as a predictor of satisfaction.

    Attributes:
        name: Its name.
        answers: Rated answers that have it, and W too.
        correlations: Its correlation with satisfaction, by method.
        ahead: By method, how much larger the correlation of W is in size, on the same answers;
            empty for W itself.
        chosen: How often the preferred one of two answers has more of it; ties of the measure count
            half. None without preferences.
        chosen_ahead: How much more often that holds of W, on the same pairs; None for W itself.
    """

    name: str
    answers: int
    correlations: Mapping[str, Crossed]
    ahead: Mapping[str, Crossed]
    chosen: Crossed | None
    chosen_ahead: Crossed | None


def predictors(rated: Rated) -> tuple[Predictor, ...]:
    """W, U, L and each factor as predictors, W first.

    A measure is left out if it is the same for all answers, or everywhere equal to one before it.
    If W is left out, there are no predictors.
    """
    table = _Table(rated)
    if MEASURE not in table.measures:
        return ()
    alike: dict[bytes, list[str]] = {}
    for name in table.measures:
        alike.setdefault(table.known_with_reference(name).tobytes(), []).append(name)
    found = {
        name: _predictor(table, name, *both)
        for names in alike.values()
        for name, both in zip(names, _correlations(table, names), strict=True)
    }
    return tuple(found[name] for name in table.measures)


class _Table:
    """Ratings and choices as arrays, with the measures of their answers."""

    def __init__(self, rated: Rated) -> None:
        place = {name: number for number, name in enumerate(rated.answers)}
        self.annotators = [one.annotator for one in rated.ratings]
        self.answer_n = np.array([place[one.answer] for one in rated.ratings], dtype=np.intp)
        self.value_n = np.array([one.value for one in rated.ratings], dtype=np.float64)
        self.answers = len(place)
        self.decided = [one for one in rated.preferences if one.value]
        self.preferred_p = np.array(
            [place[one.first if one.value == 1 else one.second] for one in self.decided], np.intp
        )
        self.other_p = np.array(
            [place[one.second if one.value == 1 else one.first] for one in self.decided], np.intp
        )
        question = {name: answer.question for name, answer in rated.answers.items()}
        self.questions = [question[one.answer] for one in rated.ratings]
        self.questions_decided = [question[one.first] for one in self.decided]
        self.measures = _measures(rated)

    def known_with_reference(self, name: str) -> Mask:
        """The answers that have both a measure and W, shape [A]."""
        known_a: Mask = ~np.isnan(self.measures[name]) & ~np.isnan(self.measures[MEASURE])
        return known_a


def _measures(rated: Rated) -> dict[str, Floats]:
    """Each measure of all answers, shape [A], with W first; see `predictors`."""
    names = dict.fromkeys(
        (MEASURE, *(name for answer in rated.answers.values() for name in answer.measures))
    )
    found: dict[str, Floats] = {}
    for name in names:
        value_a = np.array(
            [answer.measures.get(name) for answer in rated.answers.values()], dtype=np.float64
        )
        value_a[~np.isfinite(value_a)] = np.nan
        known = value_a[~np.isnan(value_a)]
        repeated = any(
            np.allclose(value_a, other_a, 0, TOLERANCE, equal_nan=True)
            for other_a in found.values()
        )
        if len(known) and np.ptp(known) > TOLERANCE and not repeated:
            found[name] = value_a
    return found


def _predictor(
    table: _Table, name: str, correlations: Mapping[str, Crossed], ahead: Mapping[str, Crossed]
) -> Predictor:
    chosen, chosen_ahead = _chosen(table, name)
    known_a = table.known_with_reference(name)
    first = name == MEASURE
    return Predictor(
        name=name,
        answers=int(known_a[np.unique(table.answer_n)].sum()),
        correlations=correlations,
        ahead={} if first else ahead,
        chosen=chosen,
        chosen_ahead=None if first else chosen_ahead,
    )


def _correlations(
    table: _Table, names: Sequence[str]
) -> list[tuple[dict[str, Crossed], dict[str, Crossed]]]:
    """The correlations of measures that the same answers have, and how far W is ahead."""
    rows = np.flatnonzero(table.known_with_reference(names[0])[table.answer_n])
    answer_n, value_n = table.answer_n[rows], table.value_n[rows]

    def estimate(kept: Mask) -> Floats:
        sums_a = np.bincount(answer_n[kept], value_n[kept], minlength=table.answers)
        count_a = np.bincount(answer_n[kept], minlength=table.answers)
        rated_a = count_a > 0
        mean_a = sums_a[rated_a] / count_a[rated_a]
        found = np.empty((2, len(METHODS), len(names)))
        for row, method in enumerate(METHODS):
            size = abs(correlation(method, table.measures[MEASURE][rated_a], mean_a))
            for column, name in enumerate(names):
                own = correlation(method, table.measures[name][rated_a], mean_a)
                found[:, row, column] = np.arctanh(np.clip(own, -_EDGE, _EDGE)), size - abs(own)
        return found.ravel()

    numbers = crossed(
        estimate, [table.questions[row] for row in rows], [table.annotators[row] for row in rows]
    )
    count = len(METHODS) * len(names)
    return [
        (
            {m: one.mapped(tanh) for m, one in _by_method(numbers[column : count : len(names)])},
            dict(_by_method(numbers[count + column :: len(names)])),
        )
        for column in range(len(names))
    ]


def _by_method(numbers: Sequence[Crossed]) -> Iterator[tuple[str, Crossed]]:
    yield from zip(METHODS, numbers, strict=True)


def _chosen(table: _Table, name: str) -> tuple[Crossed | None, Crossed | None]:
    """How often the preferred answer has more of a measure, and how much more often more of W."""
    both_a = table.known_with_reference(name)
    rows = np.flatnonzero(both_a[table.preferred_p] & both_a[table.other_p])
    if not len(rows):
        return None, None
    right_2p = np.stack(
        [
            _agrees(value_a, table.preferred_p[rows], table.other_p[rows])
            for value_a in (table.measures[name], table.measures[MEASURE])
        ]
    )

    def estimate(kept: Mask) -> Floats:
        if not kept.any():
            return np.full(2, np.nan)
        own, reference = right_2p[:, kept].mean(axis=1)
        return np.array([own, reference - own])

    questions = [table.questions_decided[row] for row in rows]
    own, ahead = crossed(estimate, questions, [table.decided[row].annotator for row in rows])
    return own.within(0, 1), ahead


def _agrees(value_a: Floats, preferred_p: NDArray[np.intp], other_p: NDArray[np.intp]) -> Floats:
    """1 where the preferred answer has more of a measure, 0 where it has less, else one half."""
    more_p = value_a[preferred_p] - value_a[other_p]
    return np.where(np.abs(more_p) <= TOLERANCE, 0.5, more_p > 0)


def correlation(method: str, one: Floats, other: Floats) -> float:
    """Correlation of two lists of numbers; not-a-number where one of them does not vary.

    Args:
        method: One of `METHODS`.
        one: Shape [N].
        other: Shape [N].
    """
    from scipy import stats  # needs the extra `eval`

    if len(one) < _LEAST_ANSWERS or np.ptp(one) <= TOLERANCE or np.ptp(other) <= TOLERANCE:
        return float("nan")
    if method == "kendall":
        return float(stats.kendalltau(one, other).statistic)
    if method == "spearman":
        one, other = stats.rankdata(one), stats.rankdata(other)
    return float(np.corrcoef(one, other)[0, 1])
