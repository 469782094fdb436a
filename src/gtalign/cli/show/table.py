"""Tables for a terminal, or for a file or a pipe, which have no width."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


def wide_console() -> Console:
    """Return a console on stdout that gives tables the width they need where there is no terminal.

    A file or a pipe has no width of its own.
    """
    console = Console()
    return console if console.is_terminal else Console(width=160)


def print_table(console: Console, title: str, table: Table) -> None:
    """Print a table under its title, which may be wider than the table."""
    console.print(Text(title, style="italic"), soft_wrap=True)
    console.print(table)


def plain_table(columns: Sequence[str], first: str = "task") -> Table:
    """Return an empty table: names on the left, numbers on the right.

    Args:
        columns: Headings of the numbers.
        first: Heading of the names.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def clean(text: str) -> str:
    """Return a text without what a terminal would obey; data may hold anything."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
