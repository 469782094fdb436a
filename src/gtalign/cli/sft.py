"""``gtalign sft``: supervised training on chains that teachers wrote."""

from pathlib import Path
from typing import Annotated

from gtalign.cli import options
from gtalign.cli.layout import Accelerate, plan_of
from gtalign.cli.show.result import print_result, results_only
from gtalign.config import load
from gtalign.evaluation.training_report import report_training
from gtalign.training.processes import processes
from gtalign.training.sft_run import SFTRun, plan, run


def command(
    config: Annotated[Path, options.settings_of("sft")],
    out: options.RunFolder = Path("runs/sft"),
    overrides: Annotated[list[str] | None, options.changes("sft.epochs=2")] = None,
    game: options.Game = None,
    dry_run: options.DryTraining = False,
    accelerate: Accelerate = None,
    as_json: options.AsJson = False,
) -> None:
    """Train a model on the chains that gtalign synth kept.

    The trained model is in OUT/checkpoint, and its curves are in
    OUT/report.html. You can stop the run at any time; the same command resumes
    it and ends with the same weights.

    Examples:
        gtalign sft --config small --dry-run
        gtalign sft --config small --out runs/sft
    """
    settings = load(SFTRun, config, overrides or [], {"game": ("--game", game)})
    with results_only():
        planned = plan_of(plan, settings, "sft", accelerate, dry_run=dry_run)
        result = planned or run(settings, out)
    if not processes().first:
        return  # the first process reports
    if not dry_run:
        title = f"gtalign sft: {settings.model}"
        page = report_training(out, settings, title=title, command=options.command_line())
        result["report"] = str(page)
    print_result(result, as_json=as_json)
