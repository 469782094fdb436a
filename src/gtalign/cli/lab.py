"""``gtalign lab``: the whole loop on a small model from scratch."""

import asyncio
import json
import logging
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import typer
from pydantic import NonNegativeInt, PositiveInt, model_validator
from rich.console import Console

from gtalign.cli import progress_bar
from gtalign.config import Config, dump, load
from gtalign.errors import ConfigError
from gtalign.evaluation.report import write_report
from gtalign.evaluation.steering.effects import Trial, measure_trial
from gtalign.evaluation.steering.section import print_steering, steering_section
from gtalign.evaluation.steering.trial import TrialSettings, run_trial
from gtalign.evaluation.tables import print_tables
from gtalign.lab.experiment import (
    COLD_START,
    SUPERVISED,
    Arm,
    ExperimentSettings,
    Workshop,
    done,
    needs,
    run_stage,
)
from gtalign.lab.judge import LabJudge
from gtalign.lab.published import read_published
from gtalign.lab.published_judge import PublishedJudge
from gtalign.lab.published_teachers import published_candidate
from gtalign.lab.schedule import run_plan
from gtalign.lab.settings import ModelSettings, PublishedSettings, WorldSettings
from gtalign.lab.teachers import candidate
from gtalign.lab.world import make_world
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward
from gtalign.training.metrics import read_metrics
from gtalign.transcripts import Transcript, read_transcripts

log = logging.getLogger(__name__)

REFERENCE = "mutual"
STEERING = "steering"
"""The stage in which the reference model is steered."""

VERSIONS = ("gtalign", "torch", "transformers", "trl")
Stage = tuple[int, str]
"""A seed, and the cold start or an arm."""

LAB: Mapping[str, Any] = {
    # The paper's reward with windows and latency scaled to completions of 130 tokens, not 1,500.
    "reward": {
        "preset": "paper",
        "response_window": {"low": 3.0, "high": 40.0, "steepness": 0.5},
        "total_window": {"low": 3.0, "high": 220.0, "steepness": 0.25},
        "latency_scale": 200.0,
    },
    "sft": {
        "batch": 16,
        "learning_rate": 0.01,
        "matrix_learning_rate": 0.03,
        "completion_only": False,
    },
}
"""What the lab's experiment has different from the defaults of any experiment."""

TRIAL: Mapping[str, Any] = {
    # An answer of the lab takes a tenth of the tokens of a real one. So that prices matter next to
    # payoffs in whole numbers, money is worth thirty times what it is by default.
    "utility_of_money": 3000.0,
    "again": "choose {{cell}}.",
    "expected": {
        "DA": {"output": 125.0},
        "CQ": {"output": 120.0, "turns": 1.0, "follow_up": 125.0, "reply": 10.0},
        "AQ": {"output": 130.0, "turns": 0.5, "follow_up": 125.0, "reply": 10.0},
    },
}
"""The same of its trial of steering."""


