"""``gtalign data check``: find wrong rows, duplicates and questions shared with test files."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.failures import BAD_INPUT
from gtalign.cli.show.questions import print_checked
from gtalign.cli.show.result import print_json
from gtalign.config import load
from gtalign.data.check import check
from gtalign.data.duplicates import DuplicateConfig
from gtalign.data.leakage import By


def command(
    files: options.Files,
    tests: Annotated[
        list[Path] | None,
        typer.Option(
            "--test", help="A test file: count the questions that it shares with FILE; repeatable."
        ),
    ] = None,
    by: Annotated[
        By,
        typer.Option("--by", help="Compare the last turn (question) or all turns (conversation)."),
    ] = "question",
    overrides: Annotated[list[str] | None, options.changes("threshold=0.7")] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Largest number of problems to print per file.")
    ] = 20,
    as_json: options.AsJson = False,
) -> None:
    r"""Check rows, find duplicates, and count questions shared with test files.

    The exit code is 2 if a row is wrong. Duplicates and shared questions are
    only counted. The keys of --set are threshold, shingle, hashes and seed.

    Examples:
        gtalign data check math-hard-train.parquet --test math-hard-test.parquet
        gtalign data check *-train.parquet --set threshold=0.7 \
            --by conversation --json
    """
    found = check(files, tests or (), load(DuplicateConfig, None, overrides or ()), by, limit)
    if as_json:
        print_json(found.to_json())
    else:
        print_checked(found)
    if found.wrong:
        raise typer.Exit(BAD_INPUT)
