"""A matrix with its solution written out, and drills: such matrices, drawn at random.

A small model that names the optimum straight after its matrix recites what it knows of the
question. Sums that it writes one by one, with the best so far, let the choice follow from the
numbers.
"""

import json
from dataclasses import dataclass
from typing import Final

import numpy as np

from gtalign.game import TOLERANCE, USER_LLM, Bimatrix, GameForm
from gtalign.tasks import Message

ASKED: Final = "solve."
"""What the user says in a drill."""


@dataclass(frozen=True, slots=True)
class Solved:
    """The solution of a matrix.

    Args:
        cell: The cell that the published rule chooses.
        action: The LLM's action of the cell.
        text: The steps to it, as an analyze block.
    """

    cell: str
    action: str
    text: str


def work_out(game: Bimatrix) -> Solved:
    """Solve a matrix by the published rule, and write down every step.

    The rule is the highest sum of payoffs; of equal sums the one with the highest payoff of the
    user, then the first cell (GTAlign, arXiv 2510.08872). The text holds the sum of every cell,
    the LLM's payoff first, as a chain writes it, and repeats the name of a cell that is better
    than all before it: ``DQ_DA 4+3=7 best DQ_DA. DQ_CQ 1+2=3. ... choose DQ_DA.``
    """
    form, steps = game.form, []
    best, best_sum, best_user = form.cells[0], -np.inf, -np.inf
    for cell in form.cells:
        user, llm = game.cell(cell)
        total = user + llm
        step = f"{cell} {llm:g}+{user:g}={round(total, 9):g}"
        tied = abs(total - best_sum) <= TOLERANCE
        if user > best_user + TOLERANCE if tied else total > best_sum:
            best, best_sum, best_user = cell, total, user
            step += f" best {cell}"
        steps.append(f"{step}.")
    action = form.llm_actions[form.index(best)[1]]
    return Solved(best, action, f"{' '.join(steps)} choose {best}.")


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
