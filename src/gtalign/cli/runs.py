"""``gtalign runs``: the runs in a folder."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.result import print_json
from gtalign.cli.show.runs import print_runs
from gtalign.evaluation.directories import find_runs


def command(
    folder: Annotated[Path, typer.Argument(help="Folder with run directories.")] = Path("runs"),
    as_json: options.AsJson = False,
) -> None:
    """List runs: state, last step, best W and size on disk.

    A run is running while a process is at work in it, done once it has its last
    file, and stopped otherwise; the command that began it resumes it. The best W
    is that of a step of training or of a held-out evaluation, or the mean of the
    best model of other runs.

    Examples:
        gtalign runs
        gtalign runs experiments --json
    """
    found = find_runs(folder)
    if as_json:
        print_json({"runs": [run.to_json() for run in found]})
    else:
        print_runs(folder, found)
