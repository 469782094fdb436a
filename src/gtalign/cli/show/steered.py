"""Steered answers: for a person, or as JSON."""

import re
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gtalign.cli.show.result import print_json
from gtalign.cli.show.table import clean
from gtalign.cli.show.words import actions
from gtalign.drawing import fixed
from gtalign.steering import Decision, Steered
from gtalign.tasks import Question


def print_as_json(question: Question, answer: Steered) -> None:
    """Print an answer with its decision as one JSON object."""
    line = {
        "question": question.id,
        "response": answer.response,
        "text": answer.text,
        "finish": answer.finish,
        "tokens": answer.tokens,
        "decision": answer.decision.to_json(),
    }
    print_json(line)


class Printer:
    """Shows answers to a person: what was asked once, then each answer with its decision."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._asked: str | None = None

    def __call__(self, question: Question, answer: Steered) -> None:
        """Show one answer."""
        if question.id != self._asked:
            first, self._asked = self._asked is None, question.id
            if first:
                self._console.print(Text(actions(answer.decision.form), style="dim"))
            for message in question.messages:
                said = f"{message['role']}: {_readable(message['content'])}"
                self._console.print(Text(said, style="bold"))
        decision = answer.decision
        parts: list[Any] = []
        if decision.stated is not None and decision.edited is not None:
            parts += [_matrices(decision), *_terms(decision)]
        if decision.reason is not None:
            parts.append(Text(decision.reason, style="yellow"))
        parts.append(Text(answer.summary))
        response = answer.response if answer.response is not None else answer.text
        parts.append(Text(f"\n{_readable(response)}", style="green"))
        title = f"{escape(decision.policy)} [dim]{decision.policy_hash}[/dim], {decision.mode}"
        self._console.print(Panel(Group(*parts), title=title, title_align="left"))


def _readable(text: str) -> str:
    """A text without what a terminal would obey, and with one empty line in place of many."""
    lines = "\n".join(clean(line.replace("\t", "    ")) for line in text.splitlines())
    return re.sub(r"\n(?:[^\S\n]*\n){2,}", "\n\n", lines).strip()


def _matrices(decision: Decision) -> Table:
    """Both matrices side by side: what the model wrote, and what it continued from."""
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
