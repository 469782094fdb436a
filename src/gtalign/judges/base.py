"""The interface between a reward and the judge that grades an answer."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Protocol, runtime_checkable

from gtalign.errors import DataError
from gtalign.tasks import Question


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer.

    Args:
        judge: Name of the judge.
        score: Score on the task's own scale (see `gtalign.tasks`), or None where the judge could
            not decide: unscored, which is not 0.
        reason: Reason for the score, or for its absence.
        details: Further measured facts, such as ``right_action``, ``asked`` and ``refused``.
    """

    judge: str
    score: float | None
    reason: str
    details: Mapping[str, float] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as an object that `from_json` reads back equal."""
        return {
            "judge": self.judge,
            "score": self.score,
            "reason": self.reason,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Verdict":
        """Build a verdict from an object.

        Raises:
            DataError: A field is of the wrong type; the message names it.
        """
        score, details = source.get("score"), source.get("details") or {}
        if score is not None and not _is_number(score):
            said = repr(score)[:40]
            raise DataError(f"verdict: field 'score' has to be a finite number or null, not {said}")
        if not isinstance(details, Mapping) or not all(map(_is_number, details.values())):
            raise DataError("verdict: field 'details' has to map names to finite numbers")
        return cls(
            judge=str(source.get("judge", "")),
            score=None if score is None else float(score),
            reason=str(source.get("reason", "")),
            details={name: float(value) for name, value in details.items()},
        )


def _is_number(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= sys.float_info.max  # a larger one is no float
    return isinstance(value, float) and isfinite(value)


@runtime_checkable
class Judge(Protocol):
    """A judge: an object that can grade a response."""

    async def judge(self, question: Question, response: str) -> Verdict:
        """Grade the text that the user sees.

        Args:
            question: The question that it answers.
            response: The text of the response block alone; data to be graded, never instructions.

        Returns:
            A verdict; with a score of None and a reason where this answer cannot be graded.

        Raises:
            JudgeError: The judge itself failed; the message names it and the question's id.
        """
        ...
