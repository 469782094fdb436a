"""Drills: matrices to solve, drawn at random, with their solution written out."""

import json
from dataclasses import dataclass
from typing import Final

import numpy as np

from gtalign.chain import work_out
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.tasks import Message

ASKED: Final = "solve."
"""What the user says in a drill."""


@dataclass(frozen=True, slots=True)
class Drill:
    """A matrix to solve: an exercise without a question.

    Args:
        messages: The conversation.
        given: The beginning of the answer, which is handed to the model.
        text: The whole answer.
    """

    messages: tuple[Message, ...]
    given: str
    text: str


def drill(rng: np.random.Generator, form: GameForm = USER_LLM, size: int = 5) -> Drill:
    """Draw a matrix of whole payoffs in [-size, size], with its solution.

    Every other matrix is a close call, as the smallest edit that moves an optimum leaves it: the
    two highest sums differ by one at most. A small model that meets few of them adds rightly and
    then overlooks that 9 is more than 8. Every other close call is one near the top of the range,
    where the matrices of a trained model have theirs: it would overlook that 10 is more than 9.

    Args:
        rng: Source of chance.
        form: The game.
        size: Greatest payoff, 1 or more.

    Returns:
        The task as a `Drill`.
    """
    payoffs = rng.integers(-size, size + 1, (*form.shape, 2))
    if payoffs.size > 2 and rng.random() < 0.5:
        _close(payoffs.reshape(-1, 2), rng, size)
    game = Bimatrix(form, payoffs.astype(float))
    given = f"<payoff>{compact(game)}</payoff><analyze>"
    text = f"{given}{work_out(game).text}</analyze>"
    return Drill((Message(role="user", content=ASKED),), given, text)


def _close(cells: np.ndarray, rng: np.random.Generator, size: int) -> None:
    """Give two cells sums that differ by one at most, and every other cell a lower one, in place.

    Args:
        cells: Payoffs (cells, 2).
        rng: Source of chance.
        size: Greatest payoff.
    """
    first, second = rng.choice(len(cells), 2, replace=False)
    high = 2 * size
    top = int(rng.integers(max(0, high - 2) if rng.random() < 0.5 else 0, high + 1))
    near = top - int(rng.integers(0, 2))
    sums = {first: top, second: near}
    for cell, payoffs in enumerate(cells):
        before = int(payoffs.sum())
        total = sums.get(cell, min(before, near - 1))
        if total != before:
            payoffs[0] = rng.integers(max(-size, total - size), min(size, total + size) + 1)
            payoffs[1] = total - payoffs[0]


def compact(game: Bimatrix) -> str:
    """Return the JSON of a matrix without spaces, whole numbers without decimals."""
    cells = {
        cell: {side: int(x) if x.is_integer() else x for side, x in payoffs.items()}
        for cell, payoffs in game.to_json().items()
    }
    return json.dumps(cells, separators=(",", ":"))
