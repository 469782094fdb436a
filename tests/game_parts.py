"""Games of other shapes, and a scripted model that plays them."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway_parts import Served, config_of, opened_before
from gtalign.game import GameForm
from gtalign.game.file import load_game
from gtalign.game.traits import Sign, TokenUse, Traits
from gtalign.gateway.served import Models
from gtalign.gateway.upstream import Upstream
from gtalign.steering import FakeBackend


def grid(size: int) -> GameForm:
    """A game of as many actions on each side, each of which begins with its own word."""
    llm = {f"L{n}": f"does the thing number {n} for the user" for n in range(size)}
    traits = {
        name: Traits(Sign(first_line=(name,)), TokenUse(200.0 + 600 * n), "DA" if n == 0 else None)
        for n, name in enumerate(llm)
    }
    user = {f"U{n}": f"wants the thing number {n}" for n in range(size)}
    return GameForm(user, llm, traits, f"grid {size}")


CODING = load_game("coding")
FORMS = {"2x2": grid(2), "2x3": CODING, "4x4": grid(4)}


def response_of(form: GameForm, action: str) -> str:
    """A response that shows an action."""
    if form == CODING:
        return {"ACT": "Done. It is renamed.", "PLAN": "Plan: rename it. Shall I?"}.get(
            action, "Which file do you mean?"
        )
    return f"{action} is done."


def matrix_of(form: GameForm) -> dict[str, dict[str, float]]:
    """A matrix whose best cell is the last one, until its tokens are charged."""
    last = len(form.cells) - 1
    return {
        cell: {"LLM": round(1 + 2 * n / last, 1), "user": round(2 + 1.5 * n / last, 1)}
        for n, cell in enumerate(form.cells)
    }


def _after(form: GameForm, matrix: dict[str, dict[str, float]]) -> str:
    cell = max(matrix, key=lambda key: matrix[key]["LLM"] + matrix[key]["user"])
    response = response_of(form, cell.partition("_")[2])
    return f"\n<analyze>choose {cell}.</analyze>\n<response>{response}</response>"


def player(form: GameForm) -> FakeBackend:
    """A backend that states a matrix, and does what the matrix before it says."""

    def write(messages: Sequence[Any], begun: str) -> str:
        head, closed, tail = begun.partition("</payoff>")
        if closed:
            rest = _after(form, json.loads(head.partition("<payoff>")[2]))
            return rest[len(tail) :] if rest.startswith(tail) else ""
        payoff = json.dumps(matrix_of(form))
        whole = f"<thinking>Look.</thinking>\n<payoff>{payoff}</payoff>"
        whole += _after(form, matrix_of(form))
        return whole[len(begun) :] if whole.startswith(begun) else ""

    return FakeBackend(write)


@asynccontextmanager
async def served_game(
    folder: Path, form: GameForm, **settings: Any
) -> AsyncGenerator[Served, None]:
    """A gateway whose model plays a game."""
    models = Models.of_one(Upstream(player(form), "toy", "toy-1", form=form))
    async with opened_before(config_of(folder, **settings), models) as found:
        yield found
