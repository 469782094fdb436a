"""``gtalign judges``: compare judges with people."""

from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.judges import print_check
from gtalign.cli.show.progress import Bar
from gtalign.cli.show.result import print_json
from gtalign.config import load
from gtalign.judges import JudgesConfig
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.labelled import check_file

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
        Path | None, options.settings_of("judges", "--judge", "Judges, by default rules alone")
    ] = None,
    task: options.TaskName = TASK,
    good_from: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Lowest score of a good answer, as a share of the best score."
        ),
    ] = 0.5,
    pairs: Annotated[
        int, typer.Option(min=0, help="Each model compares at most this many pairs of answers.")
    ] = 100,
    workers: options.Workers = 64,
    seed: Annotated[
        int, typer.Option(help="Seed of the intervals and of the sample of pairs.")
    ] = 0,
    as_json: options.AsJson = False,
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
    with Bar() as bar:
        found = check_file(
            file,
            config,
            task=task,
            good_from=good_from,
            pairs=pairs,
            workers=workers,
            seed=seed,
            progress=lambda done, total: bar(done, total, "answers"),
        )
    if as_json:
        print_json(found.to_json())
    else:
        print_check(found)
