"""``gtalign dpo``: training on preferences."""

from pathlib import Path
from typing import Annotated

from gtalign.cli import options
from gtalign.cli.layout import Accelerate, plan_of
from gtalign.cli.show.result import print_result, results_only
from gtalign.config import load
from gtalign.evaluation.training_report import report_training
from gtalign.training.dpo_run import DPORun, plan, run
from gtalign.training.processes import processes


def command(
    config: Annotated[Path, options.settings_of("dpo")],
    out: options.RunFolder = Path("runs/dpo"),
    overrides: Annotated[list[str] | None, options.changes("dpo.beta=0.2")] = None,
    dry_run: options.DryTraining = False,
    accelerate: Accelerate = None,
    as_json: options.AsJson = False,
) -> None:
    """Train a model to prefer the better of two answers (DPO).

    The pairs of gtalign synth, OUT/pairs.jsonl, teach a model to follow an
    edited payoff matrix; no simulator and no judge is asked. The trained model
    is in OUT/checkpoint, and its curves are in OUT/report.html. You can stop
    the run at any time; the same command resumes it.

    Examples:
        gtalign dpo --config small --dry-run
        gtalign dpo --config small --out runs/dpo
    """
    settings = load(DPORun, config, overrides or [])
    with results_only():
        planned = plan_of(plan, settings, "dpo", accelerate, dry_run=dry_run)
        result = planned or run(settings, out)
    if not processes().first:
        return  # the first process reports
    if not dry_run:
        title = f"gtalign dpo: {settings.model}"
        page = report_training(out, settings, title=title, command=options.command_line())
        result["report"] = str(page)
    print_result(result, as_json=as_json)
