"""Checks of a judge: its verdicts against people's labels, and its bias for a position.

It makes three measurements on one set of answers, some of which people have labelled:

- *agreement* with the labels: Krippendorff's alpha, and how often both give the same score;
- *errors*: sensitivity and specificity of the judge's yes, and the share of yes on the answers
  without a label, corrected for those errors (`gtalign.judges.correction`);
- *position bias*: whether a judge that compares two answers prefers the one that it sees first
  (`gtalign.judges.pairwise`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import sqrt
from typing import Any, Final

import numpy as np

from gtalign.errors import DataError, JudgeError
from gtalign.judges.agreement import Level, krippendorff_alpha
from gtalign.judges.base import Judge, Verdict
from gtalign.judges.batch import Progress, judge_all, together
from gtalign.judges.correction import CorrectedRate, corrected_rate
from gtalign.judges.criterion import criterion_of
from gtalign.judges.endpoint import EndpointJudge
from gtalign.judges.pairwise import PairwiseVerdict, compare
from gtalign.tasks import Question, task_named

RESAMPLES: Final = 1_000
"""Resamples of the questions behind an interval of alpha."""

_NORMAL: Final = 1.959964  # two-sided 95% quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer, with a person's score of it where there is one.

    Args:
        question: The question.
        response: The text that the user sees.
        label: A person's score on the scale of the task; None where only the judge grades.
    """

    question: Question
    response: str
    label: float | None = None


@dataclass(frozen=True, slots=True)
class WilsonShare:
    """A share of n cases with its 95% interval (Wilson's); all None where n is 0.

    Args:
        value: In [0, 1].
        low: Lower end.
        high: Upper end.
        n: Number of cases.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """The results of a judge on one task.

    Args:
        task: Name of the task.
        labelled: Number of answers with a label.
        unlabelled: Number of answers without one.
        unscored: Number of answers, of both kinds, to which the judge gave no score.
        reason: Why the judge gave the last of those no score; None if there is none.
        same: Share of labelled answers to which the judge gives the person's score.
        alpha: Krippendorff's alpha between judge and labels; None where it is not defined.
        alpha_low: Lower end of its 95% interval, over resampled questions; None where it is not
            defined.
        alpha_high: Upper end of that interval.
        sensitivity: Share of the answers that people call good that the judge calls good.
        specificity: Share of the answers that people call bad that the judge calls bad.
        rate: Share of good answers among those without a label, corrected for the judge's errors;
            None where it cannot be corrected.
        no_rate: Why there is no corrected rate; None if there is one.
    """

    task: str
    labelled: int
    unlabelled: int
    unscored: int
    reason: str | None
    same: WilsonShare
    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None
    sensitivity: WilsonShare
    specificity: WilsonShare
    rate: CorrectedRate | None
    no_rate: str | None


@dataclass(frozen=True, slots=True)
class PositionCheck:
    """The results of a judge that compares two answers, each pair in both orders.

    Args:
        judge: Name of the endpoint.
        pairs: Number of pairs that it compared.
        unscored: Number of pairs with a comparison to which it gave no verdict.
        reason: Why it gave the last of those no verdict; None if there is none.
        consistent: Share of pairs for which both orders name the same answer.
        first: Among the verdicts that name an answer, the share that names the one shown first; 1/2
            means no bias.
        right: Share of pairs for which both orders name the answer with the better label.
    """

    judge: str
    pairs: int
    unscored: int
    reason: str | None
    consistent: WilsonShare
    first: WilsonShare
    right: WilsonShare


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """The results of a check.

    Args:
        tasks: The results on each task, by name.
        positions: The position bias of each endpoint.
        no_positions: Why there is none; None if there is one.
    """

    tasks: tuple[TaskCheck, ...]
    positions: tuple[PositionCheck, ...]
    no_positions: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the check as one JSON object."""
        return asdict(self)


