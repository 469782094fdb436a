"""Score a file of transcripts into another file, which a second run can resume.

Rows are read and written one by one. Results come in the order of the input, even if the judge
answers in another order. So an output file is always the beginning of the whole, and a second run
continues after its end.
"""

import logging
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gtalign.errors import DataError, JudgeError
from gtalign.judges import Verdict
from gtalign.reward import Score
from gtalign.reward.scores import NUMBERS
from gtalign.tasks import Message
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.file import TranscriptWriter
from gtalign.transcripts.forms import transcript_of
from gtalign.transcripts.given import SCORES, OneScore
from gtalign.transcripts.records import read_records
from gtalign.transcripts.rewards import note
from gtalign.transcripts.scoring import Row, Scored, Scorer
from gtalign.transcripts.transcript import Transcript

log = logging.getLogger(__name__)

RECORDED = "as recorded"
"""The unit of token counts that came with a transcript."""


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


@dataclass(frozen=True, slots=True)
class FileScored:
    """A row of the output.

    Args:
        transcript: The transcript, with a note of the reward that scored it (``extra["scored"]``).
        score: Its score.
        kept: Whether the output file held it already, with nothing to add.
        before: W as the file recorded it; None if it did not.
    """

    transcript: Transcript
    score: Score
    kept: bool = False
    before: float | None = None

    @property
    def unit(self) -> str:
        """Unit of its token counts, in a word."""
        return str(self.transcript.extra["scored"]["tokens"])

    def to_json(self) -> dict[str, Any]:
        """Return the measures in one flat object."""
        score = self.score
        return {
            "id": self.transcript.id,
            "task": self.transcript.task,
            **{name: getattr(score, name) for name in NUMBERS},
            **score.factors,
            "tokens": self.unit,
            "chain_error": score.chain_error,
            "unscored": score.unscored,
        }


class FileScorer:
    """Scores files.

    Args:
        scorer: Judges and scores the rows.
        unit: Unit of its reward's token counts, in a word.
        workers: Most judgements under way at once.
    """

    def __init__(self, scorer: Scorer, unit: str = "words", workers: int = 64) -> None:
        self.scorer = scorer
        self._unit = unit
        self._workers = workers
        self._note = note(scorer.reward.config)

    async def score(
        self, file: Path, out: Path | None = None, task: str = TASK, score: str | None = None
    ) -> AsyncGenerator[FileScored, None]:
        """Yield the rows of a file, scored, in order, each once it is written.

        Rows in ``out`` are not scored again, but the judge is asked for verdicts that they lack. If
        any row lacks one, the rows are written to a new file, which then replaces ``out``.

        Args:
            file: The file, as for `read`.
            out: The output file; None writes nothing.
            task: The task of logs and dumps that name none.
            score: Name of the score that counts, as for `read`.

        Raises:
            DataError: A row is wrong, or the output is not the beginning of these results.
            JudgeError: Too many judgements failed; finished rows are written.
            StorageError: A result cannot be written.
        """
        rows = read(file, task, score)
        if out is not None and out.exists():
            beside = _mend(out)
            lacking = False
            for kept in skip_done(rows, out):
                self._check(kept)
                lacking |= self.scorer.asks_again(kept.transcript)
            again = self._fill(read(out), beside if lacking else None, resumed=True)
            async with aclosing(again):
                async for row in again:
                    yield row
            if lacking:
                beside.replace(out)
        async with aclosing(self._fill(rows, out)) as new:
            async for row in new:
                yield row

    async def _fill(
        self, rows: Iterable[Row], out: Path | None, *, resumed: bool = False
    ) -> AsyncGenerator[FileScored, None]:
        with ExitStack() as stack:
            writer = None
            if out is not None:
                writer = stack.enter_context(TranscriptWriter(out, keep_ids=False))
            async with aclosing(self.scorer.stream(rows, self._workers)) as every:
                async for scored in every:
                    transcript = self._noted(scored)
                    if writer is not None:
                        writer.write(transcript)
                    kept = resumed and not scored.asked
                    yield FileScored(transcript, scored.score, kept, scored.before)

    def _noted(self, scored: Scored) -> Transcript:
        """Return a transcript with a note of the reward that scored it."""
        extra = scored.transcript.extra
        before, unit = extra.get("scored"), self._unit
        if scored.recorded:
            unit = before.get("tokens", RECORDED) if isinstance(before, Mapping) else RECORDED
        by = {**self._note, "tokens": unit}
        return replace(scored.transcript, extra={**extra, "scored": by})

    def _check(self, kept: Row) -> None:
        """Refuse a row of the output that another reward has scored."""
        found = kept.transcript.extra.get("scored")
        if not isinstance(found, Mapping) or found.get("reward") != self._note["reward"]:
            other = found.get("preset") if isinstance(found, Mapping) else "unknown"
            raise DataError(
                f"{kept.place}: scored by another reward (preset {other}) than is asked for now"
                f" (preset {self._note['preset']}): name another file, or the same reward"
            )


def _mend(done: Path) -> Path:
    """Mend an output file whose rows were being judged again when the run was interrupted.

    Returns:
        The file beside it that rows are written to when they are judged again; it then replaces the
        output file.

    Raises:
        DataError: The file beside it does not hold the beginning of its rows.
        StorageError: It cannot be written.
    """
    beside = done.with_name(done.name + ".part")
    if beside.exists():
        rest = read(done)
        with TranscriptWriter(beside, keep_ids=False) as writer:
            for _ in skip_done(rest, beside):
                pass
            for row in rest:
                writer.write(row.transcript)
        beside.replace(done)
    return beside


def skip_done(rows: Iterator[Row], done: Path) -> Iterator[Row]:
    """Skip the rows of the input that an output file already holds, and yield those of the file.

    Raises:
        DataError: The file's rows are not those at the beginning of the input; the message names
            the first difference.
    """
    for kept in read(done):
        row = next(rows, None)
        if row is None or row.transcript.id != kept.transcript.id:
            there = "nothing" if row is None else repr(row.transcript.id)
            raise DataError(
                f"{kept.place}: holds {kept.transcript.id!r} where the input has {there}; it is"
                " not the beginning of these results: name another file"
            )
        if row.transcript.task != kept.transcript.task:
            raise DataError(
                f"{kept.place}: scored as of the task {kept.transcript.task!r}, which is"
                f" {row.transcript.task!r} now: name another file, or the same task"
            )
        yield kept
