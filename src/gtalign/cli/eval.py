"""``gtalign eval``: let a model answer questions, score the answers and report."""

from pathlib import Path
from typing import Annotated

from gtalign.cli import AsJson, DryAsking, RunConfig, RunFolder, changes, command_line
from gtalign.cli.show.progress import progress_bar
from gtalign.cli.show.result import print_result, results_only
from gtalign.config import load
from gtalign.evaluation.evaluate import plan, run
from gtalign.evaluation.settings import EvalRun


def command(
    config: RunConfig,
    out: RunFolder = Path("runs/eval"),
    overrides: Annotated[list[str] | None, changes("limit=50")] = None,
    dry_run: DryAsking = False,
    as_json: AsJson = False,
) -> None:
    """Let a model answer questions, judge and score the answers, and report.

    The model is a checkpoint, or a model behind an OpenAI-compatible server.
    You can stop a run at any time; the same command resumes it. The report is
    in OUT; gtalign compare reads OUT/transcripts.jsonl.

    Examples:
        gtalign eval --config configs/eval/small.toml --dry-run
        gtalign eval --config configs/eval/small.toml --out runs/eval
    """
    settings = load(EvalRun, config, overrides or [])
    if dry_run:
        print_result(plan(settings), as_json=as_json)
        return
    with results_only(), progress_bar() as progress:
        bar = progress.add_task("answers", total=None)

        def show(done: int, total: int, problem: str | None) -> None:
            progress.update(bar, completed=done, total=total)
            if problem is not None:
                progress.console.print(problem, markup=False)

        result = run(settings, out, command_line(), show)
    print_result(result, as_json=as_json)
