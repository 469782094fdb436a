"""Conversations as numbers: every measure of every one, and its mean with a clustered interval."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

import numpy as np

from gtalign.dialogue.measures import MEASURES, Parts, quality, questions
from gtalign.dialogue.played import Arm, Played
from gtalign.errors import DataError
from gtalign.evaluation import statistics
from gtalign.evaluation.statistics import Floats, Interval
from gtalign.transcripts.transcript import Transcript

ARMS: Final[dict[str, str]] = {
    "baseline": "one answer to the question as asked, and no reply",
    "full": "the question with nothing left out",
    "ask": "the question as asked, and the user replies",
}
"""Every arm, and what the assistant meets in it."""

PRICES: Final = tuple(round(0.05 * step, 2) for step in range(13))
"""Costs of one question, in right answers, at which the curve of utility is drawn."""


@dataclass(frozen=True, slots=True)
class Held:
    """One conversation.

    Args:
        model: Name of the assistant.
        user: Name of the user.
        arm: The arm.
        question: Id of the question.
        cluster: Source of the question.
        failed: Who failed; None if nobody did.
        parts: Top and bottom of each measure of `gtalign.dialogue.measures.MEASURES`.
        quality: Quality of the last answer that the user read; None if unknown.
        questions: Number of questions that the assistant asked.
        kind: Kind of the user; empty if the record does not say.
    """

    model: str
    user: str
    arm: str
    question: str
    cluster: str
    failed: str | None
    parts: dict[str, Parts]
    quality: float | None
    questions: int
    kind: str = ""


class Conversations:
    """Conversations of the arms; those with a forced first action are left out.

    Args:
        rows: The conversations.

    Attributes:
        models, users, arms: Names, in order of appearance; arms in the order of `ARMS`.
        kinds: Kind of each user.
    """

    def __init__(self, rows: Sequence[Held]) -> None:
        self.rows = tuple(rows)
        self._by: dict[tuple[str, str, str], list[Held]] = {}
        for row in rows:
            self._by.setdefault((row.model, row.user, row.arm), []).append(row)
        self.models = tuple(dict.fromkeys(row.model for row in rows))
        self.users = tuple(dict.fromkeys(row.user for row in rows))
        self.kinds = {row.user: row.kind for row in rows}
        found = {row.arm for row in rows}
        self.arms = tuple(arm for arm in ARMS if arm in found)

    @classmethod
    def read(cls, transcripts: Iterable[Transcript]) -> "Conversations":
        """Read the conversations among some transcripts.

        Raises:
            DataError: The record of a conversation is wrong; the message names its id.
        """
        return cls([row for transcript in transcripts if (row := _held(transcript)) is not None])

    def of(self, model: str, user: str, arm: str) -> list[Held]:
        """The conversations of a model with a user in an arm."""
        return self._by.get((model, user, arm), [])

    def failed(self, model: str, user: str, arm: str) -> int:
        """How many conversations failed."""
        return sum(row.failed is not None for row in self.of(model, user, arm))

    def interval(self, model: str, user: str, arm: str, measure: str) -> Interval:
        """The mean of a measure, or the ratio of its sums, with its interval."""
        found = statistics.mean_of_sums(*self.sums(model, user, arm, measure)[1:])
        return within(found, *MEASURES[measure].range)

    def sums(
        self, model: str, user: str, arm: str, measure: str
    ) -> tuple[list[str], Floats, Floats]:
        """The clusters with a measure, and its tops and bottoms summed over each, shape [G]."""
        held: dict[str, list[float]] = {}
        for row in self.of(model, user, arm):
            parts = row.parts.get(measure)
            if parts is not None:
                sums = held.setdefault(row.cluster, [0.0, 0.0])
                sums[0] += parts[0]
                sums[1] += parts[1]
        array = np.array(list(held.values()), dtype=np.float64).reshape(-1, 2)
        return list(held), array[:, 0], array[:, 1]

    def difference(self, model: str, user: str, arms: tuple[str, str], measure: str) -> Interval:
        """The mean of a measure in one arm less that in another, paired by cluster.

        The measure has to be a mean over conversations, such as ``goal`` or ``welfare``.
        """
        one, other = (self._values(self.of(model, user, arm), measure) for arm in arms)
        return statistics.difference_ci(one, other)

    def curve(self, model: str, user: str, arm: str) -> list[Interval]:
        """Mean quality less the cost of the questions asked, at each of `PRICES`."""
        rows = self.of(model, user, arm)
        clusters = [row.cluster for row in rows]
        got = np.array([np.nan if row.quality is None else row.quality for row in rows])
        asked = np.array([row.questions for row in rows], dtype=np.float64)
        return [statistics.mean_ci(got - price * asked, clusters) for price in PRICES]

    @staticmethod
    def _values(rows: Sequence[Held], measure: str) -> tuple[Floats, list[str]]:
        parts = [row.parts.get(measure) for row in rows]
        values = np.array([np.nan if part is None else part[0] / part[1] for part in parts])
        return values, [row.cluster for row in rows]


def within(found: Interval, least: float, most: float) -> Interval:
    """Return an interval whose ends are within the range of what it is of."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, least), high=min(found.high, most))


def record_of(transcript: Transcript) -> Played | None:
    """Return the record of a conversation; None for a single answer.

    Raises:
        DataError: It is wrong; the message names the transcript.
    """
    if transcript.conversation is None:
        return None
    try:
        return Played.from_json(transcript.conversation)
    except DataError as error:
        raise DataError(f"{transcript.id}: {error}") from error


def _held(transcript: Transcript) -> Held | None:
    played = record_of(transcript)
    if played is None or played.arm not in get_args(Arm):
        return None
    failed = played.failed if played.end == "failed" else None
    return Held(
        model=transcript.model,
        user=played.user,
        arm=played.arm,
        question=played.question,
        cluster=transcript.cluster or played.question,
        failed=failed,
        parts={} if failed else {name: one.of(played) for name, one in MEASURES.items()},
        quality=None if failed else quality(played),
        questions=questions(played),
        kind=played.kind,
    )
