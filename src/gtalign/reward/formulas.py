"""The measured terms of welfare, each a pure function of arrays into [0, 1].

Lengths are counted in the unit that the preset names (tokens, words or characters); constants
given for one unit mean nothing in another. A number in gives a number out, an array one of its
shape. Source: GTAlign, arXiv 2510.08872, section 3.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.game import TOLERANCE

MARGIN: Final = 0.1
"""Two payoffs are clearly distinct if they differ by more than this share of the larger one."""


def window(length: ArrayLike, low: float, high: float, steepness: float) -> NDArray[np.float64]:
    """Return how well lengths lie inside a window with soft edges.

    sigmoid(k (n - lo)) * sigmoid(k (hi - n)): close to 1 well inside, 1/2 on an edge of a wide
    window, falling to 0 outside.

    Args:
        length: n, in units, any shape.
        low: lo, in units.
        high: hi, in units.
        steepness: k, in 1/units.
    """
    n = np.asarray(length, np.float64)
    return sigmoid(steepness * (n - low)) * sigmoid(steepness * (high - n))


def latency(length: ArrayLike, scale: float) -> NDArray[np.float64]:
    """Return exp(-length / scale): 1 if the user waits for nothing, 1/e after one scale.

    Args:
        length: Length of the text before the response, in units, any shape.
        scale: Scale of the decay, in units, positive.
    """
    return np.exp(-np.asarray(length, np.float64) / scale)


def distinctness(payoffs_n2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return M, how clearly a matrix separates the two players' interests.

    Each of the n cells adds 1/(2n) if its two payoffs differ and 1/(2n) if they differ by more than
    a tenth of the larger magnitude: 1/12 and 1/12 in the game of six cells.

    Args:
        payoffs_n2: Payoffs of the n cells, ``[..., n, 2]``, of one matrix or more; ``[..., 0]`` the
            user's and ``[..., 1]`` the LLM's.
    """
    # The released reading accepts 1e308, NaN and infinities. A gap beyond float64 counts as a gap,
    # a difference with NaN does not.
    user, llm = payoffs_n2[..., 0], payoffs_n2[..., 1]
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.abs(user - llm)
        clear = gap > MARGIN * np.maximum(np.abs(user), np.abs(llm)) + TOLERANCE
    result: NDArray[np.float64] = ((gap > TOLERANCE).mean(axis=-1) + clear.mean(axis=-1)) / 2
    return result


def sigmoid(x: ArrayLike) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)); nothing overflows."""
    number = np.asarray(x, np.float64)
    small = np.exp(-np.abs(number))
    result: NDArray[np.float64] = np.where(number >= 0, 1.0, small) / (1 + small)
    return result
