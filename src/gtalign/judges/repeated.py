"""Judge one answer several times, for judges whose verdicts vary."""

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from statistics import fmean, pstdev
from typing import Any, Literal, Protocol

from gtalign.judges.base import Verdict
from gtalign.judges.batch import together
from gtalign.judges.criterion import Criterion, criterion_of
from gtalign.tasks import Question

Vote = Literal["majority", "mean"]
"""How several scores become one."""


class Sampler(Protocol):
    """A judge that can be asked again."""

    def sample(self, question: Question, response: str, index: int) -> Coroutine[Any, Any, Verdict]:
        """Grade a response; each index is a verdict of its own."""
        ...


class Repeated:
    """Judges each answer ``times`` times.

    ``majority`` takes the score that more verdicts give than any other; where two are given
    equally often, the answer is unscored. ``mean`` takes the mean where scores are ordered; names
    of cases (such as those of harmlessness) have no mean, and the majority decides.

    A verdict's ``details`` hold ``samples`` (the number of verdicts with a score), ``spread``
    (their standard deviation) and ``majority`` (the share of the most frequent score). An answer is
    unscored unless more than half of the verdicts have a score.

    Args:
        judge: The judge; it is asked with the indices 0 to ``times`` - 1.
        times: Number of verdicts, at least 1.
        vote: How the scores become one.
        criteria: Tells whether the scores of a question are ordered.
    """

    def __init__(
        self,
        judge: Sampler,
        times: int,
        vote: Vote = "majority",
        criteria: Callable[[Question], Criterion | None] = criterion_of,
    ) -> None:
        if times < 1:
            raise ValueError(f"times has to be at least 1, not {times}")
        self.inner = judge
        self.times = times
        self.vote = vote
        self._criteria = criteria

    async def judge(self, question: Question, response: str) -> Verdict:
        """Grade a response several times.

        Raises:
            JudgeError: The judge failed on one of the samples; the others are cancelled.
        """
        verdicts = await together(
            [self.inner.sample(question, response, index) for index in range(self.times)]
        )
        criterion = self._criteria(question)
        averaged = self.vote == "mean" and criterion is not None and criterion.ordered
        return combine(verdicts, "mean" if averaged else "majority")


def combine(verdicts: Sequence[Verdict], vote: Vote) -> Verdict:
    """Return one verdict for several on the same answer; see `Repeated`."""
    name = verdicts[0].judge
    scored = [verdict for verdict in verdicts if verdict.score is not None]
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    if 2 * len(scores) <= len(verdicts):
        reason = next(verdict.reason for verdict in verdicts if verdict.score is None)
        unscored = len(verdicts) - len(scores)
        return Verdict(name, None, f"{unscored} of {len(verdicts)} unscored: {reason}")
    ranked = Counter(scores).most_common()
    best, count = ranked[0]
    details = {
        "samples": float(len(scores)),
        "spread": pstdev(scores),
        "majority": count / len(scores),
    }
    for fact in sorted({fact for verdict in scored for fact in verdict.details}):
        details[fact] = fmean(v.details[fact] for v in scored if fact in v.details)
    tally = ", ".join(f"{score:g}: {n}" for score, n in sorted(ranked))
    if vote == "mean":
        mean = fmean(scores)
        nearest = min(scored, key=lambda verdict: abs((verdict.score or 0.0) - mean))
        return Verdict(name, mean, f"{nearest.reason} ({tally})", details)
    if len(ranked) > 1 and ranked[1][1] == count:
        return Verdict(name, None, f"no majority ({tally})", details)
    first = next(verdict for verdict in scored if verdict.score == best)
    return Verdict(name, best, f"{first.reason} ({tally})", details)