class LabConfig(Config):
    """All of a lab run. Same configuration, same files on the same machine.

    ``workers`` stages run at once, each with ``threads`` threads. With ``data``, a folder of
    published files, the questions are theirs (``published``) instead of the small world's.
    """

    seeds: tuple[NonNegativeInt, ...] = (0,)
    arms: tuple[Arm, ...] = ("base", "sft", "mutual")
    workers: PositiveInt = 1
    threads: PositiveInt = 2
    data: Path | None = None
    world: WorldSettings = WorldSettings()
    published: PublishedSettings = PublishedSettings()
    model: ModelSettings = ModelSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    steering: TrialSettings = TrialSettings()

    @model_validator(mode="before")
    @classmethod
    def _fit_to_the_lab(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {
            **given,
            "experiment": _over(LAB, given.get("experiment", {})),
            "steering": _over(TRIAL, given.get("steering", {})),
        }


def _over(base: Mapping[str, Any], given: Any) -> Any:
    """Return what is given laid over a base, table by table."""
    if not isinstance(given, Mapping):
        return given
    merged = {**base, **given}
    for key in base.keys() & given.keys():
        if isinstance(base[key], Mapping):
            merged[key] = _over(base[key], given[key])
    return merged


def command(
    out: Annotated[Path, typer.Option(help="Run directory; one that exists is continued.")] = Path(
        "runs/lab"
    ),
    full: Annotated[bool, typer.Option("--full", help="Train every arm, not only three.")] = False,
    seeds: Annotated[str, typer.Option(help="Seeds, such as 0,1,2.")] = "",
    data: Annotated[
        Path | None, typer.Option(help="Folder of published question files, to train on those.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override, such as experiment.rl.steps=60.")
    ] = None,
) -> None:
    """Train a small assistant for mutual welfare from scratch, compare it and report.

    Needs no GPU and no network. A run that was killed goes on when it is started again.

    Example:
        gtalign lab --full --seeds 0,1,2 --out runs/full
    """
    options: dict[str, tuple[str, Any]] = {}
    if seeds:
        options["seeds"] = "--seeds", seeds.split(",")
    if data is not None:
        options |= {"data": ("--data", data.resolve()), "model.vocabulary": ("--data", 2048)}
    if full:
        arms = get_args(Arm)
        # Independent arms: two of them on a core each take less time than one on both.
        options |= {"arms": ("--full", arms), "workers": ("--full", 2), "threads": ("--full", 1)}
    settings = load(LabConfig, config, set_ or (), options)
    run(settings, out, Console(stderr=True))


def run(settings: LabConfig, out: Path, console: Console) -> None:
    """Do all stages of a run, or what is left of them, and write the report.

    Raises:
        ConfigError: The run directory holds a run of another configuration.
    """
    world = workshop(settings)
    _claim(out, settings)
    plan = _plan(settings)
    left = {stage: need for stage, need in plan.items() if not done(_folder(out, *stage))}
    questions = len(world.train), len(world.test)
    started = time.monotonic()
    settings.steering.arms()  # an unknown policy is told at once
    sizes = {stage: _size(settings, stage[1], questions) for stage in plan}
    with progress_bar(console, "{task.percentage:>3.0f}%") as progress:
        bar = progress.add_task("", total=sum(sizes.values()))

        shown: frozenset[Stage] = frozenset()

        def watch(running: frozenset[Stage]) -> None:
            nonlocal shown
            for seed, name in sorted(running - shown):
                log.info("%s, seed %d: started", name, seed)
            shown = running
            finished = sum(
                size * _share(_folder(out, *stage), settings, stage[1], questions)
                for stage, size in sizes.items()
            )
            names = ", ".join(f"{name} (seed {seed})" for seed, name in sorted(running))
            progress.update(bar, completed=finished, description=names or "done")

        run_plan(
            {stage: need if need in left else None for stage, need in left.items()},
            partial(do_stage, settings, out),
            workers=settings.workers,
            threads=settings.threads,
            watch=watch,
        )
        watch(frozenset())
    report(settings, out, time.monotonic() - started)


def report(settings: LabConfig, out: Path, seconds: float) -> None:
    """Print the tables of a finished run and write ``report.html``."""
    stages = [(seed, arm) for arm in settings.arms for seed in settings.seeds]
    transcripts: list[Transcript] = []
    for stage in stages:
        transcripts.extend(read_transcripts(_folder(out, *stage) / "transcripts.jsonl"))
    reference = REFERENCE if REFERENCE in settings.arms else settings.arms[-1]
    trial = _trial(settings, out)
    comparison = write_report(
        out / "report.html",
        title="gtalign lab" if settings.data is None else "gtalign lab on published questions",
        transcripts=transcripts,
        reference=reference,
        baselines=[arm for arm in settings.arms if arm != reference],
        curves={
            f"{arm}/{seed}": read_metrics(_folder(out, seed, arm) / "metrics.jsonl")
            for seed, arm in stages
        },
        facts={
            "command": shlex.join(["gtalign", *sys.argv[1:]]),
            "seeds": ", ".join(map(str, settings.seeds)),
            "versions": ", ".join(f"{name} {version(name)}" for name in VERSIONS),
            "python": platform.python_version(),
            "this session took": f"{seconds / 60:.1f} minutes",
        },
        rng=np.random.default_rng(settings.world.seed),
        sections=[] if trial is None else [steering_section(*trial)],
    )
    print_tables(Console(), comparison)
    if trial is not None:
        print_steering(Console(), trial[0])
    log.info("report: %s", out / "report.html")


def _trial(settings: LabConfig, out: Path) -> tuple[Trial, dict[str, float]] | None:
    """What steering did over all seeds, with the mean seconds of an answer by arm."""
    folders = [_folder(out, seed, STEERING) for seed in settings.seeds]
    transcripts = [t for f in folders if done(f) for t in read_transcripts(f / "transcripts.jsonl")]
    if not transcripts:
        return None
    took = [json.loads(file.read_text()) for f in folders if (file := f / "seconds.json").exists()]
    seconds = {arm: float(np.mean([s[arm] for s in took if arm in s])) for s in took for arm in s}
    return measure_trial(transcripts), seconds


def workshop(settings: LabConfig) -> Workshop:
    """Build what the experiment needs, from the small world or from published files.

    Raises:
        DataError: A published file is missing or lacks a column.
    """
    common: dict[str, Any] = {
        "make_tokenizer": partial(_make_tokenizer, settings.model),
        "make_model": partial(_make_model, settings.model),
    }
    if settings.data is not None:
        published = read_published(settings.data, **settings.published.model_dump())
        return Workshop(
            train=published.train,
            test=published.test,
            judge=PublishedJudge(),
            write=published_candidate,
            **common,
        )
    world = make_world(**settings.world.model_dump())
    return Workshop(
        train=world.train,
        test=[*world.test, *world.ood],
        judge=LabJudge(),
        write=candidate,
        **common,
    )


# Only a stage that makes one of these waits for torch.
def _make_tokenizer(size: ModelSettings, texts: Sequence[str]) -> Any:
    from gtalign.lab.tokenizer import train_tokenizer

    return train_tokenizer(texts, size.vocabulary)


def _make_model(size: ModelSettings, tokenizer: Any, seed: int) -> Any:
    from gtalign.lab.model import make_model

    return make_model(
        tokenizer, seed=seed, width=size.width, layers=size.layers, positions=size.positions
    )


def do_stage(settings: LabConfig, out: Path, stage: Stage) -> None:
    """Do one stage, in a worker process whose output goes to a file beside its results."""
    import torch

    torch.set_num_threads(settings.threads)
    seed, name = stage
    folder = out / f"seed-{seed}"
    (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / name / "log.txt").open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        if name == STEERING:
            _steer(seed, folder, workshop(settings), settings)
        else:
            run_stage(name, seed, folder, workshop(settings), settings.experiment)
        sys.stdout.flush()


def _steer(seed: int, folder: Path, world: Workshop, settings: LabConfig) -> None:
    """Steer the answers of the reference model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from gtalign.steering.local import TransformersBackend

    torch.set_num_threads(1)  # tokens are drawn one by one, and a second thread would only wait
    checkpoint = folder / REFERENCE / "checkpoint"
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="float32")
    trial = run_trial(
        TransformersBackend(model, tokenizer),
        settings.steering.sample(world.test),
        settings.steering,
        folder / STEERING,
        reward=Reward(settings.experiment.reward, token_counter(tokenizer)),
        judge=world.judge,
        seed=seed,
    )
    asyncio.run(trial)
    (folder / STEERING / "done").touch()


def _plan(settings: LabConfig) -> dict[Stage, Stage | None]:
    """Return every stage that the arms need, those that others wait for first."""
    plan: dict[Stage, Stage | None] = {}
    for seed in settings.seeds:
        for arm in settings.arms:
            chain: list[str] = []
            name: str | None = arm
            while name is not None:
                chain.insert(0, name)
                name = needs(name)
            for stage, before in zip(chain, [None, *chain[:-1]], strict=True):
                plan.setdefault((seed, stage), None if before is None else (seed, before))
        if REFERENCE in settings.arms and settings.steering.questions:
            plan[seed, STEERING] = (seed, REFERENCE)
    return plan


def _folder(out: Path, seed: int, stage: str) -> Path:
    return out / f"seed-{seed}" / stage


def _claim(out: Path, settings: LabConfig) -> None:
    """Write the configuration down, or check that it is the one that the run began with."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "config.toml"
    text = dump(settings)
    if file.exists():
        if load(LabConfig, file) != settings:
            raise ConfigError(
                f"{file}: this run began with another configuration; choose another --out, or"
                " remove the folder"
            )
    else:
        file.write_text(text)


def _size(settings: LabConfig, stage: str, questions: tuple[int, int]) -> int:
    """Return roughly how many seconds a stage takes on a slow core, to weigh it in the progress."""
    train, test = questions
    if stage == COLD_START:
        return train // 60
    if stage == STEERING:
        return settings.steering.questions * len(settings.steering.arms()) // 4
    trained = train * settings.experiment.sft.epochs // 25
    trained *= settings.experiment.raw if stage == "base" else 1
    if stage not in SUPERVISED:
        trained = 4 * settings.experiment.rl.steps
    return trained + test // 15


def _share(folder: Path, settings: LabConfig, stage: str, questions: tuple[int, int]) -> float:
    """Return which share of a stage is done, by what it has written."""
    train, test = questions
    if done(folder):
        return 1.0
    if stage == COLD_START:
        return _lines(folder / "chains.jsonl.part") / train
    if stage == STEERING:
        answers = min(settings.steering.questions, test) * len(settings.steering.arms())
        return _lines(folder / "transcripts.jsonl") / answers
    steps = settings.experiment.rl.steps
    if stage in SUPERVISED:
        examples = train * (settings.experiment.raw if stage == "base" else 1)
        steps = -(-examples // settings.experiment.sft.batch) * settings.experiment.sft.epochs
    metrics = read_metrics(folder / "metrics.jsonl")
    trained = metrics[-1]["step"] / steps if metrics else 0.0
    return 0.9 * trained + 0.1 * _lines(folder / "transcripts.jsonl") / test


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
