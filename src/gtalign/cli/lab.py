"""``gtalign lab``: train, compare and report with a small model from scratch."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.lab import print_lab, watching
from gtalign.cli.show.progress import Bar
from gtalign.lab.program import load_lab, run_lab


def command(
    out: options.RunFolder = Path("runs/lab"),
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
    config: Annotated[Path | None, options.settings_of("lab")] = None,
    overrides: Annotated[list[str] | None, options.changes("experiment.rl.steps=60")] = None,
    tables: options.Tables = False,
) -> None:
    """Train a small assistant for mutual welfare, compare it and report.

    The lab trains a small network from scratch, or a model of your own. It
    needs no GPU and no network. You can stop it at any time; the same command
    resumes it, and goes on if you ask it for more. At the end it prints W, the
    mutual welfare of each model, and the path of a report.

    Example:
        gtalign lab --full --seeds 0,1,2 --out runs/full
    """
    settings = load_lab(
        config,
        overrides or (),
        full=full,
        seeds=None if seeds is None else [one.strip() for one in seeds.split(",") if one.strip()],
        model=model,
        data=data,
    )
    with Bar(amount="{task.percentage:>3.0f}%") as bar:
        found = run_lab(settings, out, options.command_line(), watching(bar))
    print_lab(found, tables=tables)
