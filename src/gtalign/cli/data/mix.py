"""``gtalign data mix``: mix several tasks in given shares into one file."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.questions import print_mixed
from gtalign.cli.show.result import print_json
from gtalign.config import load
from gtalign.data.mixture import MixtureConfig, mix


def command(
    files: options.Files,
    to: Annotated[Path, typer.Option(help="The file to write: parquet, or .jsonl.")],
    tests: Annotated[
        list[Path] | None,
        typer.Option(
            "--without", help="A test file: leave out questions that also appear in it; repeatable."
        ),
    ] = None,
    config: Annotated[
        Path | None, options.settings_of("mix", says="Settings of the mixture")
    ] = None,
    overrides: Annotated[list[str] | None, options.changes("temperature=2")] = None,
    as_json: options.AsJson = False,
) -> None:
    r"""Mix the tasks of several files in given shares into one file.

    Every row gets our system message; it asks for the chain unless chain=false.
    The keys of --set are weights.TASK, temperature, size, repeat, distinct, by,
    chain, seed and duplicates.threshold.

    Examples:
        gtalign data mix *-train.parquet --to mix-train.parquet \
            --set temperature=2
        gtalign data mix a.parquet b.parquet --to mix.jsonl \
            --set weights.medium=2 --set weights.math-hard=1 --set size=1000 \
            --without a-test.parquet
    """
    if to in files:
        typer.echo(f"{to} is the output; it is not read", err=True)
    mixed = mix(files, to, load(MixtureConfig, config, overrides or ()), tests or ())
    if as_json:
        print_json({"file": str(to), **asdict(mixed)})
    else:
        print_mixed(to, mixed)
