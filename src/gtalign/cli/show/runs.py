"""The runs in a folder, as a table."""

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.text import Text

from gtalign.cli.show.table import clean, plain_table, wide_console
from gtalign.drawing import fixed
from gtalign.evaluation.directories import RunState


def print_runs(folder: Path, found: Sequence[RunState]) -> None:
    """Print the state of each run, and on stderr what is wrong with some.

    Args:
        folder: The folder.
        found: The runs in it.
    """
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
            fixed(None) if run.bytes is None else f"{run.bytes / 1e6:.1f}",
            run.written.removesuffix("+00:00").replace("T", " "),
        )
    wide_console().print(table)
    for run in found:
        if run.problem is not None:
            typer.echo(clean(run.problem), err=True)


def _done(run: RunState) -> str:
    if run.step is not None:
        return f"step {run.step}" + ("" if run.steps is None else f" of {run.steps}")
    return fixed(None) if run.answers is None else f"{run.answers:,} answers"
