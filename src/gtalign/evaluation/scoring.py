"""Scoring what already exists: transcripts from anywhere, with the verdicts that are missing.

Everything streams. Results come in the order of the input whatever order the judge answers in, so
that an output file is always the beginning of the whole, and a second run goes on where it ends.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gtalign.data.lines import read_lines
from gtalign.data.transcripts import Transcript, transcript_of
from gtalign.errors import DataError, JudgeError
from gtalign.judges import Judge, Verdict
from gtalign.reward import Reward, RewardConfig, Score
from gtalign.reward.failures import Failure, Failures
from gtalign.tasks import Message

AHEAD = 4
"""Rows read ahead for each judgement under way, so that one slow judgement holds up no others."""

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
    """A line of the input as it was scored: the filled transcript, and its score."""

    transcript: Transcript
    score: Score


def read(file: Path) -> Iterator[Row]:
    """Yield the rows of a file: transcripts, dumps of verl, logs of chats, or recorded vectors.

    Raises:
        DataError: The file cannot be read, or a line is wrong; names file, line and column.
    """
    for number, record in read_lines(file):
        place = f"{file}, line {number}"
        try:
            yield _row(record, f"{file.stem}-{number}", place)
        except (DataError, JudgeError) as error:
            raise DataError(f"{place}: {error}") from error


def _row(record: Mapping[str, Any], name: str, place: str) -> Row:
    if "judge_score" not in record:
        return Row(transcript_of(record, name), place)
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

    def score(self, row: Row) -> Scored:
        """Score a row by the verdict on record, if it has one.

        Raises:
            DataError: The verdict is outside the range of its task; names the place.
        """
        try:
            return self._filled(row, row.transcript.verdicts)
        except JudgeError as error:
            raise DataError(f"{row.place}: {error}") from error

    async def stream(self, rows: Iterable[Row], workers: int) -> AsyncGenerator[Scored, None]:
        """Yield rows scored, in order, with up to ``workers`` judgements under way at once.

        A judge that fails leaves its row unscored, with the reason. A row that is wrong ends the
        work once those before it are done.

        Raises:
            DataError: A row is wrong.
            JudgeError: Too many judgements failed.
        """
        limit = asyncio.Semaphore(workers)
        pending: deque[asyncio.Task[_Judged]] = deque()
        wrong: DataError | None = None
        left = iter(rows)

        async def one(row: Row) -> _Judged:
            async with limit:
                return await self._judge(row)

        try:
            while True:
                row = None
                if len(pending) < AHEAD * workers:
                    try:
                        row = next(left, None)
                    except DataError as error:
                        wrong = error
                if row is not None:
                    pending.append(asyncio.create_task(one(row)))
                elif pending:
                    judged = await pending.popleft()
                    if judged.asked:
                        self.failures.add([judged.failure])
                    yield judged.scored
                else:
                    break
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if wrong is not None:
            raise wrong

    def check(self, kept: Row) -> None:
        """Refuse a row of an output file that another reward has scored.

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

    def _reward(self, transcript: Transcript) -> Reward:
        return self._plain if transcript.plain else self._chain

    async def _judge(self, row: Row) -> "_Judged":
        """Score a row, asking the judge where a verdict is missing and there is what to judge."""
        found = row.transcript
        known = any(verdict.score is not None for verdict in found.verdicts[:1])
        response = None if known else self._reward(found).response(found.completion)
        if self.judge is None or response is None:
            return _Judged(self.score(row))
        try:
            verdict = await self.judge.judge(found.question, response)
            return _Judged(self._filled(row, (verdict,)), asked=True)
        except JudgeError as error:
            verdict = Verdict(type(self.judge).__name__, None, str(error))
            failure = Failure(error.cause, str(error), broken=True)
            return _Judged(self._filled(row, (verdict,)), failure, asked=True)

    def _filled(self, row: Row, verdicts: tuple[Verdict, ...]) -> Scored:
        found = row.transcript
        known = None if self._recount else found.tokens or None
        score = self._reward(found).score(
            found.question,
            found.completion,
            verdicts[0] if verdicts else None,
            row.solution,
            known,
        )
        before = found.extra.get("scored")
        unit = self._unit
        if score.tokens is known:
            unit = before.get("tokens", RECORDED) if isinstance(before, Mapping) else RECORDED
        by = {"preset": self.config.preset, "reward": self._digest, "tokens": unit}
        filled = replace(
            found, **score.to_json(), verdicts=verdicts, extra={**found.extra, "scored": by}
        )
        return Scored(filled, score)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A row that was scored, whether a judge was asked, and how it failed."""

    scored: Scored
    failure: Failure | None = None
    asked: bool = False


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
        yield kept
