"""``gtalign study analyse``: what the ratings of a study show."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.paper import show_report
from gtalign.cli.study.rate import Folder
from gtalign.evaluation.satisfaction import satisfaction_report
from gtalign.study import StudyFolder, analyse


def command(
    study: Folder,
    reference: options.Reference = None,
    simulated: Annotated[
        bool,
        typer.Option(
            "--simulated", help="Analyse the simulated annotators, where there are people too."
        ),
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page to this file.")] = None,
    csv: options.CSVFolder = None,
    markdown: options.MarkdownFolder = None,
    latex: options.LaTeXFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what annotators said of each model, and what predicts it.

    Satisfaction and preferences by model, agreement of the annotators, and
    how W and each of its factors correlate with satisfaction. Intervals are
    over other questions and other annotators.

    Example:
        gtalign study analyse study --html study.html
    """
    found = analyse(StudyFolder(study), reference=reference, simulated=simulated)
    report = satisfaction_report(found)
    show_report(report, html=html, csv=csv, markdown=markdown, latex=latex, as_json=as_json)
