"""``gtalign calibration``: are the beliefs that chains state about the user right?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gtalign.cli.options import AsJson
from gtalign.cli.show.result import print_json
from gtalign.cli.show.table import wide_console
from gtalign.drawing import fixed, interval, svg_file
from gtalign.evaluation.beliefs import calibrations, chart
from gtalign.evaluation.files import read_files, transcript_files
from gtalign.evaluation.statistics import Interval


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="Answers, as for `gtalign compare`; a folder stands for the runs in it.",
        ),
    ],
    action: Annotated[
        str | None,
        typer.Option(help="The user's action whose probability is shown; by default the last."),
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the reliability plot here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show whether the beliefs that chains state about the user are right.

    The true action of the user is that of the lab, or follows from a data
    set's label: an ambiguous question is vague (VQ), a clear one detailed (DQ).
    The Brier score is 0 for beliefs that are sure and right, and 2 for those
    that are sure and wrong; "always the same" is the score of stating how
    often each action occurs. Where the world knows the right beliefs, as the
    lab does, the table shows their score too.

    Example:
        gtalign calibration runs/beliefs --svg reliability.svg
    """
    held = [t for own in read_files(transcript_files(files)).values() for t in own]
    found = calibrations(held, action)
    if svg is not None:
        svg.write_text(svg_file(chart(found)), encoding="utf-8")
        typer.echo(f"plot: {svg}", err=True)
    if as_json:
        print_json([one.to_json() for one in found])
        return
    console = wide_console()
    scores = Table("model", "answers", "Brier", "always the same", "right", "no belief")
    for one in found:
        scores.add_row(
            one.model,
            str(one.brier.n),
            _said(one.brier),
            fixed(one.base),
            _said(one.right),
            str(one.unstated),
        )
    console.print(scores)
    parts = Table("model", "gap", "reliability", "resolution", "uncertainty")
    for one in found:
        three = map(_said, (one.gap, one.reliability, one.resolution))
        parts.add_row(one.model, *three, fixed(one.uncertainty))
    console.print(parts)
    if any(one.best is not None for one in found):
        known = Table("model", "Brier of the right beliefs", f"stated {found[0].action} is off by")
        for one in found:
            if one.best is not None and one.off is not None:
                known.add_row(one.model, _said(one.best), _said(one.off))
        console.print(known)
    bins = Table("model", "bin", "answers", f"stated {found[0].action}", "observed")
    for one in found:
        for b in one.bins:
            seen = f"{fixed(b.observed.value, 2)} {interval(b.observed.low, b.observed.high, 2)}"
            edges = f"{b.low:.1f} to {b.high:.1f}"
            bins.add_row(one.model, edges, str(b.observed.n), fixed(b.stated, 2), seen)
    console.print(bins)


def _said(found: Interval) -> str:
    return f"{fixed(found.value)} {interval(found.low, found.high)}".rstrip()
