"""A cold start from questions to the set that supervised training reads.

A run directory holds ``written.jsonl`` (every candidate as it was scored, appended), the replies of
teachers and judges in ``replies.sqlite``, and at the end ``candidates.jsonl`` (every candidate with
its scores and its fate, in the order of the questions), ``kept.jsonl`` (rows in the dataset's
schema with the ``completion`` to learn) and ``summary.json``.

Every reply of a teacher or a judge is on disk before it is used. So a run that was killed, or that
a full disk or a dead server stopped, can be resumed: it keeps the finished candidates, and the
parts of unfinished ones that were already written.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from gtalign.chain import BLOCKS
from gtalign.data.rows import read_rows
from gtalign.endpoints import Cache
from gtalign.endpoints.engine import Engine, Work
from gtalign.errors import TeacherError, UnusableTeacherError, WorkerLostError
from gtalign.files.replace import write_json
from gtalign.files.run_directory import at_work, claim
from gtalign.game.file import load_game
from gtalign.judges import Judge, Judges
from gtalign.judges.batch import work_through
from gtalign.judges.failures import Failure, Failures
from gtalign.models.pretrained import load_tokenizer
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward
from gtalign.synthesis.candidates import Candidates, failed_record, record_of
from gtalign.synthesis.outcome import finish
from gtalign.synthesis.settings import ColdStartConfig
from gtalign.synthesis.teacher import ChainWriter
from gtalign.tasks import Question
from gtalign.transcripts import Scorer, Transcript

Job = tuple[Question, int]
"""A question and the number of a candidate."""

Record = dict[str, Any]
"""The line of a candidate."""

Progress = Callable[[int, int, Counter[str]], None]
"""Takes the number of candidates that are done, their total, and the failures by cause."""


def plan(config: ColdStartConfig) -> dict[str, Any]:
    """Count the requests that a run would send to each teacher and judge, retries not included.

    Raises:
        DataError: As for `count_questions`.
    """
    count_questions(config)
    tasks = Counter(question.task for question in read_rows(*config.questions, limit=config.limit))
    questions = tasks.total()
    teachers: Counter[str] = Counter()
    for block in BLOCKS:
        teachers[config.teacher_of(block)] += questions * config.candidates
    judges = config.judges.calls_for({task: n * config.candidates for task, n in tasks.items()})
    return {
        "questions": questions,
        "tasks": dict(tasks),
        "planned": questions * config.candidates,
        "teacher_calls": dict(teachers),
        "judge_calls": dict(judges),
        "calls": teachers.total() + judges.total(),
    }


def run(
    config: ColdStartConfig,
    out: Path,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Do or resume a cold start and return its summary.

    Args:
        config: Configuration of the run.
        out: The run directory.
        progress: Called after each candidate.
        engine: Lets candidates be written and judged on other processes; None does it in this one.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        TeacherError: A teacher cannot be asked, too many candidates failed, or none could be kept;
            the summary is written.
        StorageError: The disk is full; files written so far are kept.
    """
    count_questions(config)
    reward = Reward(config.reward, _counter(config.tokenizer), load_game(config.game))
    claim(out, config, ColdStartConfig.identity)
    replies = out / "replies.sqlite"
    writer = ChainWriter(config, Cache(replies), trial=True)
    judges = Judges(config.judges.cached_at(replies))

    async def work(candidates: Candidates) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(writer)
            await stack.enter_async_context(judges)
            elsewhere, workers = None, config.workers
            if engine is not None:
                needed = partial(_opened, config, replies)
                elsewhere = await stack.enter_async_context(engine.open(needed))
                workers *= engine.processes
            await write_candidates(
                config, candidates, writer, judges, reward, progress, elsewhere, workers
            )

    stopped: TeacherError | None = None
    with at_work(out), Candidates(out / "written.jsonl") as candidates:
        try:
            asyncio.run(work(candidates))
        except TeacherError as error:
            stopped = error
        done = finish(config, candidates, out)
    summary = {**done.to_json(), "teachers": writer.account(), "judges": judges.account()}
    write_json(out / "summary.json", summary)
    if stopped is not None:
        raise stopped
    if not done.kept:
        fates = ", ".join(f"{count} {fate}" for fate, count in done.fates.items())
        raise TeacherError(f"none of {done.planned} candidates could be kept: {fates}")
    return summary


