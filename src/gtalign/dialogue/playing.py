"""Many conversations at once: bounded, appended to a file as they end, resumable."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gtalign.dialogue.assistant import Assistant
from gtalign.dialogue.play import Match, Rules, lost, play
from gtalign.dialogue.played import Played
from gtalign.endpoints.engine import Work
from gtalign.errors import WorkerLostError
from gtalign.files.lines import LineWriter, read_lines
from gtalign.files.replace import replacing
from gtalign.judges.batch import together
from gtalign.transcripts import Transcript, TranscriptWriter

Show = Callable[[int, str | None], None]
"""Takes the number of conversations that are done, and why the last one failed."""


@runtime_checkable
class Batching(Protocol):
    """An assistant that computes the answers of several calls as one batch."""

    async def together(self, calls: Sequence[Coroutine[Any, Any, None]]) -> list[None]:
        """Await calls at once."""
        ...


async def play_all(
    matches: Iterable[Match],
    assistant: Assistant,
    rules: Rules,
    file: Path,
    *,
    model: str = "",
    workers: int = 64,
    show: Show | None = None,
    elsewhere: Work[Match, tuple[Played, Transcript]] | None = None,
) -> int:
    """Play conversations and append each to a file of transcripts when it ends.

    You can stop this at any time: the same call plays what is not in the file yet, and once more
    what failed. Memory does not grow with the number of conversations.

    Args:
        matches: The conversations; each is taken when a place is free.
        assistant: Answers the users.
        rules: How they are played.
        file: The transcripts.
        model: Name of the assistant in them.
        workers: Most conversations under way at once.
        show: Called after each conversation, those of an earlier run included.
        elsewhere: Plays a conversation as `play` does, on another machine; None does it here.

    Returns:
        The number of conversations that failed.

    Raises:
        DataError: The file holds something other than transcripts.
        StorageError: A transcript cannot be written.
    """
    drop_failed(file)
    done = failed = 0
    left = iter(matches)
    with TranscriptWriter(file) as writer:
        written = writer.ids()

        async def work() -> None:
            nonlocal done, failed
            for match in left:
                problem = None
                if match.id not in written:
                    try:
                        played, transcript = await (
                            play(match, assistant, rules) if elsewhere is None else elsewhere(match)
                        )
                    except WorkerLostError as error:
                        played, transcript = lost(match, rules, error)
                    writer.write(replace(transcript, model=model, seed=rules.seed))
                    problem = played.problem
                    failed += played.end == "failed"
                done += 1
                if show is not None:
                    show(done, problem)

        calls = [work() for _ in range(workers)]
        if elsewhere is None and isinstance(assistant, Batching):
            await assistant.together(calls)
        else:
            await together(calls)
    return failed


def drop_failed(file: Path) -> None:
    """Take the conversations that failed out of a file, so that they are played again.

    Raises:
        DataError: The file holds something other than transcripts.
        StorageError: The file cannot be replaced.
    """
    if not file.is_file() or not any(_failed(row) for _, row in read_lines(file)):
        return
    with replacing(file) as beside:
        beside.unlink(missing_ok=True)
        with LineWriter(beside) as writer:
            for _, row in read_lines(file):
                if not _failed(row):
                    writer.write(row)


def _failed(row: dict[str, Any]) -> bool:
    conversation = row.get("conversation")
    return isinstance(conversation, dict) and conversation.get("end") == "failed"
