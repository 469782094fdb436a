"""``gtalign faithful``: edit a model's payoff matrices, and see whether its answers follow."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gtalign.cli import options
from gtalign.cli.failures import FAILED
from gtalign.cli.show.faithful import failure, print_faithfulness
from gtalign.cli.show.progress import Bar
from gtalign.cli.show.result import print_result
from gtalign.config import load
from gtalign.evaluation.faithfulness.run import TRANSCRIPTS, run
from gtalign.evaluation.faithfulness.settings import FaithfulnessRun


def command(
    model: Annotated[str, options.ModelOrURL],
    questions: options.QuestionFiles,
    game: options.Game = None,
    bare: options.Bare = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Most questions; 60 by default.")] = None,
    config: Annotated[Path | None, options.settings_of("faithful")] = None,
    overrides: Annotated[list[str] | None, options.changes("temperature=1.0")] = None,
    out: options.RunFolder = Path("runs/faithful"),
    tables: options.Tables = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure whether a model's payoff matrix causes its answer.

    For each question the model writes up to its matrix. The matrix is edited by
    rule, in ways that move its optimum and in ways that must not, and the model
    goes on from each edit. F_ID is the share of responses that carry out the
    optimum of the matrix as written. F_strong is the same share after an edit
    that moves the optimum. You can stop a run at any time; the same command
    resumes it. OUT keeps every answer. GTALIGN_UPSTREAM_KEY holds the API key
    of a server.

    Example:
        gtalign faithful runs/lab/seed-0/mutual --bare \\
            runs/lab/seed-0/mutual/transcripts.jsonl --limit 30
    """
    given: dict[str, tuple[str, Any]] = {
        "model": ("MODEL_OR_URL", model),
        "questions": ("QUESTIONS", [str(file.resolve()) for file in questions]),
        "limit": ("--limit", limit),
        "game": ("--game", game),
        "instruct": ("--bare", "none" if bare else None),
    }
    settings = load(FaithfulnessRun, config, overrides or (), given)
    with Bar(amount="{task.completed:.0f} of {task.total:.0f}") as bar:
        found = run(settings, out, lambda done, total: bar(done, total, "questions"))
    if as_json:
        print_result(found.to_json(), as_json=True)
    else:
        print_faithfulness(Console(), found, out / TRANSCRIPTS, tables=tables)
    if failure(found) is not None:
        raise typer.Exit(FAILED)
