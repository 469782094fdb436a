"""A run of the lab at several degrees of conflict: a run for each, and one report of all.

You can stop it at any time. The same run resumes where it was and ends with the same files.
"""

from pathlib import Path

from gtalign.errors import ConfigError
from gtalign.evaluation.conflict.dial import measure_dial
from gtalign.evaluation.conflict.dial_sheets import dial_report
from gtalign.evaluation.files import transcript_files
from gtalign.evaluation.paper.sheet import Report
from gtalign.files.run_directory import claim
from gtalign.lab.config import DialSettings, LabConfig
from gtalign.lab.growth import identity
from gtalign.lab.run import Watch, do_stages
from gtalign.lab.stages import Stage

__all__ = ["at"]

REPORT = "conflict.html"


def run_dial(settings: LabConfig, out: Path, watch: Watch) -> Report:
    """Run the arms at every degree of conflict and write ``conflict.html``.

    Args:
        settings: Configuration of the run, with a ``dial``.
        out: Its directory, with a run directory for each degree; one that exists is resumed.
        watch: As for `gtalign.lab.run.run`.

    Raises:
        ConfigError: Two degrees are the same, no ``objective`` is set, or the directory holds
            another run.
    """
    degrees = [dial.conflict for dial in settings.dial]
    if len(set(degrees)) < len(degrees):
        raise ConfigError("dial: two entries have the same conflict")
    if settings.experiment.objective is None:
        raise ConfigError(
            "dial: experiment.objective is not set; with preset = 'episode' the arms learn from the"
            " true payoffs"
        )
    claim(out, settings, identity)
    for number, dial in enumerate(settings.dial):

        def follow(running: frozenset[Stage], share: float, done: int = number) -> None:
            watch(running, (done + share) / len(settings.dial))

        do_stages(at(settings, dial), out / f"conflict-{dial.conflict:g}", follow)
    report = dial_report(measure_dial(transcript_files([out])))
    report.write_html(out / REPORT)
    return report


def at(settings: LabConfig, dial: DialSettings) -> LabConfig:
    """Return the run of one degree."""
    world = settings.world.model_copy(update={"conflict": dial.conflict})
    return settings.model_copy(update={"dial": (), "arms": dial.arms, "world": world})
