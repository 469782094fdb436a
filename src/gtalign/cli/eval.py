"""``gtalign eval``: let a model answer questions, score the answers and report."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtalign.cli import options
from gtalign.cli.failures import FAILED
from gtalign.cli.show.progress import progress_bar
from gtalign.cli.show.result import print_result, results_only
from gtalign.cli.show.run import facts_of, print_answers
from gtalign.cli.show.scored import say
from gtalign.cli.show.table import clean
from gtalign.config import load
from gtalign.evaluation.evaluate import plan, run
from gtalign.evaluation.settings import EvalRun
from gtalign.transcripts import read_transcripts
from gtalign.transcripts.summary import Summary


def command(
    config: Annotated[Path, options.settings_of("eval")],
    out: options.RunFolder = Path("runs/eval"),
    overrides: Annotated[list[str] | None, options.changes("limit=50")] = None,
    game: options.Game = None,
    dry_run: options.DryAsking = False,
    tables: options.Tables = False,
    as_json: options.AsJson = False,
) -> None:
    """Let a model answer questions, judge and score the answers, and report.

    The model is a checkpoint, or a model behind an OpenAI-compatible server.
    You can stop a run at any time; the same command resumes it. The report is
    in OUT; gtalign compare reads OUT/transcripts.jsonl. The exit code is 1 if
    no answer could be read or scored, or if all have the same reward.

    Examples:
        gtalign eval --config small --dry-run
        gtalign eval --config small --out runs/eval
    """
    settings = load(EvalRun, config, overrides or [], {"game": ("--game", game)})
    if dry_run:
        print_result(plan(settings), as_json=as_json)
        return
    with results_only(), progress_bar() as progress:
        bar = progress.add_task("answers", total=None)

        def show(done: int, total: int, problem: str | None) -> None:
            progress.update(bar, completed=done, total=total)
            if problem is not None:
                progress.console.print(problem, markup=False)

        result = run(settings, out, options.command_line(), show)
    found = Summary.of(read_transcripts(Path(result["transcripts"])))
    problem = found.problem(asked=True)
    if as_json:
        print_result({**result, **found.to_json(), "problem": problem}, as_json=True)
    else:
        console = Console()
        print_answers(console, found.groups(every=tables), problem, facts_of(result))
        for line in found.alike():
            say(console, clean(line))
    if problem is not None:
        raise typer.Exit(FAILED)
