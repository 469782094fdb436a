"""How aggregates of two welfares correlate, and how they order the answers to one question."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation.draws import resamples
from gtalign.evaluation.statistics import LEVEL, Floats, Interval, divide, mean_of_sums
from gtalign.evaluation.variation import Ends
from gtalign.game import TOLERANCE

_CELLS: Final = 4_000_000  # comparisons held in memory at once


@dataclass(frozen=True, slots=True)
class Correlation:
    """Pearson's correlation over answers; None where a side does not vary.

    Attributes:
        value: Over all answers.
        ends: Its interval: percentiles of a bootstrap of clusters of questions.
        read: Over the answers that can be read.
        within: Over deviations from the mean of each question, of questions with several answers.
    """

    value: float | None
    ends: Ends | None
    read: float | None
    within: float | None


@dataclass(frozen=True, slots=True)
class Order:
    """How aggregates order the pairs of answers to one question, summed by cluster."""

    pairs_g: Floats
    differ_gkk: Floats
    tied_gkk: Floats

    def differ(self, one: int, other: int) -> Interval:
        """Share of the pairs that two aggregates order differently, with its interval."""
        return mean_of_sums(self.differ_gkk[:, one, other], self.pairs_g)

    def tied(self, one: int, other: int) -> float | None:
        """Share of the pairs that one of two aggregates holds equal; None without pairs."""
        pairs = float(self.pairs_g.sum())
        return float(self.tied_gkk[:, one, other].sum()) / pairs if pairs else None


@dataclass(frozen=True, slots=True)
class Sample:
    """Which answers belong to one question and to one cluster of questions."""

    question: NDArray[np.intp]
    questions: int
    cluster: NDArray[np.intp]
    clusters: int
    read: NDArray[np.bool_]

    def order(self, values_kn: Floats) -> Order:
        """Compare every two answers to one question, in every aggregate."""
        kinds = len(values_kn)
        pairs = np.zeros(self.clusters)
        differ, tied = np.zeros((2, self.clusters, kinds, kinds))
        by_question = np.argsort(self.question, kind="stable")
        ends = np.searchsorted(self.question[by_question], np.arange(self.questions + 1))
        for start, end in pairwise(ends):
            rows = by_question[start:end]
            if len(rows) < 2:
                continue
            place = self.cluster[rows[0]]
            for signs_kp in _signs(values_kn[:, rows]):
                pairs[place] += signs_kp.shape[1]
                equal = (signs_kp == 0).astype(np.float64)
                agree, moved = signs_kp @ signs_kp.T, (1 - equal) @ (1 - equal).T
                differ[place] += (moved - agree) / 2
                tied[place] += signs_kp.shape[1] - moved
        return Order(pairs, differ, tied)

    def correlations(
        self, values_kn: Floats, rng: np.random.Generator, count: int
    ) -> dict[tuple[int, int], Correlation]:
        """The correlation of every two aggregates."""
        kinds = len(values_kn)
        centred = values_kn - values_kn.mean(axis=1, keepdims=True)  # so that no digits are lost
        pairs = list(combinations(range(kinds), 2))
        products = [centred[i] * centred[j] for i in range(kinds) for j in range(i, kinds)]
        columns = np.stack([np.ones(centred.shape[1]), *centred, *products])
        sums = np.stack(
            [np.bincount(self.cluster, weights=c, minlength=self.clusters) for c in columns], axis=1
        )
        drawn = [
            _correlations(weights @ sums, kinds)
            for weights in (resamples(self.clusters, rng, count) if self.clusters > 1 else ())
        ]
        whole = _correlations(sums.sum(axis=0, keepdims=True), kinds)[0]
        several = np.bincount(self.question, minlength=self.questions)[self.question] > 1
        within = centred[:, several] - self._means(centred, several)
        found = {}
        for i, j in pairs:
            draws = np.concatenate([one[:, i, j] for one in drawn]) if drawn else np.empty(0)
            found[i, j] = Correlation(
                value=_number(whole[i, j]),
                ends=_ends(draws) if not np.isnan(whole[i, j]) else None,
                read=_number(_pearson(values_kn[i, self.read], values_kn[j, self.read])),
                within=_number(_pearson(within[i], within[j])),
            )
        return found

    def _means(self, values_kn: Floats, held: NDArray[np.bool_]) -> Floats:
        """The mean of each question, for each of its answers."""
        question = self.question[held]
        counts = np.bincount(question, minlength=self.questions)
        sums = (
            np.bincount(question, weights=row[held], minlength=self.questions) for row in values_kn
        )
        return np.stack([(one / np.maximum(counts, 1))[question] for one in sums])


def _signs(values_km: Floats) -> Iterable[Floats]:
    """The order of every two of m answers in K aggregates, some pairs at a time: shape [K, pairs].

    1 where the first is better, -1 where the second is, 0 where they are equal.
    """
    kinds, count = values_km.shape
    step = max(1, _CELLS // (kinds * count))
    for start in range(0, count, step):
        stop = min(start + step, count)
        gap = values_km[:, start:stop, None] - values_km[:, None, :]
        later = np.arange(start, stop)[:, None] < np.arange(count)[None, :]
        chosen = gap[:, later]
        yield np.sign(np.where(np.abs(chosen) > TOLERANCE, chosen, 0.0))


def _correlations(sums_bc: Floats, kinds: int) -> Floats:
    """Correlations from sums of 1, of K columns and of their products; shape [B, K, K]."""
    n = sums_bc[:, 0]
    means = sums_bc[:, 1 : kinds + 1] / n[:, None]
    moments = np.empty((len(sums_bc), kinds, kinds))
    place = kinds + 1
    for i in range(kinds):
        for j in range(i, kinds):
            moments[:, i, j] = moments[:, j, i] = sums_bc[:, place] / n - means[:, i] * means[:, j]
            place += 1
    variance = np.maximum(np.einsum("bkk->bk", moments), 0.0)
    variance[variance < TOLERANCE**2] = 0.0
    scale = np.sqrt(variance[:, :, None] * variance[:, None, :])
    return np.clip(divide(moments, scale), -1.0, 1.0)


def _pearson(one: Floats, other: Floats) -> float:
    """The correlation of two columns; not-a-number where one does not vary."""
    if len(one) < 2:
        return float("nan")
    x, y = one - one.mean(), other - other.mean()
    if max(abs(x)) <= TOLERANCE or max(abs(y)) <= TOLERANCE:
        return float("nan")
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def _ends(drawn: Floats) -> Ends | None:
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
