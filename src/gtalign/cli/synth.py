"""``gtalign synth``: teachers write chains for training."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated

from gtalign.cli import options
from gtalign.cli.engine import EngineName, Processes, engine_named
from gtalign.cli.show.progress import progress_bar
from gtalign.cli.show.result import print_result
from gtalign.config import load
from gtalign.synthesis import ColdStartConfig, count_questions
from gtalign.synthesis.run import plan, run


def command(
    config: Annotated[Path, options.settings_of("synth")],
    out: options.RunFolder = Path("runs/synth"),
    overrides: Annotated[list[str] | None, options.changes("candidates=3")] = None,
    game: options.Game = None,
    engine: EngineName = "here",
    processes: Processes = None,
    dry_run: options.DryAsking = False,
    as_json: options.AsJson = False,
) -> None:
    r"""Let teachers write chains for each question, judge them and keep the best.

    You can stop a run at any time; the same command resumes it and repeats no
    finished request. OUT/kept.jsonl holds the kept chains for gtalign sft.

    Examples:
        gtalign synth --config two-teachers --dry-run
        gtalign synth --config two-teachers \
            --out runs/cold-start
    """
    settings = load(ColdStartConfig, config, overrides or [], {"game": ("--game", game)})
    if dry_run:
        print_result(plan(settings), as_json=as_json)
        return
    check = partial(count_questions, settings)
    with engine_named(engine, processes, check) as elsewhere, progress_bar() as progress:
        bar = progress.add_task("candidates", total=None)

        def show(done: int, total: int, failures: Counter[str]) -> None:
            failed = f", {failures.total()} failed" if failures else ""
            description = f"candidates{failed}"
            progress.update(bar, completed=done, total=total, description=description)

        result = run(settings, out, show, elsewhere)
    print_result(result, as_json=as_json)
