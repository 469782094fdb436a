"""``gtalign converse``: let simulated users talk with a model, and measure the conversations."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gtalign.cli import options
from gtalign.cli.engine import EngineName, Processes, engine_named
from gtalign.cli.failures import FAILED
from gtalign.cli.show.converse import print_conversed
from gtalign.cli.show.progress import Bar
from gtalign.cli.show.result import print_result
from gtalign.config import load
from gtalign.evaluation.dialogue.run import check_conversations, run
from gtalign.evaluation.dialogue.settings import ConverseRun
from gtalign.lab.goals import known_goal


def command(
    model: Annotated[str, options.ModelOrURL],
    questions: options.QuestionFiles,
    bare: options.Bare = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most questions; 200 by default.")
    ] = None,
    matrix: Annotated[
        int | None,
        typer.Option(min=0, help="Questions whose payoff matrix is played; none by default."),
    ] = None,
    served: options.ServedName = None,
    config: Annotated[Path | None, options.settings_of("converse")] = None,
    overrides: Annotated[list[str] | None, options.changes("turns=3")] = None,
    game: options.Game = None,
    out: options.RunFolder = Path("runs/converse"),
    engine: EngineName = "here",
    processes: Processes = None,
    tables: options.Tables = False,
    as_json: options.AsJson = False,
) -> None:
    """Let simulated users talk with a model, and measure the conversations.

    Each user has a goal that the model does not see. The same questions are
    asked in three arms: one answer only (baseline), nothing left out (full),
    and with replies (ask). --matrix also forces each action, plays it out, and
    compares what it brought with the payoffs that the model states. The model
    may be a checkpoint, a server or a gateway. You can stop a run at any time;
    the same command resumes it. OUT keeps every turn. GTALIGN_UPSTREAM_KEY
    holds the API key of a server. The exit code is 1 if all conversations fail.

    Examples:
        gtalign converse runs/lab/seed-0/mutual --bare \\
            runs/lab/seed-0/mutual/transcripts.jsonl --limit 50
        gtalign converse http://127.0.0.1:8000/v1 ambig_qa-test.parquet \\
            --config users
    """
    given: dict[str, tuple[str, Any]] = {
        "model": ("MODEL_OR_URL", model),
        "questions": ("QUESTIONS", [str(file.resolve()) for file in questions]),
        "limit": ("--limit", limit),
        "matrix": ("--matrix", matrix),
        "served": ("--model", served),
        "game": ("--game", game),
        "instruct": ("--bare", "none" if bare else None),
    }
    settings = load(ConverseRun, config, overrides or (), given)
    check = partial(check_conversations, settings, known_goal)
    with (
        engine_named(engine, processes, check) as elsewhere,
        Bar(amount="{task.completed:.0f} of {task.total:.0f}") as bar,
    ):

        def show(done: int, of: int, why: str | None) -> None:
            bar(done, of, "conversations", why)

        found = run(settings, out, known_goal, show, elsewhere)
    if as_json:
        print_result(found.to_json(), as_json=True)
    else:
        print_conversed(Console(), found, out, tables=tables)
    if found.problem is not None:
        raise typer.Exit(FAILED)
