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
    often each action occurs.

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
    scores = Table("model", "answers", "Brier", "always the same", "right", "gap", "no belief")
    for one in found:
        brier = f"{fixed(one.brier.value)} {interval(one.brier.low, one.brier.high)}"
        right = f"{fixed(one.right.value)} {interval(one.right.low, one.right.high)}"
        rest = fixed(one.base), right, fixed(one.gap), str(one.unstated)
        scores.add_row(one.model, str(one.brier.n), brier, *rest)
    console.print(scores)
    bins = Table("model", "bin", "answers", f"stated {found[0].action}", "observed")
    for one in found:
        for b in one.bins:
            seen = f"{fixed(b.observed.value, 2)} {interval(b.observed.low, b.observed.high, 2)}"
            edges = f"{b.low:.1f} to {b.high:.1f}"
            bins.add_row(one.model, edges, str(b.observed.n), fixed(b.stated, 2), seen)
    console.print(bins)
