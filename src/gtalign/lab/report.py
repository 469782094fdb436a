"""The report of a lab run: its arms compared, and the effects of steering."""

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.faithfulness import Faithfulness, measure_faithfulness
from gtalign.evaluation.faithfulness.section import faithfulness_section
from gtalign.evaluation.paper.policies import policies_report
from gtalign.evaluation.paper.sheet import Report
from gtalign.evaluation.report import write_report
from gtalign.evaluation.steering.effects import Trial, measure_trial
from gtalign.evaluation.steering.section import steering_section
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import done
from gtalign.lab.rounds import read_curve, rounds
from gtalign.lab.stages import (
    FAITHFUL,
    POLICIES,
    REFERENCE,
    STEERING,
    edited_arms,
    folder_of,
    told_arms,
)
from gtalign.transcripts import Transcript, read_transcripts

VERSIONS = ("gtalign", "torch", "transformers", "trl")


@dataclass(frozen=True, slots=True)
class LabReport:
    """The results of a run.

    Args:
        file: The report as a page.
        comparison: The comparison of the arms.
        trial: The measures of the steering trial; None where nothing was steered.
        faithfulness: How faithful each model is; empty where no matrix was edited.
        policies: How policies in the prompt compare with edits; None where no prompt had one.
    """

    file: Path
    comparison: Comparison
    trial: Trial | None
    faithfulness: list[Faithfulness]
    policies: Report | None


def report(settings: LabConfig, out: Path, command: str, seconds: float) -> LabReport:
    """Compare the arms of a finished run and write ``report.html``.

    Args:
        settings: Configuration of the run.
        out: Its run directory.
        command: The command that began the run.
        seconds: Seconds since this process began or resumed the run.
    """
    stages = [(seed, arm) for arm in settings.arms for seed in settings.seeds]
    transcripts: list[Transcript] = []
    for stage in stages:
        transcripts.extend(read_transcripts(folder_of(out, stage) / "transcripts.jsonl"))
    reference = REFERENCE if REFERENCE in settings.arms else settings.arms[-1]
    trial, waits = _trial(settings, out)
    faithfulness = _faithfulness(settings, out)
    sections = [] if trial is None else [steering_section(trial, waits)]
    sections += [faithfulness_section(faithfulness)] if faithfulness else []
    policies = _policies(settings, out)
    sections += [] if policies is None else [policies.section()]
    file = out / "report.html"
    comparison = write_report(
        file,
        title=_title(settings),
        transcripts=transcripts,
        reference=reference,
        baselines=[arm for arm in settings.arms if arm != reference],
        curves={f"{arm}/{seed}": read_curve(folder_of(out, (seed, arm))) for seed, arm in stages},
        facts={
            "command": command,
            "seeds": ", ".join(map(str, settings.seeds)),
            "versions": ", ".join(f"{name} {version(name)}" for name in VERSIONS),
            **_rounds(settings, out),
            "python": platform.python_version(),
            "this session took": f"{seconds / 60:.1f} minutes",
        },
        rng=np.random.default_rng(settings.world.seed),
        sections=sections,
    )
    return LabReport(file, comparison, trial, faithfulness, policies)


def _rounds(settings: LabConfig, out: Path) -> dict[str, str]:
    """Say in which rounds the arms were trained, if there were several."""
    ends = {
        steps
        for arm in settings.arms
        for seed in settings.seeds
        for steps in rounds(folder_of(out, (seed, arm)))
    }
    if not ends:
        return {}
    ends.add(settings.experiment.rl.steps)
    listed = ", ".join(map(str, sorted(ends)))
    return {"reinforcement learning": f"rounds with a schedule of their own, to {listed} steps"}


def _title(settings: LabConfig) -> str:
    model = "" if settings.model.pretrained is None else f": {Path(settings.model.pretrained).name}"
    return f"gtalign lab{model}{'' if settings.data is None else ' on published questions'}"


def _faithfulness(settings: LabConfig, out: Path) -> list[Faithfulness]:
    """How faithful the trained models are, over all seeds."""
    transcripts = _answers(settings, out, [FAITHFUL + arm for arm in edited_arms(settings)])
    return measure_faithfulness(transcripts) if transcripts else []


def _policies(settings: LabConfig, out: Path) -> Report | None:
    """How policies in the prompt compare with edits of the matrix, over all seeds."""
    transcripts = _answers(settings, out, [POLICIES + arm for arm in told_arms(settings)])
    return policies_report(transcripts) if transcripts else None


def _answers(settings: LabConfig, out: Path, names: Sequence[str]) -> list[Transcript]:
    """What the stages of these names have written in every seed."""
    folders = [folder_of(out, (seed, name)) for name in names for seed in settings.seeds]
    return [t for f in folders if done(f) for t in read_transcripts(f / "transcripts.jsonl")]


def _trial(settings: LabConfig, out: Path) -> tuple[Trial | None, dict[str, float]]:
    """The steering trial over all seeds, and the mean seconds of an answer by arm."""
    folders = [folder_of(out, (seed, STEERING)) for seed in settings.seeds]
    transcripts = _answers(settings, out, [STEERING])
    if not transcripts:
        return None, {}
    took = [json.loads(file.read_bytes()) for f in folders if (file := f / "seconds.json").exists()]
    waits = {arm: float(np.mean([s[arm] for s in took if arm in s])) for s in took for arm in s}
    return measure_trial(transcripts), waits
