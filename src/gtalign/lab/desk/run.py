"""A run of the lab at the desk: every stage of every seed, and one report.

You can stop it at any time. The same run resumes where it was and ends with the same files.
"""

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from gtalign.dialogue.played import Played
from gtalign.evaluation.dialogue.held import record_of
from gtalign.evaluation.paper.sheet import Report
from gtalign.files.run_directory import at_work, claim
from gtalign.lab.config import LabConfig
from gtalign.lab.desk.clerks import CLERKS
from gtalign.lab.desk.optimum import value_of
from gtalign.lab.desk.stage import START, run_stage, try_clerks
from gtalign.lab.desk.table import Talks, desk_report
from gtalign.lab.desk.wishes import PATIENCE, PRICE, Wish, make_questions
from gtalign.lab.growth import identity
from gtalign.lab.run import Watch
from gtalign.lab.schedule import run_plan
from gtalign.lab.stages import Stage
from gtalign.transcripts import read_transcripts

REPORT: Final = "turns.html"
_CLERKS: Final = "clerks"


def run_turns(settings: LabConfig, out: Path, watch: Watch) -> Report:
    """Train and test all policies and write ``turns.html``.

    Args:
        settings: Configuration of the run, with ``turns``.
        out: Its directory; one that exists is resumed.
        watch: As for `gtalign.lab.run.run`.

    Raises:
        ConfigError: The directory holds another run.
    """
    claim(out, settings, _identity)
    parts = list(_parts(settings))

    def follow(running: frozenset[Stage]) -> None:
        over = sum((_folder(out, part) / "done").exists() for part in parts)
        watch(running, over / len(parts))

    # One process for a seed: what it trains is small beside what a process loads.
    left = [part for part in parts if not (_folder(out, part) / "done").exists()]
    stages = dict.fromkeys((seed, name if name == _CLERKS else "") for seed, name in left)
    with at_work(out):
        run_plan(
            dict.fromkeys(stages),
            partial(_do, settings, out),
            workers=settings.workers,
            threads=settings.threads,
            watch=follow,
        )
    follow(frozenset())
    report = report_of(settings, out)
    report.write_html(out / REPORT)
    return report


def report_of(settings: LabConfig, out: Path) -> Report:
    """Return the report of what is done in a run directory."""
    assert settings.turns is not None
    questions = make_questions(settings.world.seed, settings.turns.test_questions, "test")
    found: dict[str, dict[int, list[Played]]] = {}
    for name in ("full", *CLERKS):
        found[name] = {0: _played(out / _CLERKS / f"{name}.jsonl")}
    for seed, name in _parts(settings):
        folder = _folder(out, (seed, name))
        if name != _CLERKS and (folder / "done").exists():
            found.setdefault(name, {})[seed] = _played(folder / "transcripts.jsonl")
    exact = float(np.mean([value_of(Wish.read(question.text)) for question in questions]))
    return desk_report(Talks(found), exact, ["detailed", "open", "guarded", *PATIENCE, *PRICE])


def _identity(settings: LabConfig) -> dict[str, Any]:
    """As for other runs of the lab: it may grow by seeds and arms."""
    facts = identity(settings)
    del facts["turns"]["arms"]
    return facts


def _parts(settings: LabConfig) -> Iterator[Stage]:
    """Everything that is done, each with a folder of its own."""
    assert settings.turns is not None
    yield 0, _CLERKS
    for seed in settings.seeds:
        yield from ((seed, name) for name in (START, *settings.turns.arms))


def _folder(out: Path, stage: Stage) -> Path:
    seed, name = stage
    return out / _CLERKS if name == _CLERKS else out / f"seed-{seed}" / name


def _played(file: Path) -> list[Played]:
    return [one for row in read_transcripts(file) if (one := record_of(row)) is not None]


def _do(settings: LabConfig, out: Path, stage: Stage) -> None:
    """Do what is left of a seed in a worker process; output goes to files beside the results."""
    for part in left_of(settings, out, stage):
        own = _folder(out, part)
        own.mkdir(parents=True, exist_ok=True)
        with (own / "log.txt").open("a", encoding="utf-8") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            do_part(settings, out, part)
            sys.stdout.flush()


def left_of(settings: LabConfig, out: Path, stage: Stage) -> list[Stage]:
    """Return the parts of a seed, or the clerks, that are not done."""
    return [
        (seed, name)
        for seed, name in _parts(settings)
        if seed == stage[0]
        and (name == _CLERKS) == (stage[1] == _CLERKS)
        and not (_folder(out, (seed, name)) / "done").exists()
    ]


def do_part(settings: LabConfig, out: Path, part: Stage) -> None:
    """Train and test one model of a seed, or test the clerks, and mark that as done."""
    assert settings.turns is not None
    (seed, name), world, own = part, settings.world.seed, _folder(out, part)
    own.mkdir(parents=True, exist_ok=True)
    if name == _CLERKS:
        try_clerks(settings.turns, own, world)
    else:
        import torch

        torch.set_num_threads(settings.threads)
        run_stage(name, seed, own.parent, world, settings.model, settings.turns)
    (own / "done").touch()
