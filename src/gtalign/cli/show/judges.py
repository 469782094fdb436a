"""The result of a check of judges, on a terminal."""

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gtalign.cli.show.table import print_table
from gtalign.judges import JudgeCheck, WilsonShare


def print_check(found: JudgeCheck) -> None:
    """Print how far judges agree with people on stdout, and what has no verdict on stderr."""
    console = Console()
    print_table(console, "agreement with people's labels, with 95% intervals", _agreement(found))
    print_table(console, "share of good and bad answers that the judge recognises", _errors(found))
    if any(check.rate is not None for check in found.tasks):
        print_table(console, "share of good answers among those without a label", _rates(found))
    if found.positions:
        print_table(console, "pairs compared in both orders", _positions(found))
    for name, count, reason in [
        *((t.task, t.unscored, t.reason) for t in found.tasks),
        *((p.judge, p.unscored, p.reason) for p in found.positions),
    ]:
        if count:
            typer.echo(f"{name}: {count} without a verdict; the last: {reason}", err=True)
    for check in found.tasks:
        if check.unlabelled and check.no_rate is not None:
            typer.echo(f"{check.task}: the rate is not corrected: {check.no_rate}", err=True)
    if found.no_positions is not None:
        typer.echo(f"position bias is not measured: {found.no_positions}", err=True)


def _agreement(found: JudgeCheck) -> Table:
    table = _table("task", "labels", "same score", "Krippendorff's alpha")
    for task in found.tasks:
        alpha = _with_interval(task.alpha, task.alpha_low, task.alpha_high)
        table.add_row(Text(task.task), str(task.labelled), _share(task.same), alpha)
    return table


def _errors(found: JudgeCheck) -> Table:
    table = _table("task", "good called good", "bad called bad")
    for task in found.tasks:
        table.add_row(Text(task.task), _share(task.sensitivity), _share(task.specificity))
    return table


def _rates(found: JudgeCheck) -> Table:
    table = _table("task", "answers", "as the judge says", "corrected")
    for task in found.tasks:
        if (rate := task.rate) is not None:
            true = _with_interval(rate.value, rate.low, rate.high)
            table.add_row(Text(task.task), str(rate.n), f"{rate.reported:.2f}", true)
    return table


def _positions(found: JudgeCheck) -> Table:
    table = _table("judge", "pairs", "same both ways", "prefers the first", "as labelled")
    for check in found.positions:
        shares = (check.consistent, check.first, check.right)
        table.add_row(Text(check.judge), str(check.pairs), *map(_share, shares))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _share(share: WilsonShare) -> str:
    return _with_interval(share.value, share.low, share.high)


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if low is None or high is None else f" [{low:.2f}, {high:.2f}]")
