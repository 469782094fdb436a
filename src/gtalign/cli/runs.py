"""``gtalign runs``: the runs in a folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from gtalign.cli.options import AsJson
from gtalign.cli.show.result import print_json
from gtalign.cli.show.table import clean, plain_table, wide_console
from gtalign.drawing import fixed
from gtalign.evaluation.directories import RunState, find_runs


def command(
    folder: Annotated[Path, typer.Argument(help="Folder with run directories.")] = Path("runs"),
    as_json: AsJson = False,
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
        print_json([run.to_json() for run in found])
        return
    if not found:
        typer.echo(f"no runs in {folder}")
        return
    table = plain_table(("kind", "state", "done", "best W", "MB", "last written (UTC)"), "run")
    for run in found:
        name = str(run.folder.relative_to(folder)) if run.folder != folder else str(folder)
        table.add_row(
            Text(clean(name)),
            run.kind or "?",
            run.state,
            _done(run),
            fixed(run.welfare),
            f"{run.bytes / 1e6:.1f}",
            run.written.removesuffix("+00:00").replace("T", " "),
        )
    wide_console().print(table)
    for run in found:
        if run.problem is not None:
            typer.echo(f"{clean(str(run.folder))}: {clean(run.problem)}", err=True)


def _done(run: RunState) -> str:
    if run.step is not None:
        return f"step {run.step}" + ("" if run.steps is None else f" of {run.steps}")
    return fixed(None) if run.answers is None else f"{run.answers:,} answers"