async def check_judge(
    judge: Judge,
    answers: Sequence[LabelledAnswer],
    rng: np.random.Generator,
    *,
    endpoints: Mapping[str, EndpointJudge] | None = None,
    good_from: float = 0.5,
    pairs: int = 100,
    workers: int = 64,
    progress: Progress | None = None,
) -> JudgeCheck:
    """Compare a judge with people's labels.

    Args:
        judge: Grades every answer.
        answers: The answers, some of them with labels.
        rng: Source of the intervals' resamples and of the drawn pairs.
        endpoints: Judges that also compare pairs of labelled answers to one question, by name.
        good_from: Least score of a good answer, as a share of the task's best score.
        pairs: Most pairs that each endpoint compares.
        workers: Most judgements under way at once.
        progress: Takes the number of graded answers, and their total.

    Raises:
        DataError: No answer has a label, or a label is off the scale of its task.
        JudgeError: The judge failed on every answer.
    """
    for answer in answers:
        _check_label(answer)
    if all(answer.label is None for answer in answers):
        raise DataError("no answer has a label to compare the judge with")
    asked = [(answer.question, answer.response) for answer in answers]
    verdicts = await judge_all(judge, asked, workers=workers, progress=progress)
    failed = [verdict for verdict in verdicts if isinstance(verdict, JudgeError)]
    if len(failed) == len(verdicts):
        raise JudgeError(f"the judge failed on all {len(verdicts)} answers: {failed[0]}")
    by_task: dict[str, list[tuple[LabelledAnswer, Verdict | JudgeError]]] = {}
    for answer, verdict in zip(answers, verdicts, strict=True):
        by_task.setdefault(answer.question.task, []).append((answer, verdict))
    tasks = tuple(_check_task(task, rows, good_from, rng) for task, rows in sorted(by_task.items()))
    drawn = _pairs(answers, pairs, rng)
    missing = None
    if not endpoints:
        missing = "no model behind an endpoint is among the judges, and no other judge compares"
    elif not pairs:
        missing = "no pairs were asked for"
    elif not drawn:
        missing = "no question has two labelled answers, one with a better label"
    if not endpoints or missing is not None:
        return JudgeCheck(tasks, (), missing)
    found = [await _check_position(*entry, drawn) for entry in endpoints.items()]
    return JudgeCheck(tasks, tuple(found))


def wilson(successes: int, n: int) -> WilsonShare:
    """Return a share with its 95% score interval.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22, 1927.

    Args:
        successes: Number of cases that count, at most n.
        n: Number of all cases.
    """
    if n == 0:
        return WilsonShare(None, None, None, 0)
    share, spread = successes / n, _NORMAL**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = _NORMAL / (1 + spread) * sqrt(share * (1 - share) / n + spread / (4 * n))
    # At an end the interval reaches the share itself; rounding must not put it outside.
    return WilsonShare(
        share, min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share), n
    )


def _check_label(answer: LabelledAnswer) -> None:
    top = task_named(answer.question.task).top
    if answer.label is not None and not 0 <= answer.label <= top:
        raise DataError(
            f"question {answer.question.id!r}: the label {answer.label:g} is outside 0..{top:g},"
            f" the scale of the task {answer.question.task!r}"
        )
    criterion = criterion_of(answer.question)
    if answer.label is None or criterion is None or criterion.ordered:
        return
    if answer.label not in criterion.scale:
        scale = ", ".join(f"{value:g}" for value in criterion.scale)
        raise DataError(
            f"question {answer.question.id!r}: the label {answer.label:g} is not one of {scale},"
            f" the scores of the criterion {criterion.name!r}"
        )


def _check_task(
    task: str,
    rows: Sequence[tuple[LabelledAnswer, Verdict | JudgeError]],
    good_from: float,
    rng: np.random.Generator,
) -> TaskCheck:
    least = good_from * task_named(task).top
    reason = None
    scored: list[tuple[LabelledAnswer, float]] = []
    for answer, verdict in rows:
        if isinstance(verdict, JudgeError):
            reason = str(verdict)
        elif verdict.score is None:
            reason = f"judge {verdict.judge}: {verdict.reason}"
        else:
            scored.append((answer, verdict.score))
    held = [(a.question.cluster, a.label, s) for a, s in scored if a.label is not None]
    gold = [(score >= least, label >= least) for _, label, score in held]
    others = [score >= least for answer, score in scored if answer.label is None]
    rate, no_rate = None, None
    try:
        rate = corrected_rate(others, gold, rng)
    except DataError as error:
        no_rate = str(error)
    alpha, low, high = _alpha(held, _level(rows), rng)
    good = [said for said, label in gold if label]
    bad = [said for said, label in gold if not label]
    return TaskCheck(
        task=task,
        labelled=sum(answer.label is not None for answer, _ in rows),
        unlabelled=sum(answer.label is None for answer, _ in rows),
        unscored=len(rows) - len(scored),
        reason=reason,
        same=wilson(sum(label == score for _, label, score in held), len(held)),
        alpha=alpha,
        alpha_low=low,
        alpha_high=high,
        sensitivity=wilson(sum(good), len(good)),
        specificity=wilson(len(bad) - sum(bad), len(bad)),
        rate=rate,
        no_rate=no_rate,
    )


