"""Counterfactual chains: what a model should write if its matrix were another one.

A chain that was written keeps its thinking. Its matrix is edited, as a pricing policy would do, or
drawn anew; the analysis is worked out from the edited numbers, and the response carries out what it
chooses. A model learns only what comes after the matrix. The idea of training on perturbed steps:
Counterfactual sensitivity (arXiv 2509.01544).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import Chain, work_out
from gtalign.game import TOLERANCE, Bimatrix
from gtalign.synthesis.drills import compact

LOW, HIGH = -5.0, 5.0
"""Range of the payoffs of a chain."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """A chain with an edited matrix.

    Args:
        given: Its beginning up to the analysis, which is handed to the model.
        text: The whole chain.
        action: The LLM action that the edited matrix recommends, and that the response carries out.
    """

    given: str
    text: str
    action: str


def edited(game: Bimatrix, rng: np.random.Generator) -> Bimatrix:
    """Draw an edit of a matrix; payoffs get no further decimals and stay in range.

    Two edits in nine are a charge of up to 8 points on each LLM action to one player, as pricing
    makes it; two bring a cell of another LLM action within a point of the best sum (`_raise`); one
    each puts the LLM actions, the payoffs of one player, or the cells of both into another order;
    one draws the matrix anew, and one changes nothing.

    Args:
        game: The matrix as written.
        rng: Source of chance.
    """
    payoffs = np.array(game.payoffs)
    rows, columns, _ = payoffs.shape
    match int(rng.integers(9)):
        case 0:
            pass
        case 1 | 2:
            payoffs[:, :, int(rng.integers(2))] -= rng.integers(0, 9, columns)
        case 3:
            payoffs = payoffs[:, rng.permutation(columns)]
        case 4:
            side = int(rng.integers(2))
            payoffs[:, :, side] = rng.permutation(payoffs[:, :, side].reshape(-1)).reshape(
                rows, columns
            )
        case 5:
            payoffs = rng.permutation(payoffs.reshape(rows * columns, 2)).reshape(payoffs.shape)
        case 6 | 7:
            _raise(payoffs, rng)
        case _:
            payoffs = rng.integers(int(LOW), int(HIGH) + 1, payoffs.shape).astype(float)
    return Bimatrix(game.form, np.clip(payoffs, LOW, HIGH) + 0.0)


def _raise(payoffs: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Bring the sum of a cell within a point of the best one, or as near as the range allows.

    A model that recites what it knows of a question follows an edit of the whole matrix, and
    overlooks one number that tips the balance. So it sees such numbers, and others that just fail
    to.

    Args:
        payoffs: Payoffs ``[m, n, 2]``, changed in place. The cell is one of an LLM action that is
            not optimal; if every action is, nothing changes.
        rng: Source of chance.
    """
    sums = payoffs.sum(axis=-1)
    others = np.flatnonzero(sums.max(axis=0) < sums.max() - TOLERANCE)
    if len(others):
        row, column = rng.integers(len(payoffs)), rng.choice(others)
        missing = sums.max() - sums[row, column] + rng.integers(-1, 2)
        for side in rng.permutation(2):
            step = min(missing, HIGH - payoffs[row, column, side])
            payoffs[row, column, side] += step
            missing -= step


def counterfactual(
    chain: Chain, rng: np.random.Generator, respond: Callable[[str], str]
) -> Counterfactual:
    """Write a chain anew from an edit of its matrix on.

    Args:
        chain: A chain.
        rng: Source of chance.
        respond: Writes a response that carries out an LLM action.
    """
    matrix = edited(chain.payoff, rng)
    solved = work_out(matrix)
    given = f"<thinking>{chain.thinking}</thinking><payoff>{compact(matrix)}</payoff><analyze>"
    text = f"{given}{solved.text}</analyze><response>{respond(solved.action)}</response>"
    return Counterfactual(given, text, solved.action)
