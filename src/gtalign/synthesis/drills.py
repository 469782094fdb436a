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

    Args:
        rng: Source of chance.
        form: The game.
        size: Greatest payoff.
    """
    payoffs = rng.integers(-size, size + 1, (*form.shape, 2)).astype(float)
    game = Bimatrix(form, payoffs)
    given = f"<payoff>{compact(game)}</payoff><analyze>"
    text = f"{given}{work_out(game).text}</analyze>"
    return Drill((Message(role="user", content=ASKED),), given, text)


def compact(game: Bimatrix) -> str:
    """Return the JSON of a matrix without spaces, whole numbers without decimals."""
    cells = {
        cell: {side: int(x) if x.is_integer() else x for side, x in payoffs.items()}
        for cell, payoffs in game.to_json().items()
    }
    return json.dumps(cells, separators=(",", ":"))
