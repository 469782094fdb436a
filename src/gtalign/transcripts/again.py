"""Judge the rows of a file again that lack a verdict; the file is replaced as a whole.

New rows are written to a file beside it as they are made. Its place is taken at the end, however
the work ends; after a kill, the next run does this, and keeps the verdicts that were given.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from operator import attrgetter
from pathlib import Path

from gtalign.errors import DataError
from gtalign.files.replace import replacing
from gtalign.transcripts.file import TranscriptWriter
from gtalign.transcripts.rows import read
from gtalign.transcripts.scoring import Row, Scored, Scorer
from gtalign.transcripts.transcript import Transcript


async def judge_again(
    scorer: Scorer,
    file: Path,
    written: Callable[[Scored], Transcript] = attrgetter("transcript"),
) -> AsyncGenerator[Scored, None]:
    """Score a file into itself and yield its rows, in order, each once it is written.

    Only rows that lack a verdict are judged. If the work stops early, the other rows stay as they
    were.

    Args:
        scorer: Judges and scores the rows.
        file: Transcripts.
        written: Returns the transcript that is written for a result; by default its own.

    Raises:
        DataError: A row is wrong.
        JudgeError: Too many judgements failed; finished rows are written.
        StorageError: A row cannot be written; the file is what it was.
    """
    complete(file)
    try:
        with TranscriptWriter(_beside(file), keep_ids=False) as writer:
            async with aclosing(scorer.stream(read(file))) as every:
                async for scored in every:
                    writer.write(written(scored))
                    yield scored
    finally:
        complete(file)


def complete(file: Path) -> None:
    """Let the rows of a file follow those that were judged again, and replace the file.

    Nothing happens where no row was judged again.

    Raises:
        DataError: The file beside it does not hold the beginning of its rows.
        StorageError: The rows cannot be written.
    """
    beside = _beside(file)
    if not file.exists():
        beside.unlink(missing_ok=True)
    if not beside.exists():
        return
    with TranscriptWriter(beside, keep_ids=False) as writer:
        rest = read(file)
        for _ in skip_done(rest, beside):
            pass
        for row in rest:
            writer.write(row.transcript)
    with replacing(file) as whole:
        beside.replace(whole)


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".again")


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
