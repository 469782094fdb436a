"""Do the interests of the two sides differ in these answers? Variance, correlation and order.

Four questions of a file of scored answers:

- Which factors make U and L vary? A welfare is a sum of terms, weight times factor; the share of a
  term is cov(term, welfare) / var(welfare). The shares of a welfare sum to 1; one is negative where
  its term varies against the rest. Source: Pratt, "Dividing the indivisible" (1987). Answers that
  cannot be read have 0 of both, which is a cause by itself: its share is that of the variance
  between the answers that can be read and those that cannot.
- How do U and L, and every two aggregates of them, correlate?
- Of all pairs of answers to one question, how many do two aggregates order differently? That is
  what a reward can teach: training compares the answers to one question. A pair that one of the two
  holds equal, within the tolerance, is a tie and not a disagreement.
- Where do the answers lie in the plane of U and L?

Answers without the welfare of both sides are left out and counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import DataError
from gtalign.evaluation.draws import resamples
from gtalign.evaluation.paper.ablation import AGGREGATES, aggregated
from gtalign.evaluation.paper.rescore import SIDES, Rescorer
from gtalign.evaluation.rows import names_of
from gtalign.evaluation.statistics import LEVEL, Floats, Interval, codes, divide, mean_of_sums
from gtalign.evaluation.variation import Ends
from gtalign.game import TOLERANCE
from gtalign.transcripts import Transcript

UNREAD: Final = "unreadable"
"""Name of the share of the answers that cannot be read."""

_CELLS: Final = 4_000_000  # comparisons held in memory at once


@dataclass(frozen=True, slots=True)
class Share:
    """One term of a welfare.

    Attributes:
        factor: Name of the factor, or `UNREAD`.
        mean: Mean of the term, in units of welfare; None for `UNREAD`.
        deviation: Standard deviation of the term.
        share: Its share of the variance of the welfare over all answers; None if that has none.
        read: Its share over the answers that can be read; None for `UNREAD`, or without variance.
    """

    factor: str
    mean: float | None
    deviation: float | None
    share: float | None
    read: float | None


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
class Disagreement:
    """Two aggregates on the same answers.

    Attributes:
        one: Name of an aggregate.
        other: Name of another.
        correlation: Their correlation.
        differ: Share of the pairs of answers to one question that they order differently.
        tied: Share of the pairs that one of them, or both, holds equal.
    """

    one: str
    other: str
    correlation: Correlation
    differ: Interval
    tied: float | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """What some answers show.

    Attributes:
        answers: Answers with the welfare of both sides.
        left_out: Answers without it.
        unread: Answers that cannot be read, of those that count.
        questions: Questions that they answer.
        clusters: Clusters of these questions.
        pairs: Pairs of answers to one question.
        sides: U and L.
        shares: The terms of each side, by ``user`` and ``llm``; empty without factors.
        no_shares: Why there are no shares; None if there are.
        aggregates: Every two aggregates.
        points: U and L of each answer.
    """

    answers: int
    left_out: int
    unread: int
    questions: int
    clusters: int
    pairs: int
    sides: Correlation
    shares: Mapping[str, tuple[Share, ...]]
    no_shares: str | None
    aggregates: tuple[Disagreement, ...]
    points: Sequence[tuple[float, float]]

    def of(self, one: str, other: str) -> Disagreement:
        """Two aggregates, by name."""
        (found,) = (d for d in self.aggregates if {d.one, d.other} == {one, other})
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything but the points as one JSON object."""
        found = asdict(self)
        del found["points"]
        return found


