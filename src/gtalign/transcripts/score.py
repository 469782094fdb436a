"""Score a file: choose the reward, ask the judges for what is missing, and sum up."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

from gtalign.endpoints.engine import Engine
from gtalign.endpoints.usage import in_words
from gtalign.errors import ConfigError, DataError, JudgeError
from gtalign.files.lines import torn_line
from gtalign.game import USER_LLM, GameForm
from gtalign.judges import Judges, JudgesConfig
from gtalign.judges.failures import Failures
from gtalign.models.tokens import counter_in
from gtalign.reward import Reward
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.rewards import ChosenReward
from gtalign.transcripts.rows import read, scores_in
from gtalign.transcripts.scored_file import FileScored, FileScorer
from gtalign.transcripts.scoring import Scorer
from gtalign.transcripts.spread import bearing_loss, recipe
from gtalign.transcripts.summary import Summary

log = logging.getLogger(__name__)

_WINDOW = 64  # latest judgements of which too many may fail

Watch = Callable[[FileScored], None]
"""Takes each row once it is scored."""


@dataclass(frozen=True, slots=True)
class ScoreRun:
    """What to score, and how.

    Args:
        file: Transcripts, dumps or logs.
        reward: The reward.
        judges: Judges that are asked for missing verdicts; None asks nobody.
        task: Task of rows that name none.
        out: File to append the scored rows to; None writes nothing.
        tokenizer: Folder of a tokenizer that counts anew; None keeps recorded counts.
        workers: Most judgements under way at once, in each process.
        max_failed: Largest share of judgements that may fail.
        score: The score that counts, of a file that other software has scored; the first by
            default.
        form: The game that chains are about.
    """

    file: Path
    reward: ChosenReward
    judges: JudgesConfig | None = None
    task: str = TASK
    out: Path | None = None
    tokenizer: Path | None = None
    workers: int = 64
    max_failed: float = 0.5
    score: str | None = None
    form: GameForm = USER_LLM


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """What was found.

    Args:
        summary: Means, and what went wrong.
        reward: The reward.
        problem: Why there is no result, or not of the whole file, in one line; None if all is well.
        torn: Whether the last line is cut off and was left out.
    """

    summary: Summary
    reward: ChosenReward
    problem: str | None
    torn: bool


def check_score(run: ScoreRun) -> None:
    """Refuse what cannot be scored, before anything is opened or asked.

    Raises:
        ConfigError: The task is unknown, or ``out`` is the input.
        DataError: The file cannot be read, its first row is wrong, or no row has the score.
    """
    _check_choices(run)
    next(read(run.file, run.task), None)


def _check_choices(run: ScoreRun) -> None:
    if run.out is not None and run.out.exists() and run.out.samefile(run.file):
        raise ConfigError(f"--out {run.out} is the input itself; name another file")
    (run.judges or JudgesConfig()).check_task(run.task, "--task")
    if run.score is not None and run.score not in (known := scores_in(run.file)):
        there = f"there are {', '.join(known)}" if known else "it gives none by name"
        raise DataError(f"{run.file}: no score {run.score!r}; {there}")


def score_file(run: ScoreRun, watch: Watch, engine: Engine | None = None) -> ScoredFile:
    """Score a file.

    Args:
        run: What to score, and how.
        watch: Called with each row.
        engine: Reads, judges and scores the rows on other processes; None does it in this one.

    Raises:
        ConfigError: The task is unknown, or ``out`` is the input.
        DataError: The file is empty, a row is wrong, or no row has the score.
        JudgeError: Too many of the latest judgements failed, or a judge cannot be asked; finished
            rows are kept.
        StorageError: A row cannot be written.
    """
    _check_choices(run)
    count = None if run.tokenizer is None else counter_in(run.tokenizer)
    unit = "words" if run.tokenizer is None else f"tokens of {run.tokenizer.name}"
    judges = None if run.judges is None else Judges(run.judges)
    failures = Failures(run.max_failed, _WINDOW)
    reward = Reward(run.reward.config, count, run.form)
    summary = Summary()

    async def work() -> None:
        async with AsyncExitStack() as stack:
            if judges is not None:
                await stack.enter_async_context(judges)
            elsewhere, processes = None, 1
            if engine is not None:
                needed = recipe(
                    run.reward.config,
                    run.judges,
                    run.form,
                    tokenizer=run.tokenizer,
                    workers=run.workers,
                    recount=count is not None,
                )
                elsewhere = bearing_loss(await stack.enter_async_context(engine.open(needed)))
                processes = engine.processes
            scorer = Scorer(
                reward,
                judges,
                failures,
                workers=run.workers * processes,
                recount=count is not None,
                elsewhere=elsewhere,
            )
            rows = FileScorer(scorer, unit).score(run.file, run.out, run.task, run.score)
            await stack.enter_async_context(aclosing(rows))
            async for row in rows:
                # Scored rows of an output that exists say W of this reward, not that of the input.
                unscored = row.transcript.unscored is not None
                before = row.before if run.out is None or unscored else None
                summary.add(row.transcript, reward=row.score.reward, unit=row.unit, before=before)
                watch(row)

    try:
        asyncio.run(work())
    finally:
        for name, account in () if judges is None else judges.account().items():
            if account["used"]["calls"] or account["saved"]["calls"]:
                log.info("judge %s: %s", name, in_words(account))
    if summary.total.rows == 0:
        raise DataError(f"{run.file}: empty: it holds no whole row")
    problem = summary.problem(asked=judges is not None)
    if problem is None:
        try:
            failures.end()
        except JudgeError as error:  # the scores that there are come first
            problem = str(error)
    torn = torn_line(run.file)
    if torn is not None:
        problem = problem or f"Line {torn} of {run.file} is cut off in the middle and was left out."
    return ScoredFile(summary, run.reward, problem, torn is not None)
