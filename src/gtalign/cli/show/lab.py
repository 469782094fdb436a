"""A run of the lab: what is at work, and what it found."""

from rich.console import Console

from gtalign.cli.show.faithful import print_links
from gtalign.cli.show.paper import print_report
from gtalign.cli.show.progress import Bar
from gtalign.cli.show.run import print_arms
from gtalign.cli.show.scored import say
from gtalign.cli.show.table import wide_console
from gtalign.evaluation.steering.section import print_steering
from gtalign.evaluation.tables import print_tables
from gtalign.lab.program import OwnReport
from gtalign.lab.report import LabReport
from gtalign.lab.run import Watch
from gtalign.lab.stages import Stage


def watching(bar: Bar) -> Watch:
    """Return what shows on a bar which stages are at work, and the share that is done."""

    def watch(running: frozenset[Stage], share: float) -> None:
        names = ", ".join(f"{name} (seed {seed})" for seed, name in sorted(running))
        bar(share, 1.0, names or "done")

    return watch


def print_lab(found: LabReport | OwnReport, *, tables: bool) -> None:
    """Print what a run found, and where its report is.

    Args:
        found: The results.
        tables: Whether to print all tables.
    """
    if isinstance(found, OwnReport):
        wide = wide_console()
        print_report(wide, found.report, tables=tables)
        say(wide, f"report: {found.file}")
        return
    console = Console()
    if tables:
        print_tables(console, found.comparison)
        if found.trial is not None:
            print_steering(console, found.trial)
        for one in found.faithfulness:
            print_links(console, one)
        if found.policies is not None:
            print_report(console, found.policies, tables=True)
    print_arms(console, found.comparison, found.file, found.trial, found.faithfulness)
