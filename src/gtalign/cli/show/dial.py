"""What a run at several degrees of conflict found."""

from pathlib import Path

from gtalign.cli.show.scored import say
from gtalign.cli.show.table import wide_console
from gtalign.evaluation.paper import Report


def print_dial(report: Report, file: Path, *, tables: bool) -> None:
    """Print the sentences of a report, or its tables too, and where it is.

    Args:
        report: The report.
        file: Its page.
        tables: Whether to print the tables.
    """
    console = wide_console()
    if tables:
        report.print(console)
    else:
        for sentence in report.sentences:
            say(console, sentence)
    say(console, f"report: {file}")
