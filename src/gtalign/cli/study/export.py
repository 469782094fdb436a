"""``gtalign study export``: draw a blinded study from transcripts."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gtalign.cli import options
from gtalign.cli.show.result import print_json
from gtalign.cli.show.study import print_sample
from gtalign.evaluation.files import read_files, transcript_files
from gtalign.study import About, draw, write_study
from gtalign.study.folder import ASKED, TITLE


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="Answers of several models to the same questions, as for `gtalign compare`; "
            "a folder stands for the runs in it.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the study; a new one.")],
    questions: Annotated[
        int | None,
        typer.Option(min=1, help="Number of questions; all that every model answered by default."),
    ] = None,
    pairs: Annotated[
        bool, typer.Option(help="Whether annotators also choose between two answers.")
    ] = True,
    conversations: Annotated[
        bool,
        typer.Option(
            "--conversations",
            help="Take the conversations of `gtalign converse` in the folders, and nothing else.",
        ),
    ] = False,
    title: Annotated[str, typer.Option(help="Title of the pages.")] = TITLE,
    asked: Annotated[
        str, typer.Option("--ask", help="What annotators are asked of each answer.")
    ] = ASKED,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    r"""Draw a blinded, shuffled and balanced study from the answers of models.

    Every model answers every question of the study once. Annotators see the
    question and the response as its user sees it, in an order of their own;
    who wrote it stands in key.jsonl, which only the analysis reads.

    Example:
        gtalign study export samples/before.jsonl samples/after.jsonl \
            --out study --questions 12
    """
    by_file = read_files(transcript_files(files, "conversations" if conversations else "answers"))
    answers = [transcript for held in by_file.values() for transcript in held]
    sample = draw(
        answers,
        rng=np.random.default_rng(seed),
        questions=questions,
        pairs=pairs,
        conversations=conversations,
    )
    write_study(out, About(title, asked, seed), sample.items, sample.keys)
    if as_json:
        print_json({"study": str(out), **sample.to_json()})
    else:
        print_sample(out, sample)
