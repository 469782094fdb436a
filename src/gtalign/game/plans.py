"""Plans under a belief as alpha vectors: which of them are best at some belief."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gtalign.game.arrays import Payoffs
from gtalign.game.belief import Aim, worth
from gtalign.game.cells import first_best
from gtalign.game.form import TOLERANCE
from gtalign.game.security import secure


@dataclass(frozen=True, eq=False)
class Stage:
    """The plans that are best for some belief, with a given number of questions left.

    Attributes:
        values: What each plan brings user and LLM for each type, ``[K, T, 2]``: alpha vectors.
        moves: The first move of each plan, integer ``[K]``.
    """

    values: Payoffs
    moves: NDArray[np.intp]


def best_plans(values_KT2: Payoffs, moves_K: NDArray[np.intp], aim: Aim) -> Stage:
    """Those of some plans that are best at some belief.

    Args:
        values_KT2: What each plan brings user and LLM for each type, ``[K, T, 2]``.
        moves_K: The first move of each plan, integer ``[K]``.
        aim: What the LLM maximises.
    """
    kept = useful(worth(values_KT2, aim))
    return Stage(values_KT2[kept], moves_K[kept])


def useful(lines_KT: Payoffs) -> NDArray[np.intp]:
    """Vectors that are higher than all others at some belief, by more than the tolerance.

    Of equal ones the first stays. For two types the lines are cut in order. For more, a linear
    program looks for a belief at which a vector is ahead of
    those that were kept; the highest vector there is kept next (Lark's method, in White, "A survey
    of solution techniques for the partially observed Markov decision process", 1991).
    """
    if lines_KT.shape[1] == 2:
        return _envelope(lines_KT)
    corners = np.eye(lines_KT.shape[1])
    left, kept = list(range(len(lines_KT))), list[int]()
    for corner in corners:
        kept.append(_highest(lines_KT, [*kept, *left], corner))
        left = [k for k in left if k != kept[-1]]
    kept = list(dict.fromkeys(kept))
    while left:
        ahead_TK = (lines_KT[left[0]] - lines_KT[kept]).T
        if (ahead_TK <= TOLERANCE).all(axis=0).any():
            left.pop(0)
            continue
        margin, belief = secure(ahead_TK)
        if margin <= TOLERANCE:
            left.pop(0)
            continue
        kept.append(_highest(lines_KT, left, belief))
        left.remove(kept[-1])
    return np.array(sorted(kept))


def _envelope(lines_K2: Payoffs) -> NDArray[np.intp]:
    """As `_useful` for two types: from one end of the belief to the other, line by line."""
    at_1, at_0 = lines_K2.T
    slope_K = at_1 - at_0
    kept, edges, belief = [_first(at_0, slope_K)], [0.0], 0.0
    while True:
        steeper_K = slope_K - slope_K[kept[-1]]
        below_K = at_0[kept[-1]] - at_0
        crossing_K = np.full(len(slope_K), np.inf)
        np.divide(below_K, steeper_K, out=crossing_K, where=steeper_K > TOLERANCE)
        belief = max(belief, float(crossing_K.min()))
        if not belief < 1:
            break
        kept.append(_first(-np.maximum(crossing_K, belief), slope_K))
        edges.append(belief)
    edges.append(1.0)
    # A line is ahead of its neighbours by most where these two meet.
    useful: list[int] = []
    for place, k in enumerate(kept):
        rivals = [r for r in (*useful[-1:], *kept[place + 1 : place + 2])]
        ends = np.array([edges[place], edges[place + 1]])
        if len(rivals) == 2 and slope_K[rivals[1]] - slope_K[rivals[0]] > TOLERANCE:
            one, other = rivals
            meet = (at_0[one] - at_0[other]) / (slope_K[other] - slope_K[one])
            ends = np.append(ends, min(max(meet, 0.0), 1.0))
        ahead = at_0[k] + slope_K[k] * ends
        margins = [ahead - at_0[r] - slope_K[r] * ends for r in rivals]
        if not margins or np.min(margins, axis=0).max() > TOLERANCE:
            useful.append(k)
    return np.array(sorted(useful))


def _first(first_K: Payoffs, second_K: Payoffs) -> int:
    """The line of the highest first number; ties: of the highest second, then the first line."""
    return int(first_best(first_K[:, None], second_K[:, None])[0])


def _highest(lines_KT: Payoffs, some: list[int], belief_T: Payoffs) -> int:
    """Number of the highest of some vectors at a belief; of several, the highest close to it.

    Close to it means a step towards the first type, a far smaller one towards the second, and so
    on: in that direction no vector that is equal at the belief is higher.
    """
    numbers = np.array(some)
    for heights in (lines_KT[numbers] @ belief_T, *lines_KT[numbers].T):
        inside = np.isin(numbers, some)
        best = heights >= heights[inside].max() - TOLERANCE
        some = numbers[inside & best].tolist()
    return some[0]