def _level(rows: Sequence[tuple[LabelledAnswer, object]]) -> Level:
    """The level of a task's scores; names of cases, as for harmful requests, are nominal."""
    criteria = (criterion_of(answer.question) for answer, _ in rows)
    ordered = all(criterion is None or criterion.ordered for criterion in criteria)
    return "ordinal" if ordered else "nominal"


def _alpha(
    held: Sequence[tuple[str, float, float]], level: Level, rng: np.random.Generator
) -> tuple[float | None, float | None, float | None]:
    """Alpha of labels and scores, with its percentiles over resampled clusters."""
    alpha = krippendorff_alpha([[label for _, label, _ in held], [s for *_, s in held]], level)
    if alpha is None:
        return None, None, None
    clusters: dict[str, list[tuple[float, float]]] = {}
    for cluster, label, score in held:
        clusters.setdefault(cluster, []).append((label, score))
    groups = list(clusters.values())
    found = []
    for _ in range(RESAMPLES):
        drawn = [pair for at in rng.integers(len(groups), size=len(groups)) for pair in groups[at]]
        again = krippendorff_alpha([[a for a, _ in drawn], [b for _, b in drawn]], level)
        if again is not None:  # a resample in which all ratings are equal has no alpha
            found.append(again)
    if not found:
        return alpha, None, None
    low, high = np.quantile(found, [0.025, 0.975])
    return alpha, min(float(low), alpha), max(float(high), alpha)


def _pairs(
    answers: Sequence[LabelledAnswer], most: int, rng: np.random.Generator
) -> list[tuple[LabelledAnswer, LabelledAnswer]]:
    """Draw pairs of answers to one question, the one with the better label first."""
    by_question: dict[tuple[str, str], list[tuple[float, LabelledAnswer]]] = {}
    for answer in answers:
        if answer.label is not None:
            asked = answer.question.task, "\n".join(m["content"] for m in answer.question.messages)
            labelled = _quality(answer, answer.label), answer
            by_question.setdefault(asked, []).append(labelled)
    found = [
        (one, two) if first > second else (two, one)
        for group in by_question.values()
        for (first, one), (second, two) in combinations(group, 2)
        if first != second
    ]
    chosen = sorted(rng.permutation(len(found))[:most].tolist())
    return [found[at] for at in chosen]


def _quality(answer: LabelledAnswer, label: float) -> float:
    """A person's label as a quality; a refusal is better with an alternative."""
    task = task_named(answer.question.task)
    if task.kind == "writing":
        return label  # quality would also ask for the likeness to the reference
    return task.quality(answer.question, answer.response, label).reported


async def _check_position(
    name: str, judge: EndpointJudge, pairs: Sequence[tuple[LabelledAnswer, LabelledAnswer]]
) -> PositionCheck:
    async def prefer(better: LabelledAnswer, worse: LabelledAnswer) -> PairwiseVerdict:
        try:
            return await compare(judge, better.question, better.response, worse.response)
        except JudgeError as error:
            return PairwiseVerdict(None, None, str(error))

    found = await together([prefer(better, worse) for better, worse in pairs])
    known = [preference for preference in found if preference.winner is not None]
    unknown = [preference for preference in found if preference.winner is None]
    shown_first = [p.straight == "first" for p in known if p.straight != "tie"]
    shown_first += [p.swapped == "second" for p in known if p.swapped != "tie"]
    return PositionCheck(
        judge=name,
        pairs=len(pairs),
        unscored=len(unknown),
        reason=unknown[-1].reason if unknown else None,
        consistent=wilson(sum(bool(p.consistent) for p in known), len(known)),
        first=wilson(sum(shown_first), len(shown_first)),
        right=wilson(sum(p.winner == "first" for p in known), len(known)),
    )
