"""``gtalign study rate``: serve the page on which people rate."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.study.folder import StudyFolder

Folder = Annotated[Path, typer.Argument(help="The study, as `gtalign study export` wrote it.")]


def command(
    study: Folder,
    host: Annotated[str, typer.Option(help="Address on which to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on which to listen; 0 takes a free one.")
    ] = 8500,
) -> None:
    """Serve a page on which people rate the answers of a study.

    Open the link that it prints. Each annotator gives a name, and goes on
    under it later. Every rating is on disk before the next answer is shown.
    With --host 0.0.0.0 other machines can open the page too: give the link
    only to annotators, and use a network that you trust, as it is not
    encrypted. Ctrl-C ends the server.

    Example:
        gtalign study rate study
    """
    from gtalign.cli.show.study import show_link  # the web frameworks are imported when used
    from gtalign.study.pages import serve

    found = StudyFolder(study)
    serve(found, host, port, lambda link: show_link(found, link))
    typer.echo(f"ratings: {found.ratings}", err=True)
