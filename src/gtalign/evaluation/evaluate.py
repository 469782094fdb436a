"""An evaluation: a model answers files of questions, and the answers are judged and scored."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gtalign.data.rows import read_rows
from gtalign.data.schema import given
from gtalign.endpoints import Cache
from gtalign.errors import TeacherError
from gtalign.evaluation.answerer import Answerer, open_answerer
from gtalign.evaluation.asking import AsksIfWorth, facts_of
from gtalign.evaluation.report import write_report
from gtalign.evaluation.settings import EvalRun
from gtalign.files.disk import room_in
from gtalign.files.run_directory import at_work, claim, record_model
from gtalign.game.file import load_game
from gtalign.judges import Judge, Judges
from gtalign.judges.batch import work_through
from gtalign.judges.failures import Failures
from gtalign.models.memory import GENERATION, generation
from gtalign.reward import Reward
from gtalign.tasks import Message, Question
from gtalign.transcripts import Scored, Scorer, Transcript, TranscriptWriter, read_transcripts
from gtalign.transcripts.again import complete, judge_again

Progress = Callable[[int, int, str | None], None]
"""Takes the number of finished questions, their total, and why one could not be answered."""


def plan(config: EvalRun) -> dict[str, Any]:
    """Count the requests a run would send to each model, and the memory of a model in this process.

    Retries are not included.

    Raises:
        DataError: A file of questions is wrong.
    """
    tasks = Counter(question.task for question in read_rows(*config.questions, limit=config.limit))
    answers = 1 if config.asking is None else config.asking.drafts + 1
    found: dict[str, Any] = {
        "model": config.label,
        "questions": tasks.total(),
        "tasks": dict(tasks),
        "model_calls": 0 if config.server is None else tasks.total() * answers,
        "judge_calls": dict(config.judges.calls_for(tasks)),
    }
    if config.size is not None and config.server is None:
        tokens = config.batch * (config.max_prompt + config.max_tokens)
        parts = generation(config.size, tokens=tokens, bf16=config.gpu)
        found |= {"memory_gib": parts, "memory_formula": GENERATION}
    return found


def run(
    config: EvalRun, out: Path, command: str = "", progress: Progress | None = None
) -> dict[str, Any]:
    """Evaluate or resume, write a report and return a summary.

    Args:
        config: Configuration of the run.
        out: The run directory.
        command: The command line, for the report.
        progress: Called after each question; see `Progress`.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        DataError: A file is wrong.
        JudgeError: Too many answers could not be judged; all answers are written.
        TeacherError: The model could not answer every question; its answers so far are written.
        StorageError: A result cannot be written; earlier results are kept.
    """
    total = sum(1 for _ in read_rows(*config.questions, limit=config.limit))
    claim(out, config)
    cache = out / "replies.sqlite"
    opened = open_answerer(config, Cache(cache))
    if opened.facts is not None:
        record_model(out, opened.facts)
    answerer = opened.answerer
    if config.asking is not None:
        answerer = AsksIfWorth(answerer, config.asking)
    judges = Judges(config.judges.cached_at(cache))
    reward = Reward(config.reward, opened.count_tokens, load_game(config.game))
    file = out / "transcripts.jsonl"

    def show(done: int, problem: str | None) -> None:
        if progress is not None:
            progress(done, total, problem)

    async def work() -> list[str]:
        async with judges:
            try:
                return await evaluate(
                    config,
                    answerer,
                    reward,
                    judges,
                    file,
                    workers=opened.workers,
                    progress=show,
                )
            finally:
                if opened.endpoint is not None:
                    await opened.endpoint.aclose()

    with at_work(out), room_in(out):
        failed = asyncio.run(work())
    transcripts = list(read_transcripts(file))
    result: dict[str, Any] = {
        "questions": total,
        "answered": len(transcripts),
        "failed": len(failed),
        "unscored": sum(transcript.unscored is not None for transcript in transcripts),
        "transcripts": str(file),
        "judges": judges.account(),
    }
    if opened.endpoint is not None:
        result["server"] = opened.endpoint.account()
    if failed:
        raise TeacherError(
            f"{len(failed)} of {total} questions were not answered; the same command asks again."
            f" The last: {failed[-1]}"
        )
    write_report(
        out / "report.html",
        title=f"gtalign eval: {config.label}",
        transcripts=transcripts,
        reference=config.label,
        facts={"command": command, "seed": str(config.seed)},
        rng=np.random.default_rng(config.seed),
    )
    return {**result, "report": str(out / "report.html")}


def prompt_of(config: EvalRun, question: Question) -> list[Message]:
    """Return the messages that the model gets for a question."""
    return given(
        question.messages,
        instruct=config.instruct,
        chain=config.reward.chain,
        form=load_game(config.game),
        belief=config.reward.belief,
    )


async def evaluate(
    config: EvalRun,
    answerer: Answerer,
    reward: Reward,
    judge: Judge,
    file: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, str | None], None] | None = None,
) -> list[str]:
    """Answer and score every question that has no transcript yet.

    Answers of an earlier run that no judge has scored are judged again first. Interruptions do not
    change which questions form a batch. A model that is seeded by its questions therefore gives the
    same answers as in a run without interruptions; of a batch that was written in part, only the
    rest is written.

    Args:
        config: Configuration of the run.
        answerer: Answers the questions.
        reward: Scores the answers.
        judge: Grades the responses; where it fails, the answer is unscored, with the reason.
        file: File of transcripts; each answer is appended as it is made.
        workers: Number of batches under way at once.
        progress: Called after each question; see `Progress`.

    Returns:
        The reason for each question that could not be answered; the same run asks them again.

    Raises:
        JudgeError: Too many answers could not be judged; the answers so far are kept, and the same
            run does the rest.
        StorageError: A transcript cannot be written.
    """
    failures = Failures(config.max_failed, config.window)
    scorer = Scorer(reward, judge, failures)
    await _judge_again(scorer, file)
    failed: list[str] = []
    done = 0
    with TranscriptWriter(file) as writer:
        written = writer.ids()

        def write(scored: Scored) -> None:
            writer.write(scored.transcript)

        todo = read_rows(*config.questions, limit=config.limit)

        async def work(batch: list[Question]) -> None:
            nonlocal done
            problem = None
            if not all(question.id in written for question in batch):
                try:
                    answers = await _answer(config, answerer, batch)
                except TeacherError as error:
                    problem = str(error)
                    failed.append(problem)
                else:
                    left = [answer for answer in answers if answer.id not in written]
                    await scorer.score(left, write)
            done += len(batch)
            if progress is not None:
                progress(done, problem)

        await work_through(iter(lambda: list(islice(todo, answerer.width)), []), work, workers)
    failures.end()
    return failed


async def _answer(
    config: EvalRun, answerer: Answerer, questions: Sequence[Question]
) -> list[Transcript]:
    """Ask the model and return unscored transcripts."""
    prompts = [prompt_of(config, question) for question in questions]
    completions = await answerer.answer(prompts, [question.id for question in questions])
    noted = (facts_of(answerer, question.id) for question in questions)
    return [
        Transcript.of(
            replace(question, extra={**question.extra, **facts}) if facts else question,
            completion,
            model=config.label,
            seed=config.seed,
            plain=not config.reward.chain,
            prompt=prompt,
        )
        for question, completion, prompt, facts in zip(
            questions, completions, prompts, noted, strict=True
        )
    ]


async def _judge_again(scorer: Scorer, file: Path) -> None:
    """Judge the answers of an earlier run that no judge has scored."""
    complete(file)
    if file.is_file() and any(map(scorer.asks_again, read_transcripts(file))):
        async with aclosing(judge_again(scorer, file)) as rows:
            async for _ in rows:
                pass