def _counter(tokenizer: str | None) -> Callable[[str], int] | None:
    if tokenizer is None:
        return None
    return token_counter(load_tokenizer(tokenizer))


def count_questions(config: ColdStartConfig) -> int:
    """Return the number of questions.

    Raises:
        DataError: A file is empty, a row is wrong, or two questions share an id.
    """
    return sum(1 for _ in read_rows(*config.questions, limit=config.limit))


async def write_candidates(
    config: ColdStartConfig,
    candidates: Candidates,
    writer: ChainWriter,
    judge: Judge,
    reward: Reward,
    progress: Progress | None = None,
    elsewhere: Work[Job, Record] | None = None,
    workers: int | None = None,
) -> None:
    """Write and score every candidate that is not finished.

    If a teacher or a judge fails on a candidate, the candidate is recorded as failed, with the
    cause, and the run continues with the others. Questions are read as they are needed, so memory
    does not grow with their texts.

    Args:
        config: Configuration of the run.
        candidates: The file of candidates to append to.
        writer: The teachers.
        judge: Grades the responses.
        reward: Scores the candidates.
        progress: Called after each candidate.
        elsewhere: Writes and scores a candidate on another machine; None does it here.
        workers: Most candidates under way at once, on all machines; None for that of the
            configuration.

    Raises:
        TeacherError: A teacher cannot be asked, or too many of the latest candidates failed.
        StorageError: The disk is full; what is written stays.
    """
    total = count_questions(config) * config.candidates
    candidate = elsewhere or _Writing(writer, Scorer(reward, judge))
    failures = Failures(
        config.max_failed, min(config.window, total), "candidates were not finished", TeacherError
    )
    done = 0

    async def write(job: Job) -> None:
        nonlocal done
        question, number = job
        if not candidates.done((question.id, number)):
            try:
                record = await candidate(job)
            except WorkerLostError as error:
                record = failed_record(question, number, f"worker, {error.cause}", str(error))
            candidates.write(record)
            failures.add([_failure(record)])
        done += 1
        if progress is not None:
            progress(done, total, failures.counts)

    questions = read_rows(*config.questions, limit=config.limit)
    jobs = ((question, number) for question in questions for number in range(config.candidates))
    await work_through(jobs, write, workers or config.workers)


class _Writing:
    """Writes and scores one candidate after the other, or many at once.

    Args:
        writer: The teachers.
        scorer: Judges and scores what they wrote.
    """

    def __init__(self, writer: ChainWriter, scorer: Scorer) -> None:
        self.writer = writer
        self.scorer = scorer

    async def __call__(self, job: Job) -> Record:
        question, number = job
        try:
            completion = await self.writer.write(question, number)
        except UnusableTeacherError:
            raise  # of every candidate, not of this one
        except TeacherError as error:
            return failed_record(question, number, f"teacher, {error.cause}", str(error))
        written = Transcript.of(question, completion, model="teachers")
        [scored] = await self.scorer.score([written])
        failure = scored.failure
        failed = None if failure is None or not failure.broken else f"judge, {failure.cause}"
        return record_of(scored, number, failed)


@asynccontextmanager
async def _opened(config: ColdStartConfig, replies: Path) -> AsyncGenerator[_Writing, None]:
    """Open what a process of an engine needs."""
    reward = Reward(config.reward, _counter(config.tokenizer), load_game(config.game))
    judging = config.judges.cached_at(replies).model_copy(update={"math_workers": 1})
    writer, judges = ChainWriter(config, Cache(replies), trial=True), Judges(judging)
    async with writer, judges:
        yield _Writing(writer, Scorer(reward, judges))


def _failure(record: Mapping[str, Any]) -> Failure | None:
    if record["unscored"] is None:
        return None
    cause = record["failed"] or "unscored"
    return Failure(cause, str(record["unscored"]), broken=record["failed"] is not None)
