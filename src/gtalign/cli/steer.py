"""``gtalign steer``: answer questions under pricing policies, and show what each changes."""

import asyncio
import logging
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtalign.cli import AsJsonLines, changes
from gtalign.cli.show.steered import Printer, print_json
from gtalign.config import load
from gtalign.data.asked import read_asked
from gtalign.evaluation.steering.answers import steered_answers
from gtalign.steering import Sampling, SteeringSettings, load_policy, open_backend

log = logging.getLogger(__name__)


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_OR_URL",
            help="A checkpoint directory, gguf:FILE, package:NAME, or the address of a model server"
            " such as http://127.0.0.1:8000/v1.",
        ),
    ],
    policies: Annotated[
        list[str],
        typer.Option(
            "--policy", help="A policy file, or the name of a built-in policy; repeatable."
        ),
    ],
    question: Annotated[
        str,
        typer.Option(
            help="The question, a file with its text, a file of questions (.parquet, .jsonl), or -"
            " for standard input."
        ),
    ] = "-",
    mode: Annotated[
        str | None,
        typer.Option(
            help="observe changes nothing; advise (the default) edits the matrix; enforce also"
            " states the choice."
        ),
    ] = None,
    bare: Annotated[
        bool,
        typer.Option(
            help="Give the model no instruction for the chain; for models trained without it."
        ),
    ] = False,
    overrides: Annotated[
        list[str] | None, changes("price.output=60", "Change one key of every policy")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with the settings of steering.")
    ] = None,
    fallback: Annotated[
        str | None,
        typer.Option(
            help="If a server cannot continue an edited text: none (the default) stops, reask asks"
            " again."
        ),
    ] = None,
    served: Annotated[
        str | None, typer.Option("--model", help="Name of the model on the server.")
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model's tokenizer, whose chat template renders the prompt for a"
            " server that only continues plain text."
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("-n", min=1, help="Number of answers to each question.")
    ] = 1,
    limit: Annotated[
        int, typer.Option(min=1, help="Largest number of questions read from a file.")
    ] = 10,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 2048,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="Sampling temperature; 0 takes the likeliest token.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Sampling seed.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Append transcripts with their decisions to this file.")
    ] = None,
    as_json: AsJsonLines = False,
) -> None:
    r"""Answer questions under pricing policies, and steer each answer.

    The policy edits the payoff matrix while the model writes its answer.
    GTALIGN_UPSTREAM_KEY holds the API key of a server.

    Example:
        gtalign steer runs/lab/seed-0/mutual/checkpoint \
            --bare --policy per-token \
            --question "say momo of siton is a nurse. what is the job of momo?"
    """
    options = {
        "mode": ("--mode", mode),
        "fallback": ("--fallback", fallback),
        "instruct": ("--bare", False if bare else None),
    }
    settings = load(SteeringSettings, config, options=options)
    chosen = [load_policy(name, overrides or ()) for name in policies]
    asked = read_asked(question, limit, sys.stdin, "--question")
    show = print_json if as_json else Printer(Console())

    async def answer_all() -> None:
        reask = settings.fallback == "reask"
        opened = await open_backend(model, model=served, tokenizer=tokenizer, fallback_reask=reask)
        log.info("steering %s", opened.backend.name)
        answers = steered_answers(
            opened,
            chosen,
            settings,
            asked,
            sampling=Sampling(temperature=temperature, seed=seed),
            max_tokens=max_tokens,
            count=count,
            out=out,
        )
        async with aclosing(opened.backend), aclosing(answers):
            async for item, answer in answers:
                show(item, answer)

    asyncio.run(answer_all())
