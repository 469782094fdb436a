"""``gtalign examples``: sample files and configurations that come with the package."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtalign.cli.show.samples import print_samples
from gtalign.data.samples import copy_samples


def command(
    to: Annotated[Path | None, typer.Option(help="Copy all of them into this folder.")] = None,
) -> None:
    """List the sample files and configurations, or copy them into a folder.

    The folder keeps what it holds: no file is replaced.

    Example:
        gtalign examples --to samples
        gtalign solve samples/matrix.json
    """
    if to is None:
        print_samples(Console())
        return
    written = copy_samples(to)
    typer.echo(f"{len(written)} files written to {to}; `gtalign examples` says what to try on them")
