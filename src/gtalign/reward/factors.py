"""The measured terms of welfare, each a pure function into [0, 1].

Lengths are counted in the unit that the preset names (tokens, words or characters); constants
given for one unit mean nothing in another. Source: GTAlign, arXiv 2510.08872, section 3.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gtalign.game import TOLERANCE

MARGIN = 0.1
"""Two payoffs are clearly distinct if they differ by more than this share of the larger one."""


def window(length: float, low: float, high: float, steepness: float) -> float:
    """Return how well a length lies inside a window with soft edges.

    sigmoid(k (n - lo)) * sigmoid(k (hi - n)): close to 1 well inside, 1/2 on an edge of a wide
    window, falling to 0 outside.

    Args:
        length: n, in units.
        low: lo, in units.
        high: hi, in units.
        steepness: k, in 1/units.
    """
    return _sigmoid(steepness * (length - low)) * _sigmoid(steepness * (high - length))


def latency(length: float, scale: float) -> float:
    """Return exp(-length / scale): 1 if the user waits for nothing, 1/e after one scale.

    Args:
        length: What is written before the response begins, in units.
        scale: In units, positive.
    """
    return math.exp(-length / scale)


def distinctness(payoffs_n2: NDArray[np.float64]) -> float:
    """Return M, how much the two players' interests are told apart in a matrix.

    Each of the n cells adds 1/(2n) if its two payoffs differ and 1/(2n) if they differ by more than
    a tenth of the larger magnitude: 1/12 and 1/12 in the game of six cells.

    Args:
        payoffs_n2: Payoffs of the n cells, ``[:, 0]`` the user's and ``[:, 1]`` the LLM's.
    """
    # In Python's floats: six cells are too few for arrays to pay. The released reading lets 1e308,
    # NaN and infinities in; a gap beyond float64 is a gap all the same, one with NaN is none.
    different = clear = 0
    for user, llm in payoffs_n2.tolist():
        gap = abs(user - llm)
        different += gap > TOLERANCE
        clear += gap > MARGIN * max(abs(user), abs(llm)) + TOLERANCE
    return (different / len(payoffs_n2) + clear / len(payoffs_n2)) / 2


def _sigmoid(x: float) -> float:
    # By the sign, so that exp never overflows.
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))
