"""The terms of the preset ``robust``: a useless answer cannot earn them.

The paper's terms of a chain look at the chain alone, so text without any effect on the answer earns
them. Here a chain earns each term only if it binds the answer and could have been wrong. All terms
saturate: an honest chain has them in full, and no matrix has more.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.chain import Choice, acted
from gtalign.game import GameForm
from gtalign.reward.formulas import sigmoid

DIFFERENCE = 1.0
"""Points by which two payoffs clearly differ: a tenth of the scale from -5 to 5."""


def upper_window(length: ArrayLike, high: float, steepness: float) -> NDArray[np.float64]:
    """Return how well lengths stay below a soft limit: sigmoid(k (hi - n)).

    Args:
        length: n, in units, any shape.
        high: hi, in units.
        steepness: k, in 1/units, positive.
    """
    return sigmoid(steepness * (high - np.asarray(length, np.float64)))


def carried_out(
    responses: Sequence[str], choices: Sequence[Choice], form: GameForm
) -> NDArray[np.bool_]:
    """Whether each response carries out the action that its analysis names.

    False where the analysis names none, or `gtalign.chain.acted` reads another action or none. If
    the action that is named has no sign in the game, the response counts as carrying it out.

    Args:
        responses: The N responses.
        choices: The choices of their analyses.
        form: The game.
    """
    named = [choice.action for choice in choices]
    readable = {action for action, _ in form.signs}
    return np.array(
        [
            action is not None and (action not in readable or acted(response, form) == action)
            for action, response in zip(named, responses, strict=True)
        ],
        np.bool_,
    )


def contrast(payoffs_n2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how clearly the cells and the players of a matrix differ, in [0, 1].

    min(1, a/D, b/D, c/D) with D = `DIFFERENCE`; a and b are the spreads (largest less smallest
    payoff) of the user and of the LLM over the cells, c is the largest gap between the two in one
    cell. Equal cells, and players with nearly equal payoffs, give a value near 0.

    Args:
        payoffs_n2: Payoffs of the n cells, ``[..., n, 2]``, of one matrix or more; ``[..., 0]`` the
            user's and ``[..., 1]`` the LLM's.
    """
    spread = (payoffs_n2.max(axis=-2) - payoffs_n2.min(axis=-2)).min(axis=-1)
    gap = np.abs(payoffs_n2[..., 0] - payoffs_n2[..., 1]).max(axis=-1)
    result: NDArray[np.float64] = np.minimum(1.0, np.minimum(spread, gap) / DIFFERENCE)
    return result


def solution(frontier_Nmn: NDArray[np.bool_], scores_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return S; 0 where no choice could be wrong, because all cells are on the frontier.

    An analysis that chooses nothing has not solved the game and gets 0.

    Args:
        frontier_Nmn: Which cells of each matrix are on its Pareto frontier.
        scores_N: S of each, NaN where the choice is unknown.
    """
    idle_N = frontier_Nmn.all(axis=(1, 2)) | np.isnan(scores_N)
    return np.where(idle_N, 0.0, scores_N)
