"""Scores of a file summed up by task, without keeping the rows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtalign.judges.rule import RULES
from gtalign.reward import FACTORS
from gtalign.reward.score import NO_VERDICT
from gtalign.reward.scores import WELFARE
from gtalign.tasks import task_named
from gtalign.transcripts.transcript import Transcript

MEASURES = ("quality", *WELFARE)
"""The measures that stand for the whole, in the order of the tables."""

Floats = NDArray[np.float64]

FEW = 10
"""Most tasks that a summary names one by one."""

ALIKE = 5
"""Fewest answers of which equal scores by one judge are worth a line."""

FEWEST = 20
"""Fewest scored answers of which equal rewards are a fault, not a coincidence."""


@dataclass(slots=True)
class TaskSums:
    """The sums of one task.

    Attributes:
        rows: Number of answers.
        unscored: How many have no score.
        malformed: How many could not be read as the chain that was asked for.
        sums: Sum and number of the known values of each welfare and factor.
        clusters: The same of W for each source prompt, for its interval.
    """

    rows: int = 0
    unscored: int = 0
    malformed: int = 0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    clusters: dict[str, tuple[float, int]] = field(default_factory=dict)

    def mean(self, measure: str) -> float | None:
        """Return the mean of the known values; None if there are none."""
        total, count = self.sums.get(measure, (0.0, 0))
        return total / count if count else None

    def known(self, measure: str) -> int:
        """Return the number of answers whose value of a measure is known."""
        return self.sums.get(measure, (0.0, 0))[1]

    def of_clusters(self) -> tuple[Floats, Floats]:
        """Return sum and number of W by source prompt, two arrays of one length."""
        pairs = np.array(list(self.clusters.values()), dtype=np.float64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]


class Summary:
    """The scores of a file: means by task and over all, and what went wrong.

    Attributes:
        tasks: The sums by task.
        total: The sums over all tasks.
        units: Units of the token counts, in a word each.
        reasons: Why answers have no score, with their numbers.
        recorded: Sum and number of W as the file recorded it, over the answers scored here.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, TaskSums] = {}
        self.total = TaskSums()
        self.units: set[str] = set()
        self.reasons: Counter[str] = Counter()
        self.recorded = (0.0, 0.0, 0)
        self._own_w = False  # of an answer that no judge has graded
        self._given: dict[str, tuple[set[float], int]] = {}
        self._rewards: set[float] = set()
        self._texts: set[str] = set()
        self._last_error: str | None = None

    def add(
        self,
        transcript: Transcript,
        *,
        reward: float | None = None,
        unit: str = "",
        before: float | None = None,
    ) -> None:
        """Add a scored answer; unknown values enter no mean.

        Args:
            transcript: The answer.
            reward: Its reward, where it is not W; it is summed up as ``reward``.
            unit: Unit of its token counts, in a word.
            before: W as the file recorded it; None if it did not.
        """
        welfare = transcript.mutual_welfare
        values = {name: getattr(transcript, name) for name in WELFARE}
        values |= {name: transcript.factors.get(name) for name in FACTORS}
        values["reward"] = reward
        if unit:
            self.units.add(unit)
        for sums in (self.total, self.tasks.setdefault(transcript.task, TaskSums())):
            sums.rows += 1
            sums.unscored += transcript.unscored is not None
            sums.malformed += transcript.chain_error is not None
            for name, value in values.items():
                if value is not None:
                    _add(sums.sums, name, value)
            if welfare is not None:
                _add(sums.clusters, transcript.cluster or transcript.id, welfare)
        if transcript.unscored is not None:
            self.reasons[transcript.unscored] += 1
            self._own_w |= before is not None
        for verdict in transcript.verdicts[:1]:
            if verdict.score is not None:
                scores, count = self._given.get(verdict.judge, (set(), 0))
                if len(scores) < 2:
                    scores.add(verdict.details.get("graded", verdict.score))
                self._given[verdict.judge] = scores, count + 1
        self._last_error = transcript.chain_error or self._last_error
        reward = welfare if reward is None else reward
        if reward is not None and len(self._rewards) < 2:
            self._rewards.add(reward)
        if len(self._texts) < 2:
            self._texts.add(transcript.completion)
        if before is not None and welfare is not None:
            was, now, count = self.recorded
            self.recorded = was + before, now + welfare, count + 1

    @classmethod
    def of(cls, transcripts: Iterable[Transcript]) -> "Summary":
        """Sum up transcripts that are scored already."""
        found = cls()
        for transcript in transcripts:
            found.add(transcript)
        return found

    def groups(self, *, every: bool = False) -> dict[str, TaskSums]:
        """Return the sums by task, then those of all.

        Args:
            every: Whether to name every task even if they are many.
        """
        shown = sorted(self.tasks) if every or len(self.tasks) <= FEW else ()
        return {**{name: self.tasks[name] for name in shown}, "all": self.total}

    def to_json(self) -> dict[str, Any]:
        """Return the means over all, and how many answers could not be read or scored."""
        return {
            **{name: self.total.mean(name) for name in MEASURES},
            "malformed": self.total.malformed,
            "unscored": self.total.unscored,
        }

    @property
    def known(self) -> bool:
        """Whether there is a result: a scored answer that can be read, or none that can be read."""
        total = self.total
        return not total.unscored or total.rows - total.unscored > total.malformed

    def problem(self, *, asked: bool, fewest: int = FEWEST) -> str | None:
        """Say why the result is none, in one line; None if there is one.

        Args:
            asked: Whether a judge was asked for missing verdicts.
            fewest: Fewest scored answers of which equal rewards are a fault.
        """
        total = self.total
        scored = total.rows - total.unscored
        if not total.rows:
            return "No answer was written."
        if not self.known:
            reason = self.reasons.most_common(1)[0][0]
            if not asked and NO_VERDICT in self.reasons:
                own = " The file's own scores are W, and no verdicts of a judge." * self._own_w
                return f"No score: no judge was asked.{own} {self._advice()}"
            return f"No score: none of {total.unscored} answers got a verdict. {reason}"
        if total.malformed == total.rows:
            return (
                f"All {total.rows} answers are malformed: none can be read as a chain, so W is 0."
                f" The last: {self._last_error}"
            )
        if scored >= fewest and len(self._rewards) == 1 < len(self._texts):
            return (
                f"The reward never varies: it is {min(self._rewards):.3f} for all {scored} answers."
            )
        return None

    def alike(self) -> list[str]:
        """Say which judges gave all their answers one score, each in a line."""
        return [
            f"Judge {name!r} gave all {count} answers the score {min(scores):g}. `gtalign judges"
            " check` compares a judge with people's labels."
            for name, (scores, count) in sorted(self._given.items())
            if count >= ALIKE and len(scores) == 1
        ]

    def _advice(self) -> str:
        """Say which judge can grade the tasks that have answers without a score."""
        tasks = sorted(name for name, sums in self.tasks.items() if sums.unscored)
        ruled = [name for name in tasks if task_named(name).kind in RULES]
        if len(ruled) == len(tasks):
            return "Add --judge rules, or --judge FILE with a model."
        some = f", or --judge rules, which grade only {_listed(ruled)}" if ruled else ""
        others = _listed([name for name in tasks if name not in ruled])
        return f"Add --judge FILE with a model{some}: no rule grades {others}."

    def differs(self) -> tuple[float, float] | None:
        """Return the mean W that the file recorded and the one now, where they differ."""
        was, now, count = self.recorded
        return (was / count, now / count) if count and abs(was - now) > 5e-4 * count else None


def _listed(tasks: Sequence[str]) -> str:
    """Name at most `FEW` tasks."""
    more = f" and {len(tasks) - FEW} more" if len(tasks) > FEW else ""
    return f"task{'s' * (len(tasks) > 1)} {', '.join(map(repr, tasks[:FEW]))}{more}"


def _add(sums: dict[str, tuple[float, int]], name: str, value: float) -> None:
    total, count = sums.get(name, (0.0, 0))
    sums[name] = total + value, count + 1
