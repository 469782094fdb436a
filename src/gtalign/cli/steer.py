"""``gtalign steer``: answer questions under pricing policies, and see what each of them changes."""

import asyncio
import itertools
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gtalign.config import load
from gtalign.data.rows import read_rows
from gtalign.drawing import fixed
from gtalign.errors import DataError
from gtalign.evaluation.steering.transcript import steered_transcript
from gtalign.steering import (
    Ask,
    Decision,
    Sampling,
    Steered,
    Steering,
    SteeringSettings,
    answers,
    load_policy,
    open_backend,
)
from gtalign.tasks import Message, Question
from gtalign.transcripts import TranscriptWriter

log = logging.getLogger(__name__)

ROWS = (".parquet", ".jsonl")


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
        typer.Option(help="What is asked; or a file of it, or of rows (.parquet, .jsonl); or -."),
    ] = "-",
    mode: Annotated[
        str | None, typer.Option(help="observe, advise (the default) or enforce.")
    ] = None,
    bare: Annotated[
        bool,
        typer.Option(help="Give no instruction for the chain: the model was trained without one."),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override of every policy, such as price.output=60."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of steering settings.")] = None,
    fallback: Annotated[
        str | None,
        typer.Option(
            help="none (the default), or reask where a server cannot go on from an edited text."
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
    temperature: Annotated[float, typer.Option(min=0.0, help="Of sampling.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of sampling.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Append transcripts with their decisions to this file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each answer.")
    ] = False,
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
    chosen = [load_policy(name, set_ or ()) for name in policies]
    asked = list(_questions(question, limit))
    sampling = Sampling(temperature=temperature, seed=seed)
    show = _print_json if as_json else Printer(Console())

    async def answer_all() -> None:
        opened = await open_backend(
            model,
            model=served,
            tokenizer=tokenizer,
            fallback_reask=settings.fallback == "reask",
        )
        backend, name = opened.backend, opened.model
        log.info("steering %s", backend.name)
        writer = TranscriptWriter(out) if out is not None else None
        try:
            for item in asked:
                ask = Ask(item.messages, max_tokens, sampling)
                for policy in chosen:
                    steering = Steering(backend, policy, settings, model=name)
                    for answer in await answers(steering, ask, count):
                        show(item, answer)
                        if writer is not None:
                            writer.write(steered_transcript(answer, item, model=name, seed=seed))
        finally:
            if writer is not None:
                writer.close()
            await backend.aclose()

    asyncio.run(answer_all())


def _questions(source: str, limit: int) -> Iterator[Question]:
    """The questions that a text, a file of text, a file of rows or standard input holds."""
    path = Path(source)
    text = source
    if source == "-":
        text = sys.stdin.read()
    elif path.suffix in ROWS:
        yield from itertools.islice(read_rows(path), limit)
        return
    elif len(source) < 4096 and "\n" not in source and path.is_file():
        text = path.read_text(encoding="utf-8")
    if not text.strip():
        raise DataError("--question: nothing is asked")
    message = Message(role="user", content=text.strip())
    yield Question(id="question", task="", messages=(message,), ground_truth="", cluster="question")


def _print_json(question: Question, answer: Steered) -> None:
    line = {
        "question": question.id,
        "response": answer.response,
        "text": answer.text,
        "finish": answer.finish,
        "tokens": answer.tokens,
        "decision": answer.decision.to_json(),
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


class Printer:
    """Shows answers to a person: what was asked once, then each answer with its decision."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._asked: str | None = None

    def __call__(self, question: Question, answer: Steered) -> None:
        """Show one answer."""
        if question.id != self._asked:
            self._asked = question.id
            for message in question.messages:
                self._console.print(Text(f"{message['role']}: {message['content']}", style="bold"))
        decision = answer.decision
        parts: list[Any] = []
        if decision.stated is not None and decision.edited is not None:
            parts += [_matrices(decision), *_terms(decision)]
        if decision.reason is not None:
            parts.append(Text(decision.reason, style="yellow"))
        parts.append(Text(_summary(answer)))
        response = answer.response if answer.response is not None else answer.text
        parts.append(Text(f"\n{response}", style="green"))
        title = f"{escape(decision.policy)} [dim]{decision.policy_hash}[/dim], {decision.mode}"
        self._console.print(Panel(Group(*parts), title=title, title_align="left"))


def _summary(answer: Steered) -> str:
    """What was recommended, chosen and done, in one line."""
    decision = answer.decision
    said = []
    if decision.before is not None and decision.after is not None:
        before, after = decision.before.cell, decision.after.cell
        said.append(f"recommended {after}" + (f" (was {before})" if before != after else ""))
    if decision.chosen is not None:
        said.append(f"analysis chose {decision.chosen}")
    said.append(f"response: {decision.acted or 'unknown action'}")
    said.append(f"{answer.tokens} tokens")
    return "; ".join(said)


def _matrices(decision: Decision) -> Table:
    """Both matrices side by side: what the model wrote, and what it went on from."""
    assert decision.stated is not None and decision.edited is not None
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("cell")
    for name in ("user", "LLM", "sum", "user, edited", "LLM, edited", "sum, edited"):
        shown.add_column(name, justify="right")
    form = decision.stated.form
    for cell in form.cells:
        numbers = []
        for game in (decision.stated, decision.edited):
            user, llm = game.cell(cell)
            numbers += [fixed(user, 1), fixed(llm, 1), fixed(user + llm, 1)]
        for recommended, column in ((decision.before, 2), (decision.after, 5)):
            if recommended is not None and recommended.cell == cell:
                numbers[column] = f"[bold reverse]{numbers[column]}[/]"
        shown.add_row(cell, *numbers)
    return shown


def _terms(decision: Decision) -> Iterator[Text]:
    for term in decision.terms:
        yield Text(f"{term.name} ({term.player}): {term.why}", style="dim")
