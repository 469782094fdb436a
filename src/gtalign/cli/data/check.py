"""``gtalign data check``: wrong rows, duplicates, and questions shared with test files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import BAD_INPUT, AsJson, Files, changes
from gtalign.cli.show.questions import print_checked
from gtalign.config import load
from gtalign.data.check import check
from gtalign.data.duplicates import DuplicateConfig
from gtalign.data.leakage import By


def command(
    files: Files,
    tests: Annotated[
        list[Path] | None,
        typer.Option("--test", help="A test file; counts what it shares with FILE."),
    ] = None,
    by: Annotated[
        By, typer.Option("--by", help="What to compare: the last turn, or all turns.")
    ] = "question",
    overrides: Annotated[list[str] | None, changes("threshold=0.7")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most problems to print of a file.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Check rows, find duplicates within the files, and count what test files share with them.

    Exit code 2 if a row is wrong. Duplicates and shared questions are counted, not refused.
    The keys of --set are threshold, shingle, hashes and seed.

    Examples:
        gtalign data check math-hard-train.parquet --test math-hard-test.parquet
        gtalign data check *-train.parquet --set threshold=0.7 --by conversation --json
    """
    found = check(files, tests or (), load(DuplicateConfig, None, overrides or ()), by, limit)
    if as_json:
        print(json.dumps(found.to_json()))
    else:
        print_checked(found)
    if found.wrong:
        raise typer.Exit(BAD_INPUT)
