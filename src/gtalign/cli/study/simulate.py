"""``gtalign study simulate``: let programs rate, to try a study without people."""

from typing import Annotated

import typer

from gtalign.cli.study.rate import Folder
from gtalign.study import StudyFolder, simulate


def command(
    study: Folder,
    annotators: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of simulated annotators.")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of their leniency and noise.")] = 0,
) -> None:
    """Let SIMULATED annotators rate a study, to try it without people.

    They count words and understand nothing. What they say is marked as
    simulated everywhere, and never mixed with what people say.

    Example:
        gtalign study simulate study --annotators 3
    """
    found = StudyFolder(study)
    named = simulate(found, annotators, seed=seed)
    typer.echo(
        f"SIMULATED: {len(named)} programs judged all {len(found.items)}; see"
        f" `gtalign study analyse {study}`"
    )
