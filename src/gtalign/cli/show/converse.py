"""Conversations on a terminal: what was found, and every table."""

from pathlib import Path

from rich.console import Console

from gtalign.cli.show.paper import print_report
from gtalign.cli.show.scored import say
from gtalign.evaluation.dialogue.run import Conversed


def print_conversed(console: Console, found: Conversed, out: Path, *, tables: bool = False) -> None:
    """Print what the conversations show.

    Args:
        console: Where to.
        found: What the run found.
        out: Its folder.
        tables: Whether to print every table.
    """
    if found.problem is not None:
        say(console, found.problem, "bold")
    say(console, f"{found.played} conversations, {found.failed} of them failed")
    if found.skipped:
        say(console, f"{found.skipped} questions left out: their labels do not tell a goal")
    print_report(console, found.report, tables=tables)
    hint = "" if tables else "--tables prints every measure; "
    say(console, f"{hint}report: {out / 'report.html'}")
