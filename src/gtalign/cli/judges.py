"""``gtalign judges``: compare judges with people."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gtalign.cli import AsJson
from gtalign.cli.show.judges import print_check
from gtalign.cli.show.progress import progress_bar
from gtalign.config import load
from gtalign.judges import JudgeCheck, Judges, JudgesConfig, LabelledAnswer, check_judge
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.labelled import read_labelled

app = typer.Typer(add_completion=False)


@app.callback()
def command() -> None:
    """Check how well judges agree with people's labels.

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
        Path | None, typer.Option(help="A TOML file of judges; by default only rules judge.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="Task of rows that name no task, such as plain chat logs.")
    ] = TASK,
    good_from: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Lowest score of a good answer, as a share of the best score."
        ),
    ] = 0.5,
    pairs: Annotated[
        int, typer.Option(min=0, help="Each model compares at most this many pairs of answers.")
    ] = 100,
    workers: Annotated[int, typer.Option(min=1, help="Largest number of judgements at once.")] = 64,
    seed: Annotated[
        int, typer.Option(help="Seed of the intervals and of the sample of pairs.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    r"""Compare judges with people: agreement, error rates and position bias.

    From rows with a label, the command measures how often the judge agrees
    with people, and which share of the good and of the bad answers the judge
    recognises. From rows without a label, it estimates the share of good
    answers: as the judge says, and corrected for the judge's errors. If one
    question has a better and a worse labelled answer, each model behind an
    endpoint compares the two in both orders: this shows position bias.

    Examples:
        gtalign judges check labelled.jsonl
        gtalign judges check labelled.jsonl --judge judges.toml \
            --task medium --json
    """
    config = JudgesConfig() if judge is None else load(JudgesConfig, judge)
    answers = read_labelled(file, task)
    rng = np.random.default_rng(seed)
    found = asyncio.run(_check(config, answers, rng, good_from, pairs, workers))
    if as_json:
        print(json.dumps(found.to_json()))
        return
    print_check(found)


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
