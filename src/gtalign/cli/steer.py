"""``gtalign steer``: answer questions under pricing policies, and show what each policy changes."""

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
            help="A checkpoint directory, or the address of a model server such as"
            " http://127.0.0.1:8000/v1.",
        ),
    ],
    policies: Annotated[
        list[str],
        typer.Option("--policy", help="A policy file, or the name of one that ships; repeatable."),
    ],
    question: Annotated[
        str,
        typer.Option(
            help="The question; or a file with its text, or with rows (.parquet, .jsonl); or -, for"
            " standard input."
        ),
    ] = "-",
    mode: Annotated[
        str | None, typer.Option(help="observe, advise (the default) or enforce.")
    ] = None,
    bare: Annotated[
        bool,
        typer.Option(help="Give no instruction for the chain: the model was trained without one."),
    ] = False,
    overrides: Annotated[
        list[str] | None, changes("price.output=60", "Change one key of every policy")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of steering settings.")] = None,
    fallback: Annotated[
        str | None,
        typer.Option(
            help="none (the default), or reask: ask again if a server cannot continue edited text."
        ),
    ] = None,
    served: Annotated[str | None, typer.Option("--model", help="Model of the server.")] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model's tokenizer: its chat template renders the prompt for a"
            " server that continues plain text only."
        ),
    ] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="Answers to each question.")] = 1,
    limit: Annotated[int, typer.Option(min=1, help="Most rows of a file.")] = 10,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 2048,
    temperature: Annotated[float, typer.Option(min=0.0, help="Sampling temperature.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Sampling seed.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Append transcripts with their decisions to this file.")
    ] = None,
    as_json: AsJsonLines = False,
) -> None:
    """Answer questions under pricing policies, steering each answer while it is written.

    The key of a server is read from GTALIGN_UPSTREAM_KEY.

    Example:
        gtalign steer runs/lab/seed-0/mutual/checkpoint --bare --policy per-token \
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
