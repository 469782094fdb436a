"""What attacks on a reward earn, on a terminal or as JSON Lines."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gtalign.cli.show.result import print_json
from gtalign.lab.attack_report import Earned


def print_attacks(found: Iterable[Earned], *, as_json: bool) -> None:
    """Print what each attack earns.

    Args:
        found: What it earns, printed as it is measured.
        as_json: Whether to print an object for each attack and reward.
    """
    if as_json:
        for earned in found:
            for line in earned.lines():
                print_json(line)
    else:
        Console().print(_table(list(found)))


def _table(found: list[Earned]) -> Table:
    """W by attack and reward; a star marks attacks that earn more than the honest answer."""
    table = Table(
        title="mean W; * earns more than the honest mediocre answer",
        box=SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    table.add_column("completion", no_wrap=True)
    for name in found[0].welfare:
        table.add_column(name, justify="right", no_wrap=True)
    for earned in found:
        cells = [
            f"{welfare:.3f}{'*' if welfare > earned.honest[name] + 1e-9 else ' '}"
            for name, welfare in earned.welfare.items()
        ]
        table.add_row(earned.attack, *cells)
    return table
