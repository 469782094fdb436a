"""``gtalign conflict``: do the interests of user and LLM differ in these answers?"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gtalign.cli import options
from gtalign.cli.show.paper import print_report, show_report
from gtalign.cli.show.result import print_json
from gtalign.cli.show.table import wide_console
from gtalign.evaluation.conflict import conflict_report, measure_conflict
from gtalign.evaluation.conflict.dial import measure_dial
from gtalign.evaluation.conflict.dial_sheets import dial_report
from gtalign.evaluation.files import read_files, transcript_files


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="Scored answers, as for `gtalign compare`; a folder stands for the runs in it.",
        ),
    ],
    html: Annotated[Path | None, typer.Option(help="Write a page to this file.")] = None,
    dial: Annotated[
        bool,
        typer.Option("--dial", help="Compare the arms of the lab at each degree of conflict."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap intervals.")] = 0,
    tables: options.Tables = False,
    as_json: options.AsJson = False,
) -> None:
    """Show whether the interests of user and LLM differ in scored answers.

    It says which factors make U and L vary, how the two and the aggregates of
    them correlate, and how many pairs of answers to one question two
    aggregates order differently. Where they order all pairs alike, rewards
    made of them teach the same.

    Example:
        gtalign conflict runs/lab --html conflict.html
    """
    if dial:
        arms = dial_report(measure_dial(transcript_files(files)))
        show_report(arms, html=html, as_json=as_json)
        return
    by_file = read_files(transcript_files(files))
    found = measure_conflict(by_file, rng=np.random.default_rng(seed))
    report = conflict_report(found)
    if html is not None:
        report.write_html(html)
    if as_json:
        print_json(found.to_json())
        return
    hint = "--tables prints every term and every two aggregates"
    print_report(wide_console(), report, tables=tables, hint=hint)
    if html is not None:
        typer.echo(f"report: {html}", err=True)
