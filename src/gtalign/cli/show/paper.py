"""A table of the paper: printed, and written in the forms that were asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer
from rich.console import Console

from gtalign.cli.show.result import print_json
from gtalign.cli.show.scored import say
from gtalign.cli.show.table import wide_console
from gtalign.evaluation.paper import Report


def print_report(console: Console, report: Report, *, tables: bool, hint: str = "") -> None:
    """Print a report: its sentences, or its tables too.

    Args:
        console: Where to.
        report: The report.
        tables: Whether to print the tables.
        hint: What is printed below the sentences alone.
    """
    if tables:
        report.print(console)
        return
    for sentence in (*report.sentences, hint):
        if sentence:
            say(console, sentence)


def write_tables(form: str, write: Callable[[Path], Sequence[Path]], folder: Path | None) -> None:
    """Write tables into a folder, if one is given, and say on stderr which files these are.

    Args:
        form: Name of their form.
        write: Writes them and returns the files.
        folder: Where to; None writes none.

    Raises:
        StorageError: A file cannot be written.
    """
    if folder is not None:
        listed = ", ".join(file.name for file in write(folder))
        typer.echo(f"{form}: {folder}: {listed}", err=True)


def show_report(
    report: Report,
    *,
    html: Path | None = None,
    csv: Path | None = None,
    markdown: Path | None = None,
    latex: Path | None = None,
    as_json: bool = False,
) -> None:
    """Print a table and write its files.

    Args:
        report: The table.
        html: Page to write.
        csv: Folder for its numbers.
        markdown: Folder for its sheets as Markdown.
        latex: Folder for its sheets for LaTeX.
        as_json: Whether to print one JSON object instead.

    Raises:
        StorageError: A file cannot be written.
    """
    write_tables("CSV", report.write_csv, csv)
    write_tables("Markdown", report.write_markdown, markdown)
    write_tables("LaTeX", report.write_latex, latex)
    if html is not None:
        report.write_html(html)
    if as_json:
        print_json(report.to_json())
        return
    report.print(wide_console())
    if html is not None:
        typer.echo(f"report: {html}", err=True)
