"""``gtalign compare``: transcripts of several models side by side."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from gtalign import __version__
from gtalign.data.lines import read_lines
from gtalign.errors import DataError
from gtalign.evaluation.compare import compare
from gtalign.evaluation.report import write_report
from gtalign.evaluation.statistics import RESAMPLES
from gtalign.evaluation.tables import print_tables
from gtalign.transcripts import Transcript, read_transcripts

METHOD = "mutual"


def command(
    files: Annotated[list[Path], typer.Argument(metavar="TRANSCRIPTS...", help="JSON Lines.")],
    reference: Annotated[
        str | None,
        typer.Option(help=f"The model to compare with the others: {METHOD}, else the last one."),
    ] = None,
    baselines: Annotated[
        list[str] | None, typer.Option("--baseline", help="One of the others; all by default.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report to this file.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = RESAMPLES,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Set runs side by side: every metric with its interval, and paired differences.

    Example:
        gtalign compare runs/lab/seed-0/{sft,mutual}/transcripts.jsonl --html report.html
    """
    by_file = {path: _named(path, list(read_transcripts(path))) for path in dict.fromkeys(files)}
    transcripts = _told_apart(by_file)
    if not transcripts:
        raise DataError(f"{', '.join(map(str, files))}: no transcripts")
    models = list(dict.fromkeys(transcript.model for transcript in transcripts))
    chosen = reference or (METHOD if METHOD in models else models[-1])
    rng = np.random.default_rng(seed)
    if html is None:
        found = compare(
            transcripts, reference=chosen, baselines=baselines, rng=rng, resamples=resamples
        )
    else:
        found = write_report(
            html,
            title=f"{chosen} and its baselines",
            transcripts=transcripts,
            reference=chosen,
            baselines=baselines,
            rng=rng,
            resamples=resamples,
            curves=_curves(by_file),
            facts={
                "Files": ", ".join(map(str, by_file)),
                "Bootstrap": f"{resamples:,} resamples, seed {seed}",
                "Version": f"gtalign {__version__}",
            },
        )
    if as_json:
        print(json.dumps(found.to_json(), allow_nan=False))
    else:
        console = Console()
        # A file or a pipe has no width of its own: give the tables what they need.
        print_tables(console if console.is_terminal else Console(width=160), found)
        if html is not None:
            typer.echo(f"report: {html}", err=True)


def _named(path: Path, held: Sequence[Transcript]) -> list[Transcript]:
    """Give transcripts without a model the name of their file."""
    return [t if t.model else replace(t, model=path.stem) for t in held]


def _told_apart(by_file: Mapping[Path, Sequence[Transcript]]) -> list[Transcript]:
    """All transcripts; a model that answers the same questions in two files gets two names."""
    owners: dict[tuple[str, int | None, str, str], Path] = {}
    clashing = {
        t.model
        for path, held in by_file.items()
        for t in held
        if owners.setdefault((t.model, t.seed, t.task, t.id), path) != path
    }
    return [
        replace(t, model=f"{t.model} ({path.parent.name or path.stem})")
        if t.model in clashing
        else t
        for path, held in by_file.items()
        for t in held
    ]


def _curves(by_file: Mapping[Path, Sequence[Transcript]]) -> dict[str, list[dict[str, float]]]:
    """Training metrics that lie beside a file of one model's transcripts."""
    found = {}
    for path, held in by_file.items():
        beside = path.with_name("metrics.jsonl")
        runs = {(t.model, t.seed) for t in held}
        if len(runs) == 1 and beside.is_file():
            ((model, run),) = runs
            found[model if run is None else f"{model}/{run}"] = [r for _, r in read_lines(beside)]
    return found
