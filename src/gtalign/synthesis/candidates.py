"""Candidates on disk: one line for each as soon as it is scored, and its fate at the end.

A line is a transcript with the candidate's ``number``, ``action``, ``reward``, and ``failed``, the
kind of failure if the candidate was not written or not judged. Such a candidate is tried again when
the run is resumed; of two lines about one candidate the later one counts.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gtalign.chain import chosen_cell
from gtalign.errors import DataError
from gtalign.files.lines import LineWriter, read_objects
from gtalign.synthesis.selection import Entry
from gtalign.tasks import Question
from gtalign.transcripts import Scored, Transcript

Key = tuple[str, int]
"""Id of the question and number of the candidate."""


def record_of(scored: Scored, number: int, failed: str | None) -> dict[str, Any]:
    """Return the line of a candidate.

    Args:
        scored: The candidate with its score.
        number: Its number among the candidates of the question.
        failed: The kind of failure; None if nothing failed.
    """
    score, action = scored.score, None
    if score.chain is not None:
        action = chosen_cell(score.chain.analyze, score.chain.payoff.form).action
    facts = {"number": number, "action": action, "reward": score.reward, "failed": failed}
    return {**scored.transcript.to_json(), **facts}


def failed_record(question: Question, number: int, failed: str, reason: str) -> dict[str, Any]:
    """Return the line of a candidate that was not written; all its measures are unknown."""
    unwritten = Transcript.of(question, "", model="teachers")
    transcript = replace(unwritten, unscored=reason)
    facts = {"number": number, "action": None, "reward": None, "failed": failed}
    return {**transcript.to_json(), **facts}


class Candidates(AbstractContextManager["Candidates"]):
    """The candidates of a run, appended to a file as they are made.

    Memory holds only the facts that selection needs.

    Args:
        file: The file; one that a crash has left is mended and continued.

    Raises:
        StorageError: The file cannot be written.
        DataError: The file holds something other than candidates.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.entries: dict[Key, Entry] = {}
        self._lines = LineWriter(file)
        try:
            for line in read_objects(file):
                try:
                    self._keep(line.value, line.start)
                except (ValueError, LookupError, TypeError, ArithmeticError) as error:
                    raise DataError(f"{line.place}: no candidate: {error!r}") from error
        except BaseException:
            self._lines.close()
            raise

    def done(self, key: Key) -> bool:
        """Whether a candidate is finished: written, judged and scored."""
        entry = self.entries.get(key)
        return entry is not None and entry.problem is None

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a candidate.

        Raises:
            StorageError: It could not be written; earlier lines are kept.
        """
        place = self.file.stat().st_size
        self._lines.write(record)
        self._keep(record, place)

    def read(self, key: Key) -> dict[str, Any]:
        """Return the line of a candidate."""
        with self.file.open("rb") as lines:
            lines.seek(self.entries[key].place)
            found: dict[str, Any] = json.loads(lines.readline())
        return found

    def _keep(self, record: Mapping[str, Any], place: int) -> None:
        failed, unscored, action = record["failed"], record["unscored"], record["action"]
        if not isinstance(action, str | None):
            raise TypeError(f"action {action!r} is no name")
        problem = None
        if failed is not None:
            problem = f"failed: {failed}"
        elif unscored is not None:
            problem = "unscored by the judge"
        self.entries[str(record["id"]), int(record["number"])] = Entry(
            number=int(record["number"]),
            welfare=_number(record["mutual_welfare"]),
            quality=_number(dict(record["factors"]).get("quality")),
            action=action,
            problem=problem,
            place=place,
        )

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise TypeError(f"{value!r} is no number")
    return None if value is None else float(value)
