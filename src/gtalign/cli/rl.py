"""``gtalign rl``: reinforcement learning under the welfare reward."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gtalign.cli import options
from gtalign.cli.failures import FAILED
from gtalign.cli.layout import Accelerate, plan_of
from gtalign.cli.show.result import print_result, results_only
from gtalign.cli.show.run import print_learned
from gtalign.config import load
from gtalign.errors import ConfigError
from gtalign.evaluation.training_report import report_training
from gtalign.integrations.verl.launch import on_cluster
from gtalign.lab.goals import known_goal
from gtalign.training.processes import processes
from gtalign.training.reinforce import reinforce
from gtalign.training.rl_run import RLRun, plan
from gtalign.transcripts.learned import learned


def command(
    config: Annotated[Path, options.settings_of("rl")],
    out: options.RunFolder = Path("runs/rl"),
    overrides: Annotated[list[str] | None, options.changes("rl.steps=20")] = None,
    game: options.Game = None,
    engine: Annotated[
        Literal["trl", "verl"],
        typer.Option(help="Who trains: TRL in this process, or verl on a cluster of Ray."),
    ] = "trl",
    submit: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Hand a run on verl to the cluster that takes jobs of Ray here."
        ),
    ] = None,
    dry_run: options.DryTraining = False,
    accelerate: Accelerate = None,
    as_json: options.AsJson = False,
) -> None:
    """Train a model for mutual welfare by reinforcement learning.

    TRL trains by GRPO, verl by PPO with a critic, GRPO or GDPO.

    The judges of the configuration grade each completion. With a section
    [dialogue], the model learns from whole conversations with simulated users,
    and their welfare is the reward. The trained model is
    in OUT/checkpoint; every completion with its score is in
    OUT/transcripts.jsonl; the learning curves are in OUT/report.html. You can
    stop the run at any time; the same command resumes it. The exit code is 1 if
    the reward never varied, so that nothing was learned.

    Examples:
        gtalign rl --config small --dry-run
        gtalign rl --config small --out runs/rl
        gtalign rl --config turns --out runs/turns
        gtalign rl --engine verl --config verl-one-gpu --dry-run
    """
    settings = load(RLRun, config, overrides or [], {"game": ("--game", game)})
    if submit is not None and engine != "verl":
        raise ConfigError("--submit hands a run to a cluster, which needs --engine verl")
    with results_only():
        if engine == "verl":
            if accelerate is not None:
                raise ConfigError("--accelerate lays out a run on TRL; leave out --engine verl")
            result = on_cluster(settings, out, dry_run=dry_run, address=submit)
        elif planned := plan_of(plan, settings, "rl", accelerate, dry_run=dry_run):
            result = planned
        else:
            result = reinforce(settings, out, known_goal)
    if not processes().first:
        return  # the first process reports
    if dry_run or submit is not None:
        print_result(result, as_json=as_json)
        return
    found = learned(out / "transcripts.jsonl")
    title = f"gtalign rl: {settings.model}"
    page = report_training(out, settings, title=title, command=options.command_line(), found=found)
    print_learned({**result, "report": str(page)}, found, as_json=as_json)
    if found.problem is not None:
        raise typer.Exit(FAILED)
