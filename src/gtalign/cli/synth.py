"""``gtalign synth``: chains to learn from, written by teachers."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from gtalign.chain import BLOCKS
from gtalign.cli import AsJson, DryAsking, RunFolder, changes
from gtalign.cli.show.progress import progress_bar
from gtalign.cli.show.result import print_result
from gtalign.config import load
from gtalign.data.run_directory import claim
from gtalign.endpoints import Cache
from gtalign.errors import TeacherError
from gtalign.judges import Judges
from gtalign.models.pretrained import pretrained
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward
from gtalign.synthesis import (
    Candidates,
    ChainWriter,
    ColdStartConfig,
    count_questions,
    finish,
    write_candidates,
)
from gtalign.synthesis.run import read_questions, write_summary


def command(
    config: Annotated[Path, typer.Option(help="A TOML file of teachers, judges and questions.")],
    out: RunFolder = Path("runs/synth"),
    overrides: Annotated[list[str] | None, changes("candidates=3")] = None,
    dry_run: DryAsking = False,
    as_json: AsJson = False,
) -> None:
    """Let teachers write several chains for each question, judge them and keep the best.

    A run that was killed goes on when it is started again; nothing finished is asked for twice.
    The kept chains are in OUT/kept.jsonl, for gtalign sft.

    Examples:
        gtalign synth --config configs/synth/two-teachers.toml --dry-run
        gtalign synth --config configs/synth/two-teachers.toml --out runs/cold-start
    """
    settings = load(ColdStartConfig, config, overrides or [])
    print_result(plan(settings) if dry_run else run(settings, out), as_json=as_json)


def run(config: ColdStartConfig, out: Path) -> dict[str, Any]:
    """Do a cold start, or what is left of it, and return its summary.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        TeacherError: Too many candidates failed, or none could be kept; the summary is written.
        StorageError: The disk is full; what is written stays.
    """
    count_questions(config)
    reward = Reward(config.reward, _counter(config.tokenizer))
    claim(out, config, ColdStartConfig.identity)
    replies = out / "replies.sqlite"
    writer, judges = ChainWriter(config, Cache(replies)), Judges(config.judges.cached_at(replies))
    stopped: TeacherError | None = None
    with Candidates(out / "written.jsonl") as candidates:
        try:
            asyncio.run(_write(config, candidates, writer, judges, reward))
        except TeacherError as error:
            stopped = error
        done = finish(config, candidates, out)
    summary = {
        **done.to_json(),
        "teachers": writer.account(),
        "judges": judges.account(),
    }
    write_summary(out / "summary.json", summary)
    if stopped is not None:
        raise stopped
    if not done.kept:
        fates = ", ".join(f"{count} {fate}" for fate, count in done.fates.items())
        raise TeacherError(f"none of {done.planned} candidates could be kept: {fates}")
    return summary


async def _write(
    config: ColdStartConfig,
    candidates: Candidates,
    writer: ChainWriter,
    judges: Judges,
    reward: Reward,
) -> None:
    with progress_bar() as progress:
        bar = progress.add_task("candidates", total=None)

        def show(done: int, total: int, failures: Counter[str]) -> None:
            failed = f", {failures.total()} failed" if failures else ""
            description = f"candidates{failed}"
            progress.update(bar, completed=done, total=total, description=description)

        async with writer, judges:
            await write_candidates(config, candidates, writer, judges, reward, show)


def _counter(tokenizer: str | None) -> Any:
    if tokenizer is None:
        return None
    from transformers import AutoTokenizer

    return token_counter(pretrained(AutoTokenizer, tokenizer))


def plan(config: ColdStartConfig) -> dict[str, Any]:
    """Count what a run would ask of whom; retries come on top."""
    count_questions(config)
    tasks = Counter(question.task for _, question in read_questions(config))
    questions = tasks.total()
    teachers: Counter[str] = Counter()
    for block in BLOCKS:
        teachers[config.teacher_of(block)] += questions * config.candidates
    judges: Counter[str] = Counter()
    for task, count in tasks.items():
        for name, calls in config.judges.calls(task).items():
            judges[name] += count * config.candidates * calls
    return {
        "questions": questions,
        "tasks": dict(tasks),
        "planned": questions * config.candidates,
        "teacher_calls": dict(teachers),
        "judge_calls": dict(judges),
        "calls": teachers.total() + judges.total(),
    }
