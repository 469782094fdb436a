"""``gtalign judges``: are the judges right?"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gtalign.cli import AsJson
from gtalign.cli.show.progress import progress_bar
from gtalign.cli.show.table import print_table
from gtalign.config import load
from gtalign.judges import JudgeCheck, Judges, JudgesConfig, LabelledAnswer, Share, check_judge
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.labelled import read_labelled

app = typer.Typer(add_completion=False)


@app.callback()
def command() -> None:
    """Judges: hold them against people's labels.

    Example:
        gtalign judges check labelled.jsonl --judge judges.toml
    """


@app.command("check")
def check_labels(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON Lines: transcripts, verl dumps or chat logs. Some rows have a 'label', a"
            " person's score on the scale of the task."
        ),
    ],
    judge: Annotated[
        Path | None, typer.Option(help="A TOML file of judges; rules alone by default.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="The task of rows that name none, such as plain chat logs.")
    ] = TASK,
    good_from: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Least score of a good answer, as a share of the task's best score."
        ),
    ] = 0.5,
    pairs: Annotated[
        int, typer.Option(min=0, help="Most pairs of answers that each model compares.")
    ] = 100,
    workers: Annotated[int, typer.Option(min=1, help="Most judgements under way at once.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the intervals, and of the pairs drawn.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Hold judges against people's labels: agreement, error rates and position bias.

    Rows with a label show how far the judge agrees with people, and which
    share of good and of bad answers it recognises. Rows without a label show
    the share of good answers: as the judge says, and corrected for its errors.
    Where one question has a better and a worse labelled answer, each model
    behind an endpoint compares the two in both orders.

    Examples:
        gtalign judges check labelled.jsonl
        gtalign judges check labelled.jsonl --judge judges.toml --task medium --json
    """
    config = JudgesConfig() if judge is None else load(JudgesConfig, judge)
    answers = read_labelled(file, task)
    rng = np.random.default_rng(seed)
    found = asyncio.run(_check(config, answers, rng, good_from, pairs, workers))
    if as_json:
        print(json.dumps(found.to_json()))
        return
    console = Console()
    print_table(console, "agreement with people's labels, with 95% intervals", _agreement(found))
    print_table(console, "share of good and bad answers that the judge recognises", _errors(found))
    if any(check.rate is not None for check in found.tasks):
        print_table(console, "share of good answers among those without a label", _rates(found))
    if found.positions:
        print_table(console, "pairs compared in both orders", _positions(found))
    for name, count, reason in [
        *((t.task, t.unscored, t.reason) for t in found.tasks),
        *((p.judge, p.unscored, p.reason) for p in found.positions),
    ]:
        if count:
            typer.echo(f"{name}: {count} without a verdict; the last: {reason}", err=True)
    for check in found.tasks:
        if check.unlabelled and check.no_rate is not None:
            typer.echo(f"{check.task}: the rate is not corrected: {check.no_rate}", err=True)


async def _check(
    config: JudgesConfig,
    answers: Sequence[LabelledAnswer],
    rng: np.random.Generator,
    good_from: float,
    pairs: int,
    workers: int,
) -> JudgeCheck:
    async with Judges(config) as panel:
        with progress_bar() as progress:
            bar = progress.add_task("answers", total=len(answers))
            return await check_judge(
                panel,
                answers,
                rng,
                endpoints=panel.endpoints,
                good_from=good_from,
                pairs=pairs,
                workers=workers,
                progress=lambda done, _: progress.update(bar, completed=done),
            )


def _agreement(found: JudgeCheck) -> Table:
    table = _table("task", "labels", "same score", "Krippendorff's alpha")
    for task in found.tasks:
        alpha = _with_interval(task.alpha, task.alpha_low, task.alpha_high)
        table.add_row(Text(task.task), str(task.labelled), _share(task.same), alpha)
    return table


def _errors(found: JudgeCheck) -> Table:
    table = _table("task", "good called good", "bad called bad")
    for task in found.tasks:
        table.add_row(Text(task.task), _share(task.sensitivity), _share(task.specificity))
    return table


def _rates(found: JudgeCheck) -> Table:
    table = _table("task", "answers", "as the judge says", "corrected")
    for task in found.tasks:
        if (rate := task.rate) is not None:
            true = _with_interval(rate.value, rate.low, rate.high)
            table.add_row(Text(task.task), str(rate.n), f"{rate.reported:.2f}", true)
    return table


def _positions(found: JudgeCheck) -> Table:
    table = _table("judge", "pairs", "same both ways", "prefers the first", "as labelled")
    for check in found.positions:
        shares = (check.consistent, check.first, check.right)
        table.add_row(Text(check.judge), str(check.pairs), *map(_share, shares))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _share(share: Share) -> str:
    return _with_interval(share.value, share.low, share.high)


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if low is None or high is None else f" [{low:.2f}, {high:.2f}]")
