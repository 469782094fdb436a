"""Scoring what already exists: transcripts from anywhere, with the verdicts that are missing.

Everything streams. Results come in the order of the input whatever order the judge answers in, so
that an output file is always the beginning of the whole, and a second run goes on where it ends.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gtalign.data.lines import read_lines
from gtalign.errors import DataError, JudgeError
from gtalign.judges import Judge, Verdict
from gtalign.reward import Reward, RewardConfig, Score
from gtalign.reward.judged import Failure, Failures, judged
from gtalign.tasks import Message
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.transcript import Transcript, TranscriptWriter, transcript_of

AHEAD = 4
"""Rows read ahead for each judgement under way, so that one slow judgement holds up no others."""

BLOCK = 64
"""Rows scored at once where no judge is asked."""

BLOCK_CHARACTERS = 1 << 20
"""Characters of completions in such a block, about, so that long ones take no more memory."""

RECORDED = "as recorded"
"""The unit of token counts that came with a transcript."""

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the input.

    Args:
        transcript: What was asked and answered, with the verdicts on record.
        place: File and line, for errors.
        solution: S, where it is on record.
    """

    transcript: Transcript
    place: str
    solution: float | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A line of the input as it was scored.

    Args:
        transcript: The filled transcript.
        score: Its score.
        asked: Whether a judge was asked.
        failure: Why that left it unscored.
    """

    transcript: Transcript
    score: Score
    asked: bool = False
    failure: Failure | None = None


def read(file: Path, task: str = TASK) -> Iterator[Row]:
    """Yield the rows of a file: transcripts, dumps of verl, logs of chats, or recorded vectors.

    Args:
        file: JSON Lines.
        task: The task of logs and dumps that name none.

    Raises:
        DataError: The file cannot be read, or a line is wrong; names file, line and column.
    """
    for number, record in read_lines(file):
        place = f"{file}, line {number}"
        try:
            yield _row(record, f"{file.stem}-{number}", place, task)
        except (DataError, JudgeError) as error:
            raise DataError(f"{place}: {error}") from error


def _row(record: Mapping[str, Any], name: str, place: str, task: str) -> Row:
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


class Scorer:
    """Fills in factors, welfare and verdicts.

    Args:
        config: Of the reward; plain answers are scored by the same one without a chain.
        count_tokens: Counts tokens anew. Without it the counts on record stand, and where there
            are none, tokens are words.
        unit: What ``count_tokens`` counts, in a word.
        judge: Gives the verdicts that are missing; without one, nobody is asked.
        failures: Stops the work if too many judgements fail.
    """

    def __init__(
        self,
        config: RewardConfig,
        *,
        count_tokens: CountTokens | None = None,
        unit: str = "words",
        judge: Judge | None = None,
        failures: Failures | None = None,
    ) -> None:
        self.config = config
        self.judge = judge
        self.failures = failures or Failures(0.5, 64)
        self._unit = unit
        self._digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]
        self._recount = count_tokens is not None
        self._chain = Reward(config, count_tokens)
        self._plain = Reward(config.model_copy(update={"chain": False}), count_tokens)

    def score(self, rows: Iterable[Row]) -> Iterator[Scored]:
        """Yield rows scored by the verdicts on record, in order, a block at a time.

        A row that is wrong ends the work once those before it are done.

        Raises:
            DataError: A row is wrong, or its verdict outside the range of its task; names the
                place.
        """
        left = iter(rows)
        wrong: DataError | None = None
        more = True
        while more and wrong is None:
            block: list[Row] = []
            size = 0
            while more and len(block) < BLOCK and size < BLOCK_CHARACTERS:
                try:
                    row = next(left, None)
                except DataError as error:
                    wrong, row = error, None
                more = row is not None
                if row is not None:
                    block.append(row)
                    size += len(row.transcript.completion)
            verdicts = [row.transcript.verdicts for row in block]
            for row, scored in zip(block, self._filled(block, verdicts), strict=True):
                if isinstance(scored, JudgeError):
                    raise DataError(f"{row.place}: {scored}") from scored
                yield scored
        if wrong is not None:
            raise wrong

    def asks(self, row: Row) -> bool:
        """Whether the judge is asked about a row: it has no score yet, and something to judge."""
        found = row.transcript
        known = any(verdict.score is not None for verdict in found.verdicts[:1])
        if self.judge is None or known:
            return False
        return self._reward(found).read([found.completion]).responses[0] is not None

    async def stream(self, rows: Iterable[Row], workers: int) -> AsyncGenerator[Scored, None]:
        """Yield rows scored, in order, with up to ``workers`` judgements under way at once.

        A judge that fails leaves its row unscored, with the reason. A row that is wrong ends the
        work once those before it are done; so do too many failures, with the rows that are done
        by then.

        Raises:
            DataError: A row is wrong.
            JudgeError: Too many judgements failed.
        """
        if self.judge is None:
            for scored in self.score(rows):
                yield scored
                await asyncio.sleep(0)  # lets an interruption in
            return
        limit = asyncio.Semaphore(workers)
        pending: deque[asyncio.Task[Scored]] = deque()
        wrong: DataError | None = None
        stopped: JudgeError | None = None
        left = iter(rows)

        async def one(row: Row) -> Scored:
            async with limit:
                return await self._judge(row)

        try:
            while True:
                row = None
                if len(pending) < AHEAD * workers and stopped is None:
                    try:
                        row = next(left, None)
                    except DataError as error:
                        wrong = error
                if row is not None:
                    pending.append(asyncio.create_task(one(row)))
                elif pending and (stopped is None or pending[0].done()):
                    scored = await pending.popleft()
                    yield scored
                    if scored.asked and stopped is None:
                        try:
                            self.failures.add([scored.failure])
                        except JudgeError as error:
                            stopped = error
                else:
                    break
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        problem = stopped or wrong
        if problem is not None:
            raise problem

    def checked(self, kept: Row) -> Row:
        """Return a row of an output file, unless another reward has scored it.

        Raises:
            DataError: Names the place, and both rewards.
        """
        found = kept.transcript.extra.get("scored")
        if not isinstance(found, Mapping) or found.get("reward") != self._digest:
            other = found.get("preset") if isinstance(found, Mapping) else "unknown"
            raise DataError(
                f"{kept.place}: scored by another reward (preset {other}) than is asked for now"
                f" (preset {self.config.preset}): name another file, or the same reward"
            )
        return kept

    def _reward(self, transcript: Transcript) -> Reward:
        return self._plain if transcript.plain else self._chain

    async def _judge(self, row: Row) -> Scored:
        """Score a row, asking the judge where a verdict is missing and there is what to judge."""
        if self.judge is None or not self.asks(row):
            return next(self.score([row]))
        found = row.transcript
        known = self._known(found)
        judgement = await judged(
            self._reward(found),
            self.judge,
            [found.question],
            [found.completion],
            [row.solution],
            [known],
        )
        [score], [verdict], [failure] = judgement.scores, judgement.verdicts, judgement.failures
        assert verdict is not None
        scored = self._written(found, score, (verdict,), score.tokens is known)
        return replace(scored, asked=True, failure=failure)

    def _known(self, found: Transcript) -> Mapping[str, int] | None:
        """The counts on record, where they stand."""
        return None if self._recount else found.tokens or None

    def _filled(
        self, rows: Sequence[Row], verdicts: Sequence[tuple[Verdict, ...]]
    ) -> list[Scored | JudgeError]:
        """Score rows by these verdicts; an error in the place of a row whose verdict is wrong."""
        found: dict[int, Scored | JudgeError] = {}
        for plain, reward in ((False, self._chain), (True, self._plain)):
            places = [i for i, row in enumerate(rows) if row.transcript.plain is plain]
            transcripts = [rows[i].transcript for i in places]
            known = [self._known(transcript) for transcript in transcripts]
            scores = reward.score(
                [transcript.question for transcript in transcripts],
                reward.read([transcript.completion for transcript in transcripts]),
                [verdicts[i][0] if verdicts[i] else None for i in places],
                [rows[i].solution for i in places],
                known,
            )
            for number, (place, score) in enumerate(zip(places, scores, strict=True)):
                found[place] = scores.errors.get(number) or self._written(
                    transcripts[number], score, verdicts[place], score.tokens is known[number]
                )
        return [found[i] for i in range(len(rows))]

    def _written(
        self, found: Transcript, score: Score, verdicts: tuple[Verdict, ...], recorded: bool
    ) -> Scored:
        """Fill in a transcript."""
        before = found.extra.get("scored")
        unit = self._unit
        if recorded:
            unit = before.get("tokens", RECORDED) if isinstance(before, Mapping) else RECORDED
        by = {"preset": self.config.preset, "reward": self._digest, "tokens": unit}
        filled = replace(
            found, **score.to_json(), verdicts=verdicts, extra={**found.extra, "scored": by}
        )
        return Scored(filled, score)


def mend(done: Path) -> Path:
    """Put an output file in order whose rows were being judged again when that was broken off.

    Returns:
        Where they are written when they are judged again, beside the file, which it then replaces.

    Raises:
        DataError: What is beside the file is not the beginning of it.
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
    """Take the rows that an output file holds already off the input, and yield them as they are
    in the file.

    Raises:
        DataError: The file holds other rows than the input begins with; names the first.
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
