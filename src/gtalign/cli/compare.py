"""``gtalign compare``: compare the transcripts of several models."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gtalign.cli import options
from gtalign.cli.failures import FAILED
from gtalign.cli.show.comparison import print_comparison
from gtalign.cli.show.paper import show_report, write_tables
from gtalign.cli.show.result import print_json
from gtalign.evaluation.contrast import RESAMPLES
from gtalign.evaluation.export import write_csv, write_latex, write_markdown
from gtalign.evaluation.paper import TABLES, Study, table_named
from gtalign.evaluation.runs import compare_runs

if TYPE_CHECKING:
    Table = str
else:  # the names are known when the command runs, and a type checker wants them written out
    Table = Literal[tuple(TABLES)]


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="Answers with scores: transcripts, dumps of verl, logs of Inspect, samples of "
            "lm-evaluation-harness, traces of verifiers, completions of TRL; a folder stands for "
            "the runs in it.",
        ),
    ],
    reference: options.Reference = None,
    baselines: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline", help="Compare with this model only; repeatable; all others by default."
        ),
    ] = None,
    table: Annotated[
        Table | None, typer.Option(help="Make one of the paper's tables instead.")
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(help="The score to compare, where files give several; the first by default."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report as HTML to this file.")] = None,
    csv: options.CSVFolder = None,
    markdown: options.MarkdownFolder = None,
    latex: options.LaTeXFolder = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap intervals.")] = 0,
    resamples: Annotated[
        int, typer.Option(min=100, help="Number of bootstrap resamples.")
    ] = RESAMPLES,
    as_json: options.AsJson = False,
) -> None:
    r"""Compare runs: every metric with its interval, and paired differences.

    Example:
        gtalign compare runs/lab/seed-0/{sft,mutual}/transcripts.jsonl \
            --html report.html
        gtalign compare runs/lab --table pareto --latex tables
    """
    if table is not None:
        study = Study(files, reference, baselines, score, seed, resamples)
        report = table_named(table, study)
        show_report(report, html=html, csv=csv, markdown=markdown, latex=latex, as_json=as_json)
        return
    found = compare_runs(
        files,
        reference=reference,
        baselines=baselines,
        html=html,
        score=score,
        seed=seed,
        resamples=resamples,
    )
    write_tables("CSV", partial(write_csv, found), csv)
    write_tables("Markdown", partial(write_markdown, found), markdown)
    write_tables("LaTeX", partial(write_latex, found), latex)
    if as_json:
        print_json(found.to_json())
    else:
        print_comparison(found)
        if html is not None:
            typer.echo(f"report: {html}", err=True)
    if not found.scored:
        raise typer.Exit(FAILED)
