"""``gtalign data inspect``: show the content of a file of questions."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.questions import print_summary
from gtalign.cli.show.result import print_json
from gtalign.data.inspect import inspect_rows


def command(
    file: Annotated[Path, typer.Argument(help="File of questions, parquet or JSON Lines.")],
    samples: Annotated[
        int, typer.Option(min=0, help="Number of questions to show of each task.")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    show_harmful: Annotated[
        bool, typer.Option("--show-harmful", help="Show harmful requests too.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what a file holds: counts, lengths, labels and samples of each task.

    Example:
        gtalign data inspect wildguard-train.parquet --samples 5
    """
    found = inspect_rows(file, samples=samples, seed=seed)
    if as_json:
        tasks = {task: s.to_json(show_harmful=show_harmful) for task, s in found.items()}
        print_json({"file": str(file), "tasks": tasks})
    else:
        print_summary(file, found, show_harmful=show_harmful)
