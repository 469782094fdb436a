"""``gtalign calibration``: are the beliefs that chains state about the user right?"""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.calibration import print_calibrations
from gtalign.cli.show.result import print_json
from gtalign.drawing import svg_file
from gtalign.evaluation.beliefs import calibrate_files, chart


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
    as_json: options.AsJson = False,
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
    found = calibrate_files(files, action)
    if svg is not None:
        svg.write_text(svg_file(chart(found)), encoding="utf-8")
        typer.echo(f"plot: {svg}", err=True)
    if as_json:
        print_json({"calibrations": [one.to_json() for one in found]})
    else:
        print_calibrations(found)
