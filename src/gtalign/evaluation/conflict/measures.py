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

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import DataError
from gtalign.evaluation.conflict.order import Correlation, Sample
from gtalign.evaluation.paper.ablation import AGGREGATES, aggregated
from gtalign.evaluation.paper.rescore import SIDES, Rescorer
from gtalign.evaluation.rows import names_of
from gtalign.evaluation.statistics import Floats, Interval, codes
from gtalign.game import TOLERANCE
from gtalign.transcripts import Transcript

UNREAD: Final = "unreadable"
"""Name of the share of the answers that cannot be read."""


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
    sample = Sample(question, questions, cluster, clusters, read)
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
