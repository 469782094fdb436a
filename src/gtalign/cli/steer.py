"""``gtalign steer``: answer questions under pricing policies, and show what each changes."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtalign.cli import options
from gtalign.cli.show.steered import Printer, print_as_json
from gtalign.config import load
from gtalign.data.asked import read_asked
from gtalign.evaluation.steering.answers import Opening, answer_questions
from gtalign.game.file import load_game
from gtalign.steering import Sampling, SteeringSettings, load_policy


def command(
    model: Annotated[str, options.ModelOrURL],
    policies: Annotated[list[str], options.Policies],
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
    game: options.Game = None,
    bare: options.Bare = False,
    policy_line: Annotated[
        bool,
        typer.Option(
            "--policy-line",
            help="Name the policy in a line before the question, for a model that was trained on"
            " such lines; use it with --mode observe.",
        ),
    ] = False,
    overrides: Annotated[
        list[str] | None, options.changes("price.output=60", "Change one key of every policy")
    ] = None,
    config: Annotated[
        Path | None, options.settings_of("steering", says="Settings of steering")
    ] = None,
    fallback: Annotated[
        str | None,
        typer.Option(
            help="If a server cannot continue an edited text: none (the default) stops, reask asks"
            " again."
        ),
    ] = None,
    served: options.ServedName = None,
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
    as_json: options.AsJsonLines = False,
) -> None:
    r"""Answer questions under pricing policies, and steer each answer.

    The policy edits the payoff matrix while the model writes its answer. Cells
    are named by the action of the user, DQ (a detailed question) or VQ (a vague
    one), and of the LLM: DA (answers), CQ (asks back) or AQ (answers and asks);
    --game names another game.
    GTALIGN_UPSTREAM_KEY holds the API key of a server.

    Example:
        gtalign steer runs/lab/seed-0/mutual/checkpoint \
            --bare --policy per-token \
            --question "say momo of siton is a nurse. what is the job of momo?"
    """
    given = {
        "mode": ("--mode", mode),
        "fallback": ("--fallback", fallback),
        "instruct": ("--bare", False if bare else None),
        "policy_line": ("--policy-line", policy_line or None),
    }
    settings = load(SteeringSettings, config, options=given)
    chosen = [load_policy(name, overrides or ()) for name in policies]
    asked = read_asked(question, limit, sys.stdin, "--question")
    opened = Opening(model, served, tokenizer, reask=settings.fallback == "reask")
    answer_questions(
        opened,
        chosen,
        settings,
        asked,
        print_as_json if as_json else Printer(Console()),
        sampling=Sampling(temperature=temperature, seed=seed),
        max_tokens=max_tokens,
        count=count,
        out=out,
        form=load_game(game),
    )
