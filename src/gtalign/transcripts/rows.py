"""The rows of a file to be scored: answers of any form, each with its place in the file."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gtalign.errors import DataError, JudgeError
from gtalign.judges import Verdict
from gtalign.tasks import Message
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.forms import transcript_of
from gtalign.transcripts.given import SCORES, OneScore
from gtalign.transcripts.records import read_records
from gtalign.transcripts.scoring import Row
from gtalign.transcripts.transcript import Transcript

log = logging.getLogger(__name__)


def read(file: Path, task: str = TASK, score: str | None = None) -> Iterator[Row]:
    """Yield the rows of a file: transcripts, dumps of verl, logs of chats, or recorded vectors.

    Of a file that other software has scored, one score of each answer counts, as `OneScore` has it.

    Args:
        file: JSON Lines.
        task: The task of logs and dumps that name none.
        score: Name of the score that counts; the first by default.

    Raises:
        DataError: The file cannot be read, or a line is wrong; the message names file, line and
            column.
    """
    one = OneScore(score)
    for place, name, record in read_records(file):
        try:
            row = row_of(record, name, place, task)
        except (DataError, JudgeError) as error:
            raise DataError(f"{place}: {error}") from error
        transcript = one.of(row.transcript)
        if transcript is not None:
            yield replace(row, transcript=transcript)
    if one.left:
        left = ", ".join(f"{count} of filter {name}" for name, count in one.left.items())
        log.info("%s: each answer counts once; left out are lines %s (see --score)", file, left)


def scores_in(file: Path) -> list[str]:
    """Return the names of the scores that other software gave in a file, in their order.

    Raises:
        DataError: The file cannot be read, or a line is wrong.
    """
    found: dict[str, None] = {}
    for place, name, record in read_records(file):
        held = row_of(record, name, place).transcript.extra.get(SCORES)
        found |= dict.fromkeys(held if isinstance(held, Mapping) else ())
    return list(found)


def row_of(record: Mapping[str, Any], name: str, place: str, task: str = TASK) -> Row:
    """Return the row of a line.

    Args:
        record: The line's object.
        name: The id to give if it has none.
        place: File and line, for errors.
        task: The task, if it names none.

    Raises:
        DataError: A column is missing or of the wrong type; the message names it.
    """
    if "judge_score" not in record:
        return Row(transcript_of(record, name, task), place)
    for column in ("task", "completion", "ground_truth"):
        if not isinstance(record.get(column), str):
            raise DataError(f"column {column!r} has to be text")
    identity = str(record.get("id", name))
    reason = "the recorded verdict has no score"
    verdict = {"judge": "recorded", "score": record["judge_score"], "reason": reason}
    transcript = Transcript(
        id=identity,
        task=record["task"],
        completion=record["completion"],
        ground_truth=record["ground_truth"],
        cluster=identity,
        prompt=(Message(role="user", content=""),),
        verdicts=(Verdict.from_json(verdict),),
    )
    # The same check that a verdict's score gets.
    solution = Verdict.from_json({"judge": "recorded", "score": record.get("pareto_score")})
    return Row(transcript, place, solution.score)
