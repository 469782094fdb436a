"""Judge and score transcripts: the one loop for all answers.

Checkpoints, servers, teachers and trainers write unscored transcripts; a `Scorer` asks the judge
for missing verdicts and fills in the measures. It takes a batch (`Scorer.score`) or a stream of any
length (`Scorer.stream`), and both go through `gtalign.reward.judged`, by `Scoring`: here, or on the
machines of an engine.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gtalign.endpoints.engine import Work
from gtalign.errors import DataError, JudgeError
from gtalign.judges import Judge
from gtalign.judges.failures import Failure, Failures
from gtalign.reward import Reward, Score
from gtalign.reward.judged import WORKERS, judged
from gtalign.transcripts.games import check_game, game_of
from gtalign.transcripts.transcript import Transcript

AHEAD = 4
"""Rows of a stream that are read ahead for each judgement under way, so that one slow judgement
does not delay the others."""

BLOCK = 64
"""Number of rows in a block that is scored at once, where no judge is asked."""

BLOCK_CHARACTERS = 1 << 20
"""Approximate number of characters in such a block, which limits the memory for long rows."""

SENT = 16
"""Number of rows in a block that other processes judge and score: what it costs to send them and to
score them is then little for each. A block is back when its slowest judgement is."""


@dataclass(frozen=True, slots=True)
class Row:
    """A transcript to be scored.

    Args:
        transcript: The question and its completion, with the recorded verdicts.
        place: File and line, for errors.
        solution: S, where it is recorded.
    """

    transcript: Transcript
    place: str
    solution: float | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A transcript as it was scored.

    Args:
        transcript: The transcript with all measures.
        score: Its score.
        response: The text that a judge grades; None if the completion cannot be read.
        asked: Whether the judge was asked.
        failure: Why the judge left it unscored.
        recorded: Whether its token counts are the recorded ones.
        refused: The error of a recorded verdict outside the range of its task.
        before: W as it was recorded; None if it was not.
    """

    transcript: Transcript
    score: Score
    response: str | None
    asked: bool
    failure: Failure | None
    recorded: bool
    refused: JudgeError | None
    before: float | None = None


class Scoring:
    """Judges and scores rows, all at once.

    Args:
        reward: As for `Scorer`.
        judge: As for `Scorer`.
        workers: Most judgements under way at once.
        recount: Whether to count tokens again.
        strict: Whether a failure of the judge itself is raised.
    """

    def __init__(
        self,
        reward: Reward,
        judge: Judge | None = None,
        *,
        workers: int = WORKERS,
        recount: bool = False,
        strict: bool = False,
    ) -> None:
        plain = reward.config.model_copy(update={"chain": False})
        self.reward = reward
        self.judge = judge
        self._workers = workers
        self._recount = recount
        self._strict = strict
        self._rewards = {True: Reward(plain, reward.count_tokens, reward.form), False: reward}

    async def __call__(self, rows: Sequence[Row]) -> list[Scored]:
        """Return the rows scored; they are of the reward's game."""
        found: dict[int, Scored] = {}
        game = game_of(self.reward.form)
        for plain, reward in self._rewards.items():
            places = [i for i, row in enumerate(rows) if row.transcript.plain is plain]
            if not places:
                continue
            some = [rows[i].transcript for i in places]
            counts = [None if self._recount else t.tokens or None for t in some]
            done = await judged(
                reward,
                self.judge,
                [transcript.question for transcript in some],
                [transcript.completion for transcript in some],
                [transcript.verdicts[0] if transcript.verdicts else None for transcript in some],
                [rows[i].solution for i in places],
                counts,
                workers=self._workers,
                strict=self._strict,
            )
            for row, score in enumerate(done.scores):
                verdict, asked = done.verdicts[row], row in done.failures
                verdicts = some[row].verdicts
                if asked and verdict is not None:
                    verdicts = (verdict,)
                found[places[row]] = Scored(
                    transcript=replace(some[row].scored(score, verdicts), game=game),
                    score=score,
                    response=done.readings.responses[row],
                    asked=asked,
                    failure=done.failures.get(row),
                    recorded=score.tokens is counts[row],
                    refused=None if asked else done.scores.errors.get(row),
                    before=some[row].mutual_welfare,
                )
        return [found[i] for i in range(len(rows))]


