"""The terms of the preset ``robust``: what an answer that helps nobody cannot earn.

As the paper writes them, a chain's terms look at the chain alone, so that text which never touches
the answer earns them. Here each is paid only as far as the chain binds the answer and could have
been wrong. All of them saturate: an honest chain has them in full, and no matrix has more.
"""

import math
from operator import sub

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import Chain, Choice, acted, solution_score
from gtalign.game import USER_LLM, pareto_dominated

DIFFERENCE = 1.0
"""A real difference between two payoffs: a tenth of the scale from -5 to 5, in its points."""


def upper_window(length: float, high: float, steepness: float) -> float:
    """Return how well a length stays below a soft limit: sigmoid(k (hi - n)).

    Args:
        length: n, in units.
        high: hi, in units.
        steepness: k, in 1/units, positive.
    """
    x = steepness * (length - high)
    # By the sign, so that exp never overflows.
    return 1 / (1 + math.exp(x)) if x < 0 else math.exp(-x) / (1 + math.exp(-x))


def carried_out(chain: Chain, choice: Choice) -> bool:
    """Whether the response carries out the action that the analysis names.

    False where the analysis names none. A game for which `gtalign.chain.acted` has no rule is
    taken at its word.
    """
    form = chain.payoff.form
    if choice.action is None:
        return False
    return form != USER_LLM or acted(chain.response, form) == choice.action


def contrast(payoffs_n2: NDArray[np.float64]) -> float:
    """Return how really a matrix tells its cells and its players apart, in [0, 1].

    min(1, a/D, b/D, c/D) with D = `DIFFERENCE`; a and b are the spreads (largest less smallest
    payoff) of the user and of the LLM over the cells, c is the largest gap between the two in one
    cell. Cells that all pay alike, and gaps that only just differ, come to little or nothing.

    Args:
        payoffs_n2: Payoffs of the n cells, ``[:, 0]`` the user's and ``[:, 1]`` the LLM's.
    """
    user_n: list[float]
    llm_n: list[float]
    user_n, llm_n = payoffs_n2.T.tolist()
    spread = min(max(user_n) - min(user_n), max(llm_n) - min(llm_n))
    gap: float = max(map(abs, map(sub, user_n, llm_n)))
    return min(1.0, spread / DIFFERENCE, gap / DIFFERENCE)


def solution(chain: Chain, choice: Choice) -> float:
    """Return S where a choice could be wrong, else 0: where all cells are on the frontier.

    An analysis that chooses nothing has not solved the game: 0.
    """
    score = solution_score(chain, choice)
    if not score:
        return 0.0
    cells = chain.payoff.payoffs.reshape(-1, 2).tolist()
    return score if any(pareto_dominated(cell, cells) for cell in cells) else 0.0