def measure_conflict(
    by_file: Mapping[Path, Sequence[Transcript]], *, rng: np.random.Generator, count: int = 1000
) -> Conflict:
    """Measure the answers of some files.

    Args:
        by_file: The answers of each file.
        rng: Source of the resamples.
        count: Number of resamples.

    Raises:
        DataError: Fewer than two answers have the welfare of both sides, or one is not finite.
    """
    answers = [t for held in by_file.values() for t in held]
    known = [t.user_welfare is not None and t.llm_welfare is not None for t in answers]
    held = [t for t, is_known in zip(answers, known, strict=True) if is_known]
    if len(held) < 2:
        raise DataError(
            f"{len(held)} of {len(answers)} answers have the welfare of both sides, and two are "
            "needed; `gtalign score FILE --out SCORED` measures it"
        )
    user = np.array([t.user_welfare for t in held], np.float64)
    llm = np.array([t.llm_welfare for t in held], np.float64)
    if not np.isfinite(user + llm).all():
        raise DataError("a welfare is not a finite number")
    read = np.array([t.plain or t.chain is not None for t in held])
    names = names_of(held, "id")
    question, questions = codes(names)
    cluster, clusters = codes(
        [(t.split, t.task, t.cluster or n) for t, n in zip(held, names, strict=True)]
    )
    values = {name: aggregated(name, user, llm) for name in AGGREGATES}
    sample = _Sample(question, questions, cluster, clusters, read)
    columns = np.stack(list(values.values()))
    correlations = sample.correlations(columns, rng, count)
    order = sample.order(columns)
    place = {name: number for number, name in enumerate(AGGREGATES)}
    shares, reason = _shares(by_file, np.array(known), read)
    return Conflict(
        answers=len(held),
        left_out=len(answers) - len(held),
        unread=int((~read).sum()),
        questions=questions,
        clusters=clusters,
        pairs=int(order.pairs_g.sum()),
        sides=correlations[place["user"], place["llm"]],
        shares=shares,
        no_shares=reason,
        aggregates=tuple(
            Disagreement(
                one,
                other,
                correlations[place[one], place[other]],
                order.differ(place[one], place[other]),
                order.tied(place[one], place[other]),
            )
            for one, other in combinations(AGGREGATES, 2)
        ),
        points=list(zip(user.tolist(), llm.tolist(), strict=True)),
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """How aggregates order the pairs of answers to one question, summed by cluster."""

    pairs_g: Floats
    differ_gkk: Floats
    tied_gkk: Floats

    def differ(self, one: int, other: int) -> Interval:
        return mean_of_sums(self.differ_gkk[:, one, other], self.pairs_g)

    def tied(self, one: int, other: int) -> float | None:
        pairs = float(self.pairs_g.sum())
        return float(self.tied_gkk[:, one, other].sum()) / pairs if pairs else None


@dataclass(frozen=True, slots=True)
class _Sample:
    """Which answers belong to one question and to one cluster of questions."""

    question: NDArray[np.intp]
    questions: int
    cluster: NDArray[np.intp]
    clusters: int
    read: NDArray[np.bool_]

    def order(self, values_kn: Floats) -> _Order:
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
        return _Order(pairs, differ, tied)

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


def _shares(
    by_file: Mapping[Path, Sequence[Transcript]],
    known: NDArray[np.bool_],
    read: NDArray[np.bool_],
) -> tuple[dict[str, tuple[Share, ...]], str | None]:
    """The terms of each side, or why there are none."""
    try:
        scores = Rescorer(by_file)
    except DataError as error:
        return {}, str(error)
    found = {}
    for side in SIDES:
        terms = {name: values[known] for name, values in scores.terms(side).items()}
        whole = np.sum(list(terms.values()), axis=0)
        found[side] = (
            *(
                Share(
                    name,
                    float(term.mean()),
                    float(term.std()),
                    _share(term, whole),
                    _share(term[read], whole[read]),
                )
                for name, term in terms.items()
            ),
            Share(UNREAD, None, None, _between(whole, read), None),
        )
    return found, None


def _share(term: Floats, whole: Floats) -> float | None:
    """cov(term, whole) / var(whole); None where the whole does not vary."""
    if len(whole) < 2 or whole.max() - whole.min() <= TOLERANCE:
        return None
    centred = whole - whole.mean()
    return float((term - term.mean()) @ centred / (centred @ centred))


def _between(whole: Floats, read: NDArray[np.bool_]) -> float | None:
    """Share of the variance between the answers that can be read and the others."""
    if whole.max() - whole.min() <= TOLERANCE:
        return None
    if read.all() or not read.any():
        return 0.0
    means = np.where(read, whole[read].mean(), whole[~read].mean())
    return float(means.var() / whole.var())
