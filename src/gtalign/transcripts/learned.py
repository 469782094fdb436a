"""What a run of reinforcement learning gained: its first completions against its last."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtalign.transcripts.file import read_transcripts
from gtalign.transcripts.summary import Summary, TaskSums

PART = 4
"""The first and the last of so many equal parts are set against each other."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The scores of a run's completions.

    Args:
        first: Those of the first part.
        last: Those of the last part.
        whole: All.
        problem: Why nothing was learned, in one line; None if something was.
    """

    first: Summary
    last: Summary
    whole: Summary
    problem: str | None

    @property
    def gain(self) -> float | None:
        """W of the last part less that of the first; None where either is unknown."""
        first, last = (part.total.mean("mutual_welfare") for part in (self.first, self.last))
        return None if first is None or last is None else last - first

    def parts(self) -> dict[str, TaskSums]:
        """Return the sums by part."""
        names = ("first quarter", "last quarter", "all")
        sums = (part.total for part in (self.first, self.last, self.whole))
        return dict(zip(names, sums, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return the means of the whole, W at the beginning and at the end, and the problem."""
        ends = {
            name: part.total.mean("mutual_welfare")
            for name, part in (("first_quarter", self.first), ("last_quarter", self.last))
        }
        return {**self.whole.to_json(), "mutual_welfare_by_part": ends, "problem": self.problem}


def learned(file: Path) -> Learned:
    """Sum up the completions of a run, which are in the order of its steps.

    Args:
        file: Its transcripts; a file that is not there holds none.

    Raises:
        DataError: A line is wrong.
    """
    count = 0
    if file.exists():
        with file.open("rb") as lines:
            count = sum(1 for _ in lines)
    part = max(1, count // PART)
    first, last, whole = Summary(), Summary(), Summary()
    rows = read_transcripts(file) if count else iter(())
    for number, transcript in enumerate(rows):
        reward = transcript.extra.get("reward")
        whole.add(transcript, reward=reward if isinstance(reward, float) else None)
        if number < part:
            first.add(transcript)
        if number >= count - part:
            last.add(transcript)
    problem = whole.problem(asked=True, fewest=PART)
    return Learned(first, last, whole, None if problem is None else f"Nothing learned. {problem}")
