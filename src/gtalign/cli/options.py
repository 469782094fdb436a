"""Options that several commands take."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gtalign.config import Config, find

RunFolder = Annotated[
    Path, typer.Option("--out", help="Run directory; the command resumes an interrupted run in it.")
]
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files of questions, parquet or JSON Lines.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Tables = Annotated[
    bool, typer.Option("--tables", help="Print all tables, in full, not the main one alone.")
]
CSVFolder = Annotated[
    Path | None, typer.Option("--csv", help="Write every table as CSV into this folder.")
]
MarkdownFolder = Annotated[
    Path | None,
    typer.Option("--markdown", help="Write the tables as Markdown into this folder."),
]
LaTeXFolder = Annotated[
    Path | None, typer.Option("--latex", help="Write the tables for LaTeX into this folder.")
]
DryTraining = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and the memory it needs; load nothing.")
]
DryAsking = Annotated[
    bool, typer.Option("--dry-run", help="Print the number of requests to each model; send none.")
]

TaskName = Annotated[
    str, typer.Option("--task", help="Task of rows that name no task, such as plain chat logs.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=1, help="Largest number of judgements at once.")
]
ModelOrURL = typer.Argument(
    metavar="MODEL_OR_URL",
    help="A checkpoint directory, gguf:FILE, package:NAME, or the address of a model server such as"
    " http://127.0.0.1:8000/v1.",
)
ServedName = Annotated[str | None, typer.Option("--model", help="Name of the model on the server.")]
QuestionFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="QUESTIONS...", help="Files of questions (.parquet, .jsonl) or of transcripts."
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        help="The model to compare with the others; by default mutual, or else the last one."
    ),
]
Policies = typer.Option(
    "--policy", help="A policy file, or the name of a built-in policy; repeatable."
)
Bare = Annotated[
    bool,
    typer.Option(
        "--bare",
        help="Send no instruction for the chain: the model was trained to write chains without it.",
    ),
]

Game = Annotated[
    str | None,
    typer.Option(
        "--game",
        metavar="FILE|NAME",
        help="The game that chains are about: a TOML file, or a name that `gtalign examples` lists;"
        " by default that of one assistant turn.",
    ),
]


def settings_of(kind: str, option: str = "--config", says: str = "Settings of the run") -> Any:
    """The option that names a configuration: a TOML file, or one that comes with the package.

    Args:
        kind: What it configures, as `gtalign.config.find` takes it.
        option: Its name.
        says: Beginning of its help.
    """

    def resolve(value: Path | None) -> Path | None:
        return None if value is None else find(kind, value)

    return typer.Option(
        option,
        metavar="FILE|NAME",
        callback=resolve,
        help=f"{says}: a TOML file, or a name that `gtalign examples` lists.",
    )


def run_settings() -> tuple[type[Config], ...]:
    """Return the settings of every command that has a reward; its module is imported now."""
    from gtalign.evaluation.settings import EvalRun
    from gtalign.lab.config import LabConfig
    from gtalign.synthesis import ColdStartConfig
    from gtalign.training.rl_run import RLRun
    from gtalign.training.sft_run import SFTRun

    return EvalRun, RLRun, SFTRun, LabConfig, ColdStartConfig


def changes(example: str, says: str = "Change one key") -> Any:
    """The option that changes keys of a configuration.

    Args:
        example: A change, for its help.
        says: Beginning of its help.
    """
    return typer.Option("--set", metavar="KEY=VALUE", help=f"{says}, such as {example}.")


def command_line() -> str:
    """Return the command as it was typed, for reports."""
    return shlex.join(["gtalign", *sys.argv[1:]])
