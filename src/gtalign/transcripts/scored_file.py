"""Score a file of transcripts into another file, which a second run can resume.

Rows are read and written one by one. Results come in the order of the input, even if the judge
answers in another order. So an output file is always the beginning of the whole, and a second run
continues after its end.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gtalign.errors import DataError
from gtalign.reward import Score
from gtalign.reward.scores import NUMBERS
from gtalign.transcripts.again import complete, judge_again, skip_done
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.file import TranscriptWriter
from gtalign.transcripts.rewards import note
from gtalign.transcripts.rows import read
from gtalign.transcripts.scoring import Row, Scored, Scorer
from gtalign.transcripts.transcript import Transcript

RECORDED = "as recorded"
"""The unit of token counts that came with a transcript."""


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
    """

    def __init__(self, scorer: Scorer, unit: str = "words") -> None:
        self.scorer = scorer
        self._unit = unit
        self._note = note(scorer.reward.config)

    async def score(
        self, file: Path, out: Path | None = None, task: str = TASK, score: str | None = None
    ) -> AsyncGenerator[FileScored, None]:
        """Yield the rows of a file, scored, in order, each once it is written.

        Rows in ``out`` are not scored again, but the judge is asked for verdicts that they lack.

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
        if out is not None:
            complete(out)
            if out.is_file():
                async with aclosing(self._held(rows, out)) as held:
                    async for scored in held:
                        yield self._row(scored, kept=not scored.asked)
        with nullcontext() if out is None else TranscriptWriter(out, keep_ids=False) as writer:
            async with aclosing(self.scorer.stream(rows)) as new:
                async for scored in new:
                    row = self._row(scored)
                    if writer is not None:
                        writer.write(row.transcript)
                    yield row

    def _held(self, rows: Iterator[Row], out: Path) -> AsyncGenerator[Scored, None]:
        """Skip the rows that the output holds, and return them scored, with no verdict lacking."""
        lacking = False
        for kept in skip_done(rows, out):
            self._check(kept)
            lacking |= self.scorer.asks_again(kept.transcript)
        if lacking:
            return judge_again(self.scorer, out, self._noted)
        return self.scorer.stream(read(out))

    def _row(self, scored: Scored, *, kept: bool = False) -> FileScored:
        return FileScored(self._noted(scored), scored.score, kept, scored.before)

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
