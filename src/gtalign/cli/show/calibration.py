"""How good stated beliefs are, as tables."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from gtalign.cli.show.table import wide_console
from gtalign.drawing import fixed, interval
from gtalign.evaluation.beliefs import Calibration
from gtalign.evaluation.statistics import Interval


def print_calibrations(found: Sequence[Calibration]) -> None:
    """Print the scores of each model's beliefs, their parts, the right beliefs, and the bins."""
    console = wide_console()
    _print_scores(console, found)
    _print_parts(console, found)
    if any(one.best is not None for one in found):
        _print_right(console, found)
    _print_bins(console, found)


def _print_scores(console: Console, found: Sequence[Calibration]) -> None:
    table = Table("model", "answers", "Brier", "always the same", "right", "no belief")
    for one in found:
        table.add_row(
            one.model,
            str(one.brier.n),
            _said(one.brier),
            fixed(one.base),
            _said(one.right),
            str(one.unstated),
        )
    console.print(table)


def _print_parts(console: Console, found: Sequence[Calibration]) -> None:
    table = Table("model", "gap", "reliability", "resolution", "uncertainty")
    for one in found:
        three = map(_said, (one.gap, one.reliability, one.resolution))
        table.add_row(one.model, *three, fixed(one.uncertainty))
    console.print(table)


def _print_right(console: Console, found: Sequence[Calibration]) -> None:
    """Print the scores of the right beliefs, of the models whose world knows them."""
    table = Table("model", "Brier of the right beliefs", f"stated {found[0].action} is off by")
    for one in found:
        if one.best is not None and one.off is not None:
            table.add_row(one.model, _said(one.best), _said(one.off))
    console.print(table)


def _print_bins(console: Console, found: Sequence[Calibration]) -> None:
    table = Table("model", "bin", "answers", f"stated {found[0].action}", "observed")
    for one in found:
        for b in one.bins:
            seen = f"{fixed(b.observed.value, 2)} {interval(b.observed.low, b.observed.high, 2)}"
            edges = f"{b.low:.1f} to {b.high:.1f}"
            table.add_row(one.model, edges, str(b.observed.n), fixed(b.stated, 2), seen)
    console.print(table)


def _said(found: Interval) -> str:
    return f"{fixed(found.value)} {interval(found.low, found.high)}".rstrip()
