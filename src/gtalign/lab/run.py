"""A run of the lab: every stage of every seed in worker processes, and the report.

You can stop a run at any time. The same run resumes where it was and ends with the same files.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gtalign.evaluation.faithfulness import Subject, answer_edits
from gtalign.evaluation.steering.priced import answer_priced
from gtalign.evaluation.steering.trial import run_trial
from gtalign.files.run_directory import at_work, claim
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import Workshop, done, run_stage
from gtalign.lab.growth import grow, identity
from gtalign.lab.policies import compared
from gtalign.lab.report import LabReport, report
from gtalign.lab.schedule import run_plan
from gtalign.lab.stages import (
    FAITHFUL,
    POLICIES,
    REFERENCE,
    STEERING,
    RunProgress,
    Stage,
    arm_of,
    folder_of,
    plan,
)
from gtalign.lab.workshop import workshop
from gtalign.models.pretrained import load_tokenizer
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward
from gtalign.steering import open_backend
from gtalign.tasks import Question
from gtalign.transcripts import Scorer

log = logging.getLogger(__name__)

Watch = Callable[[frozenset[Stage], float], None]
"""Takes the stages that are running, and the share of the run that is done."""


def run(settings: LabConfig, out: Path, command: str, watch: Watch) -> LabReport:
    """Do all stages of a run that are not done, and write the report.

    Args:
        settings: Configuration of the run.
        out: Run directory; one that exists is resumed, and goes on if it is asked for more
            (`gtalign.lab.growth`).
        command: The command that began the run, for the report.
        watch: Called now and then, and once at the end.

    Raises:
        ConfigError: The run directory holds a run of another configuration or one that had more, or
            a policy is unknown.
        DataError: A published file is missing or wrong.
    """
    started = time.monotonic()
    do_stages(settings, out, watch)
    return report(settings, out, command, time.monotonic() - started)


def do_stages(settings: LabConfig, out: Path, watch: Watch) -> None:
    """Do all stages of a run that are not done; as `run`, without a report."""
    world = workshop(settings)
    progress = RunProgress(
        settings, out, len(world.train), len(world.test) * settings.experiment.test_samples
    )
    grow(settings, out)
    claim(out, settings, identity)
    shown: frozenset[Stage] = frozenset()

    def follow(running: frozenset[Stage]) -> None:
        nonlocal shown
        for seed, name in sorted(running - shown):
            log.info("%s, seed %d: started", name, seed)
        shown = running
        watch(running, progress.share())

    stages = plan(settings)
    left = {stage for stage in stages if not done(folder_of(out, stage))}
    needs = {stage: need if need in left else None for stage, need in stages.items()}
    with at_work(out):
        run_plan(
            {stage: needs[stage] for stage in stages if stage in left},
            partial(do_stage, settings, out),
            workers=settings.workers,
            threads=settings.threads,
            watch=follow,
        )
    follow(frozenset())


def do_stage(settings: LabConfig, out: Path, stage: Stage) -> None:
    """Do one stage in a worker process, whose output goes to a file beside its results."""
    import torch

    torch.set_num_threads(settings.threads)
    seed, name = stage
    own = folder_of(out, stage)
    own.mkdir(parents=True, exist_ok=True)
    with (own / "log.txt").open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        if name == STEERING:
            _steer(seed, own.parent, workshop(settings), settings)
        elif name.startswith(FAITHFUL):
            _edit(seed, own, arm_of(name), workshop(settings), settings)
        elif name.startswith(POLICIES):
            _tell(seed, own, arm_of(name), workshop(settings), settings)
        else:
            run_stage(name, seed, own.parent, workshop(settings), settings.experiment)
        sys.stdout.flush()


def _steer(seed: int, folder: Path, world: Workshop, settings: LabConfig) -> None:
    """Steer the answers of the reference model."""
    import torch

    torch.set_num_threads(1)  # tokens are drawn one by one, and a second thread would only wait
    checkpoint = folder / REFERENCE / "checkpoint"
    reward = Reward(settings.experiment.reward, token_counter(load_tokenizer(checkpoint)))

    async def trial() -> None:
        opened = await open_backend(str(checkpoint), gpu=settings.model.gpu)
        async with aclosing(opened.backend) as backend:
            await run_trial(
                backend,
                settings.steering.sample(world.test),
                settings.steering,
                folder / STEERING,
                reward=reward,
                judge=world.judge,
                seed=seed,
            )

    asyncio.run(trial())
    (folder / STEERING / "done").touch()


def _edit(seed: int, folder: Path, arm: str, world: Workshop, settings: LabConfig) -> None:
    """Edit the matrices of an arm's model, and let it go on from them."""
    faithfulness, steering = settings.faithfulness, settings.steering

    async def answer(subject: Subject) -> None:
        policies = list({a.policy.name: a.policy for a in steering.arms()}.values())
        subject = replace(subject, policies=policies)
        questions = _sample(settings, world, faithfulness.limit)
        await answer_edits(subject, questions, faithfulness, folder / "transcripts.jsonl")

    _with_model(seed, folder, arm, world, settings, faithfulness.batch, answer)


def _tell(seed: int, folder: Path, arm: str, world: Workshop, settings: LabConfig) -> None:
    """Name policies in the prompts of an arm's model, and edit its matrices for comparison."""
    lines = settings.policy_lines

    async def answer(subject: Subject) -> None:
        policies = compared(lines, settings.steering.worth)
        questions = _sample(settings, world, lines.questions)
        await answer_priced(subject, questions, policies, lines, folder / "transcripts.jsonl")

    _with_model(seed, folder, arm, world, settings, lines.batch, answer)


def _sample(settings: LabConfig, world: Workshop, count: int) -> list[Question]:
    return settings.steering.model_copy(update={"questions": count}).sample(world.test)


def _with_model(
    seed: int,
    folder: Path,
    arm: str,
    world: Workshop,
    settings: LabConfig,
    batch: int,
    answer: Callable[[Subject], Coroutine[Any, Any, None]],
) -> None:
    """Open an arm's model, let it answer in batches, and mark the stage as done."""
    checkpoint = folder.parent / arm / "checkpoint"
    reward = Reward(settings.experiment.reward, token_counter(load_tokenizer(checkpoint)))

    async def work() -> None:
        opened = await open_backend(str(checkpoint), batch=batch, gpu=settings.model.gpu)
        async with aclosing(opened.backend) as backend:
            steering = settings.steering
            await answer(
                Subject(
                    backend,
                    arm,
                    steering.settings_of("advise"),
                    expected=steering.expected,
                    scorer=Scorer(reward, world.judge, strict=True),
                    seed=seed,
                )
            )

    asyncio.run(work())
    (folder / "done").touch()
