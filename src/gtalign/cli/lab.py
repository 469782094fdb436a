"""``gtalign lab``: train, compare and report with a small model from scratch."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gtalign.cli.options import RunFolder, Tables, changes, command_line, settings_of
from gtalign.cli.show.faithful import print_links
from gtalign.cli.show.paper import print_report
from gtalign.cli.show.progress import Bar
from gtalign.cli.show.run import print_arms
from gtalign.cli.show.scored import say
from gtalign.cli.show.table import wide_console
from gtalign.config import load
from gtalign.evaluation.steering.section import print_steering
from gtalign.evaluation.tables import print_tables
from gtalign.lab import pretrained
from gtalign.lab.arms import FULL
from gtalign.lab.config import LabConfig
from gtalign.lab.desk.run import REPORT as TURNS
from gtalign.lab.desk.run import run_turns
from gtalign.lab.dial import REPORT, run_dial
from gtalign.lab.run import run
from gtalign.lab.stages import Stage


def command(
    out: RunFolder = Path("runs/lab"),
    full: Annotated[
        bool, typer.Option("--full", help="Train all arms; by default only base, sft and mutual.")
    ] = False,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds of the runs, such as 0,1,2; 0 by default.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Begin with this model: a folder, a hub name, gguf:FILE or package:NAME."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Train on the published question files in this folder.")
    ] = None,
    config: Annotated[Path | None, settings_of("lab")] = None,
    overrides: Annotated[list[str] | None, changes("experiment.rl.steps=60")] = None,
    tables: Tables = False,
) -> None:
    """Train a small assistant for mutual welfare, compare it and report.

    The lab trains a small network from scratch, or a model of your own. It
    needs no GPU and no network. You can stop it at any time; the same command
    resumes it, and goes on if you ask it for more. At the end it prints W, the
    mutual welfare of each model, and the path of a report.

    Example:
        gtalign lab --full --seeds 0,1,2 --out runs/full
    """
    options: dict[str, tuple[str, Any]] = {}
    if seeds is not None:
        options["seeds"] = "--seeds", [seed.strip() for seed in seeds.split(",") if seed.strip()]
    if data is not None:
        options |= {"data": ("--data", data.resolve()), "model.vocabulary": ("--data", 2048)}
    if model is not None:
        options["model.pretrained"] = "--model", model
    if full:
        # Independent arms: two of them on a core each take less time than one on both.
        arms = FULL if model is None else pretrained.FULL
        options |= {"arms": ("--full", arms), "workers": ("--full", 2), "threads": ("--full", 1)}
    settings = load(LabConfig, config, overrides or (), options)

    with Bar(amount="{task.percentage:>3.0f}%") as bar:

        def watch(running: frozenset[Stage], share: float) -> None:
            names = ", ".join(f"{name} (seed {seed})" for seed, name in sorted(running))
            bar(share, 1.0, names or "done")

        if settings.turns is not None:
            apart, page = run_turns(settings, out, watch), out / TURNS
        elif settings.dial:
            apart, page = run_dial(settings, out, watch), out / REPORT
        else:
            found = run(settings, out, command_line(), watch)
    if settings.turns is not None or settings.dial:
        wide = wide_console()
        print_report(wide, apart, tables=tables)
        say(wide, f"report: {page}")
        return
    console = Console()
    if tables:
        print_tables(console, found.comparison)
        if found.trial is not None:
            print_steering(console, found.trial)
        for one in found.faithfulness:
            print_links(console, one)
        if found.policies is not None:
            print_report(console, found.policies, tables=True)
    print_arms(console, found.comparison, found.file, found.trial, found.faithfulness)