class Scorer:
    """Judges and scores transcripts.

    Args:
        reward: Reads and scores them; plain answers are scored by the same reward without a chain.
        judge: Gives missing verdicts; with None they stay missing.
        failures: Counts failed judgements, and stops the work if there are too many; with None
            they are only in the results.
        workers: Most judgements of a batch, or of a stream, that are under way at once, on all
            machines together.
        recount: Whether to count tokens again; otherwise recorded counts are kept.
        strict: Whether a failure of the judge itself is raised, before anything is written.
        elsewhere: Judges and scores rows as `Scoring` does, on other machines; None does it here.
    """

    def __init__(
        self,
        reward: Reward,
        judge: Judge | None = None,
        failures: Failures | None = None,
        *,
        workers: int = WORKERS,
        recount: bool = False,
        strict: bool = False,
        elsewhere: Work[Sequence[Row], list[Scored]] | None = None,
    ) -> None:
        self.reward = reward
        self.judge = judge
        self._failures = failures
        self._workers = workers
        here = Scoring(reward, judge, workers=workers, recount=recount, strict=strict)
        self._fill: Work[Sequence[Row], list[Scored]] = here if elsewhere is None else elsewhere
        # Here, one slow judgement must not delay those beside it; to send each row alone is dear.
        self._judged = 1 if elsewhere is None else max(1, min(SENT, workers // 4))

    async def score(
        self,
        transcripts: Sequence[Transcript],
        write: Callable[[Scored], None] | None = None,
    ) -> list[Scored]:
        """Judge and score a batch, and write it.

        Failures are counted after the whole batch is written, so no finished row is lost if they
        stop the work.

        Args:
            transcripts: Unscored transcripts, or scored ones to score again.
            write: Takes each result, in order.

        Raises:
            DataError: One is of another game.
            JudgeError: Too many judgements failed, or with ``strict`` one did.
        """
        for transcript in transcripts:
            check_game(transcript, self.reward.form)
        found = await self._fill([Row(transcript, "") for transcript in transcripts])
        for scored in found:
            if write is not None:
                write(scored)
        self._count(found)
        return found

    async def stream(self, rows: Iterable[Row]) -> AsyncGenerator[Scored, None]:
        """Yield rows scored, in order; a few rows at a time are in memory.

        Rows without a judgement are scored a block at a time, and elsewhere all rows are. A judge
        that fails leaves its row unscored, with the reason. A wrong row ends the work after the
        rows before it are done. Too many failures end it with the rows that are done by then.

        Raises:
            DataError: A row is wrong or of another game, or its recorded verdict is outside the
                range of its task; the message names the place.
            JudgeError: Too many judgements failed.
        """
        limit = asyncio.Semaphore(self._workers // self._judged)
        pending: deque[tuple[list[Row], asyncio.Task[list[Scored]]]] = deque()
        problem: DataError | JudgeError | None = None
        stopped = False  # by failures: unfinished rows are dropped
        waiting = 0  # rows
        left = self._blocks(rows)

        async def one(block: list[Row]) -> list[Scored]:
            async with limit:
                return await self._fill(block)

        try:
            while True:
                block = None
                if waiting < AHEAD * self._workers and problem is None:
                    try:
                        block = next(left, None)
                    except DataError as error:
                        problem = error
                if block is not None:
                    waiting += len(block)
                    pending.append((block, asyncio.create_task(one(block))))
                elif pending and (not stopped or pending[0][1].done()):
                    block, task = pending.popleft()
                    waiting -= len(block)
                    for row, scored in zip(block, await task, strict=True):
                        if scored.refused is not None:
                            raise DataError(f"{row.place}: {scored.refused}") from scored.refused
                        yield scored
                        try:
                            self._count([] if stopped else [scored])
                        except JudgeError as error:
                            problem, stopped = error, True
                else:
                    break
        finally:
            for _, task in pending:
                task.cancel()
            await asyncio.gather(*(task for _, task in pending), return_exceptions=True)
        if problem is not None:
            raise problem

    def asks_again(self, transcript: Transcript) -> bool:
        """Whether a transcript of an earlier run has no score because a verdict is missing.

        A transcript with a score but no verdict could not be read, and a plain one without a
        response has no score: in both there is nothing to judge.
        """
        return transcript.unscored is not None and self.lacks_verdict(transcript)

    def lacks_verdict(self, transcript: Transcript) -> bool:
        """Whether the judge is to be asked about a transcript that may be scored already."""
        known = any(verdict.score is not None for verdict in transcript.verdicts[:1])
        return self.judge is not None and not known and transcript.unanswered is None

    def _count(self, found: Sequence[Scored]) -> None:
        if self._failures is not None:
            self._failures.add([scored.failure for scored in found if scored.asked])

    def _check(self, row: Row) -> None:
        try:
            check_game(row.transcript, self.reward.form)
        except DataError as error:
            raise DataError(f"{row.place}: {error}") from None

    def _blocks(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Yield rows that may need a judgement in small blocks, and the others in larger ones.

        Raises:
            DataError: A row is wrong; those before it were yielded.
        """
        wrong: DataError | None = None

        def readable() -> Iterator[Row]:
            nonlocal wrong
            try:
                for row in rows:
                    self._check(row)
                    yield row
            except DataError as error:
                wrong = error

        block: list[Row] = []
        size, judged = 0, False
        for row in readable():
            lacks = self.lacks_verdict(row.transcript)
            if block and lacks is not judged:
                yield block
                block, size = [], 0
            judged = lacks
            block.append(row)
            size += len(row.transcript.completion)
            if len(block) == (self._judged if judged else BLOCK) or size >= BLOCK_CHARACTERS:
                yield block
                block, size = [], 0
        if block:
            yield block
        if wrong is not None:
            raise wrong
