"""Scores that another framework gave an answer, as the fields of a transcript.

The first score is the one that counts: in [0, 1] it is the answer's quality, as a judge's verdict
would be. On another scale it is only a score. The others stay by their names in ``extra.scores``.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any, Final

from gtalign.judges import Verdict
from gtalign.transcripts.transcript import Transcript

SCORES: Final = "scores"
"""Key of ``extra`` under which a transcript holds all scores of its file, by name."""

FILTER: Final = "filter"
"""Key of ``extra`` for the filter of lm-evaluation-harness that a line is about; empty for none."""


def given_scores(
    scores: Mapping[str, float | None], by: str, reason: str = "", problem: str | None = None
) -> dict[str, Any]:
    """Return the columns ``factors``, ``verdicts``, ``unscored`` and ``extra``.

    Args:
        scores: The scores by name, the one that counts first; None or not-a-number if unknown.
        by: Who gave them.
        reason: Why the first one is as it is.
        problem: Why there is no score, if that is known.
    """
    known = {
        name: None if value is None or not isfinite(value) else float(value)
        for name, value in scores.items()
    }
    name, value = next(iter(known.items()), ("", None))
    extra = {SCORES: known, "scored_by": by}
    if value is None or problem is not None:
        return {"unscored": problem or f"{by} gives no score", "extra": extra}
    if not 0 <= value <= 1:
        return {"factors": {"score": value}, "extra": extra}
    verdict = Verdict(f"{by}: {name}", value, reason).to_json()
    return {"factors": {"score": value, "quality": value}, "verdicts": [verdict], "extra": extra}


def with_score(transcript: Transcript, name: str) -> Transcript:
    """Return a transcript in which another of its file's scores counts.

    Args:
        transcript: A transcript with `SCORES`.
        name: Name of the score; a transcript without it is unscored.
    """
    by, held = str(transcript.extra.get("scored_by", "")), transcript.extra[SCORES]
    if held.get(name) is None:
        problem = transcript.unscored or f"{by} gives no score {name!r}"
        return replace(transcript, factors={}, verdicts=(), unscored=problem)
    found = given_scores({name: held[name], **held}, by)
    return replace(
        transcript,
        factors=found.get("factors", {}),
        verdicts=tuple(map(Verdict.from_json, found.get("verdicts", ()))),
        unscored=found.get("unscored"),
        extra={**transcript.extra, **found["extra"]},
    )


class OneScore:
    """Lets one score of each answer count, and each answer only once.

    lm-evaluation-harness writes a line for each filter that it tried on an answer. The lines of one
    filter count: that of the wanted score, or else that of the first line.

    Args:
        name: The score that counts; by default the first of each answer.

    Attributes:
        left: Number of lines that were left out, by filter.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.left: Counter[str] = Counter()
        self._first: str | None = None

    def of(self, transcript: Transcript) -> Transcript | None:
        """Return an answer with the score that counts; None if its line is of another filter."""
        own = transcript.extra.get(FILTER)
        if isinstance(own, str):
            if self._first is None:
                self._first = own
            wanted = self._first
            if self.name is not None:
                _, comma, last = self.name.rpartition(",")
                wanted = last if comma else ""
            if own != wanted:
                self.left[own or "none"] += 1
                return None
        held = transcript.extra.get(SCORES)
        if self.name is None or not isinstance(held, Mapping) or next(iter(held), "") == self.name:
            return transcript
        return with_score(transcript, self.name)


def number(value: Any) -> float | None:
    """Return a score from outside as a number: numbers, true and false, means of lists of these."""
    if isinstance(value, bool | int | float):
        return float(value) if abs(value) < 1e300 else None
    if isinstance(value, list) and value and all(isinstance(v, bool | int | float) for v in value):
        return sum(map(float, value)) / len(value)
    return None
