"""``gtalign data build``: build question files from public data sets."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.questions import print_built, print_sources
from gtalign.cli.show.result import print_json
from gtalign.data.build import build_sets
from gtalign.data.sources import SOURCES


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SET...]", help="Sets to build; without a name, list the sets."),
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder to write the files to.")] = Path("data"),
    source: Annotated[
        str | None,
        typer.Option(
            help="Read the set from this file, folder, URL or name on the Hugging Face hub."
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Largest number of source prompts; the published size by default."
        ),
    ] = None,
    test_share: Annotated[float, typer.Option(help="Share of the prompts in the test file.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample and of the split.")] = 0,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Write JSON Lines instead of parquet.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Let the system message not ask for the chain.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Build question files from public data sets; without a name, list the sets.

    Examples:
        gtalign data build
        gtalign data build ambig_qa minerva --to data
        gtalign data build math-level-5 --source MATH-Hard.parquet --size 500
    """
    if not names:
        if as_json:
            print_json({"sets": [known.to_json() for known in SOURCES.values()]})
        else:
            print_sources(SOURCES.values())
        return
    results = []
    for built in build_sets(
        names,
        to,
        location=source,
        size=size,
        test_share=test_share,
        seed=seed,
        suffix=".jsonl" if jsonl else ".parquet",
        chain=not plain,
    ):
        print_built(built)
        results.append(built.to_json())
    if as_json:
        print_json({"built": results})
