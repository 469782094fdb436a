"""How wrong the written payoffs may be before the recommendation is another one.

A *radius* is the greatest r such that the recommendation stays if every payoff moves by less than r
(the maximum norm). It is 0 where two recommendations tie, and infinite where there is only one.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gtalign.errors import GameError
from gtalign.game.arrays import Payoffs, solve_blocks
from gtalign.game.belief import Aim, belief_payoffs, worth
from gtalign.game.form import TOLERANCE


def optimum_radius(payoffs: ArrayLike, of: Literal["action", "cell"] = "action") -> Payoffs:
    """Radius of the published rule, the cell of the highest sum; ``[...]``.

    If all payoffs move by r, the sum of the best cell falls by at most 2r, and that of another
    rises by at most 2r: the radius is a quarter of the gap.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        of: What has to stay: the LLM's action in the best cell, or the cell itself.

    Raises:
        GameError: Another shape, or a payoff that is not finite.
    """
    if of not in ("action", "cell"):
        raise GameError(f"what stays is the action or the cell, not {of!r}")

    def kernel(block: Payoffs, radius: Payoffs) -> None:
        m, n, _, games = block.shape
        welfare_mnB = block[:, :, 0] + block[:, :, 1]
        if of == "action":
            radius[...] = _gap(welfare_mnB.max(axis=0)) / 4
        else:
            radius[...] = _gap(welfare_mnB.reshape(m * n, games)) / 4

    result: Payoffs = solve_blocks(payoffs, kernel, dtype=np.float64)
    return result


def response_radius(payoffs: ArrayLike, belief: ArrayLike, aim: Aim = "welfare") -> Payoffs:
    """Radius of the best response to a belief (`belief_response`); ``[...]``.

    A quarter of the gap in the expected sum to the next action, or half of the gap if the aim is
    one side's payoff. The belief itself does not move.
    """
    expected = worth(belief_payoffs(payoffs, belief), aim)
    return _gap(np.moveaxis(expected, -1, 0)) / (4 if aim == "welfare" else 2)


def _gap(values_k: Payoffs) -> Payoffs:
    """Highest value less the second, on the first axis."""
    if len(values_k) == 1:
        return np.full(values_k.shape[1:], np.inf)
    second, first = np.partition(values_k, -2, axis=0)[-2:]
    return np.asarray(np.where(first - second > TOLERANCE, first - second, 0.0))
