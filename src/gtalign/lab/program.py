"""The lab as a program: read its settings, and do the kind of run that they ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gtalign.config import load
from gtalign.evaluation.paper import Report
from gtalign.lab import dial, pretrained
from gtalign.lab.arms import FULL
from gtalign.lab.config import LabConfig
from gtalign.lab.desk import run as desk
from gtalign.lab.report import LabReport
from gtalign.lab.run import Watch, run

PUBLISHED_VOCABULARY: Final = 2048
"""Tokens of a tokenizer that learns from published questions, which hold more words than ours."""


@dataclass(frozen=True, slots=True)
class OwnReport:
    """The results of a run that has another report than arms have.

    Args:
        file: The report as a page.
        report: Its sentences and tables.
    """

    file: Path
    report: Report


def load_lab(
    file: Path | None,
    overrides: Sequence[str] = (),
    *,
    full: bool = False,
    seeds: Sequence[str] | None = None,
    model: str | None = None,
    data: Path | None = None,
) -> LabConfig:
    """Read the settings of a run.

    Args:
        file: A TOML file; None for none.
        overrides: ``key=value`` strings.
        full: Whether all arms are trained.
        seeds: Seeds of the runs; None for those of the file.
        model: The pretrained model to begin with; None for that of the file.
        data: Folder of published question files; None for that of the file.

    Raises:
        ConfigError: A setting is wrong.
    """
    options: dict[str, tuple[str, Any]] = {}
    if seeds is not None:
        options["seeds"] = "--seeds", list(seeds)
    if data is not None:
        options["data"] = "--data", data.resolve()
        options["model.vocabulary"] = "--data", PUBLISHED_VOCABULARY
    if model is not None:
        options["model.pretrained"] = "--model", model
    if full:
        # Independent arms: two of them on a core each take less time than one on both.
        arms = FULL if model is None else pretrained.FULL
        options |= {"arms": ("--full", arms), "workers": ("--full", 2), "threads": ("--full", 1)}
    return load(LabConfig, file, overrides, options)


def run_lab(settings: LabConfig, out: Path, command: str, watch: Watch) -> LabReport | OwnReport:
    """Do a run of the kind that the settings ask for, or resume it, and write its report.

    Args:
        settings: Configuration of the run. With ``turns`` it plays conversations at the desk, with
            a ``dial`` it runs the arms at each degree of conflict; otherwise it compares arms.
        out: Run directory.
        command: The command that began the run, for the report of arms.
        watch: As for `gtalign.lab.run.run`.

    Raises:
        ConfigError: The run directory holds a run of another configuration, or the settings do not
            fit together.
        DataError: A published file is missing or wrong.
    """
    if settings.turns is not None:
        return OwnReport(out / desk.REPORT, desk.run_turns(settings, out, watch))
    if settings.dial:
        return OwnReport(out / dial.REPORT, dial.run_dial(settings, out, watch))
    return run(settings, out, command, watch)
