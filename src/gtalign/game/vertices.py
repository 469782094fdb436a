"""Extreme equilibria of many 2 x n or m x 2 games at once.

Call the player with two actions the *pair* player, the other the *many* player. Both polytopes
have few possible vertices:

- the pair player's: its two actions, then for every two actions j < k of the many player the
  mixture at which j and k pay the same;
- the many player's: its n actions, then for every j < k the mixture of j and k at which the pair
  player's two actions pay the same.

To the many player an action j is the point P_j = (payoff against action 0, against action 1), and
the mixtures at which it is best are the directions in which P_j is furthest out. So j and k tie
for best at an inner mixture if P_j P_k is an edge of the upper right hull. The signs of differences
and of cross products decide that: there is no division, ties come out as zeros, and a mixture that
several j, k share is counted for the first of them alone.
"""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import Mask, Payoffs, check, solve_blocks
from gtalign.game.form import TOLERANCE

CHUNK = 8192
"""Games whose equilibria are written out at a time."""


def vertex_pairs(payoffs: ArrayLike) -> Mask:
    """Which pairs of vertices are extreme equilibria.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``, with m = 2, n >= 2 or n = 2, m >= 2.

    Returns:
        Boolean ``[..., user vertex, llm vertex]``. If m = 2 these number 2 + n(n-1)/2 and
        n + n(n-1)/2, in the order of this module's description; otherwise (the LLM is the pair
        player) m + m(m-1)/2 and 2 + m(m-1)/2.

    Raises:
        GameError: Another shape, or a payoff that is not finite.
    """
    array = check(payoffs)
    m, n = array.shape[-3:-1]
    if min(m, n) != 2:
        raise GameError(f"one player has two actions and the other at least two, not {m} x {n}")
    many = n if m == 2 else m
    pairs = many * (many - 1) // 2
    if m == 2:
        result: Mask = solve_blocks(array, _kernel, 2 + pairs, n + pairs, dtype=np.bool_)
        return result
    result = solve_blocks(array, _transposed, 2 + pairs, m + pairs, dtype=np.bool_)
    return result.swapaxes(-1, -2)


def mixed_actions(
    games_Nmn2: Payoffs, shared_Nxy: Mask
) -> tuple[NDArray[np.intp], Payoffs, Payoffs]:
    """The probabilities of the vertex pairs that ``vertex_pairs`` marked in a batch.

    Returns:
        Game number ``[E]``, user probabilities ``[E, m]`` and LLM probabilities ``[E, n]``, in
        order of game, user vertex, LLM vertex.
    """
    # In chunks whose equilibria stay in cache; one, though empty, for a batch of no games.
    starts = range(0, max(1, len(games_Nmn2)), CHUNK)
    chunks = [slice(start, start + CHUNK) for start in starts]
    parts = [_probabilities(games_Nmn2[chunk], shared_Nxy[chunk]) for chunk in chunks]
    games, users, llms = zip(*parts, strict=True)
    shifted = [game + start for game, start in zip(games, starts, strict=True)]
    return np.concatenate(shifted), np.concatenate(users), np.concatenate(llms)


def _probabilities(
    games_Nmn2: Payoffs, shared_Nxy: Mask
) -> tuple[NDArray[np.intp], Payoffs, Payoffs]:
    game, user_vertex, llm_vertex = np.nonzero(np.ascontiguousarray(shared_Nxy))
    found = games_Nmn2[game]
    if found.shape[1] == 2:
        pair, many = _mixtures(found, user_vertex, llm_vertex)
        return game, pair, many
    pair, many = _mixtures(_swap(found), llm_vertex, user_vertex)
    return game, many, pair


def _swap(games_Nmn2: Payoffs) -> Payoffs:
    """The same games with the players' roles exchanged."""
    return games_Nmn2.swapaxes(1, 2)[..., ::-1]


def _mixtures(
    found_E2n2: Payoffs, pair_vertex: NDArray[np.intp], many_vertex: NDArray[np.intp]
) -> tuple[Payoffs, Payoffs]:
    """Probabilities of the pair player ``[E, 2]`` and of the many player ``[E, n]``."""
    count, _, n, _ = found_E2n2.shape
    first, second = np.array(list(combinations(range(n), 2))).T
    each = np.arange(count)

    pair = np.zeros((count, 2))
    inner = pair_vertex >= 2
    pair[each[~inner], pair_vertex[~inner]] = 1
    j, k = first[pair_vertex[inner] - 2], second[pair_vertex[inner] - 2]
    difference_E2 = np.abs(found_E2n2[each[inner], :, j, 1] - found_E2n2[each[inner], :, k, 1])
    pair[inner] = difference_E2[:, ::-1] / difference_E2.sum(axis=1, keepdims=True)

    many = np.zeros((count, n))
    inner = many_vertex >= n
    many[each[~inner], many_vertex[~inner]] = 1
    j, k = first[many_vertex[inner] - n], second[many_vertex[inner] - n]
    gain_En = np.abs(found_E2n2[inner, 0, :, 0] - found_E2n2[inner, 1, :, 0])
    row = np.arange(len(gain_En))
    total = gain_En[row, j] + gain_En[row, k]
    many[each[inner], j] = gain_En[row, k] / total
    many[each[inner], k] = gain_En[row, j] / total
    return pair, many


def _transposed(block_mnpB: Payoffs, shared_xyB: Mask) -> None:
    """The kernel for games in which the LLM is the pair player."""
    _kernel(block_mnpB.swapaxes(0, 1)[:, :, ::-1], shared_xyB)


def _kernel(block_2npB: Payoffs, shared_xyB: Mask) -> None:
    """Mark the shared vertices ``[pair's, many's, B]`` of a block ``[2, n, 2, B]``."""
    n = block_2npB.shape[1]
    own_2nB, other_2nB = block_2npB[:, :, 0], block_2npB[:, :, 1]
    pairs = list(combinations(range(n), 2))

    # The pair player's gain from action 0 over action 1 against each action of the many player.
    gain_nB = own_2nB[0] - own_2nB[1]
    for_0, for_1 = gain_nB > TOLERANCE, gain_nB < -TOLERANCE
    not_0, not_1 = ~for_0, ~for_1
    even = not_0 & not_1
    mixes = [(for_0[j] & for_1[k]) | (for_1[j] & for_0[k]) for j, k in pairs]

    best_2nB = other_2nB >= other_2nB.max(axis=1, keepdims=True) - TOLERANCE
    for action, accepts in enumerate((not_1, not_0)):
        best_nB = best_2nB[action]
        np.logical_and(best_nB, accepts, out=shared_xyB[action, :n])
        for y, (j, k) in enumerate(pairs, start=n):
            np.logical_and(best_nB[j] & best_nB[k], mixes[y - n], out=shared_xyB[action, y])

    for x, (j, k) in enumerate(pairs, start=2):
        inner, tied = _edge(other_2nB, j, k)
        inside = {action: inner if tie is None else inner & tie for action, tie in tied.items()}
        for action in range(n):
            np.logical_and(inside[action], even[action], out=shared_xyB[x, action])
        for y, (first, second) in enumerate(pairs, start=n):
            np.logical_and(inside[first], inside[second], out=shared_xyB[x, y])
            shared_xyB[x, y] &= mixes[y - n]


def _edge(points_2nB: Payoffs, j: int, k: int) -> tuple[Mask, dict[int, Mask | None]]:
    """Where P_j P_k is an edge of the upper right hull, and which points lie on its line.

    Returns:
        Whether it is one and no earlier pair lies on the same line, ``[B]``; and for every action
        whether it ties with j and k, ``[B]``, None for j and k themselves.
    """
    step_0, step_1 = points_2nB[0, j] - points_2nB[0, k], points_2nB[1, j] - points_2nB[1, k]
    falls = (step_0 > TOLERANCE) & (step_1 < -TOLERANCE)
    rises = (step_0 < -TOLERANCE) & (step_1 > TOLERANCE)
    edge = falls | rises
    # The mixture is (|step_1|, |step_0|) over their sum, so a payoff difference of TOLERANCE at it
    # is a cross product of this size.
    slack = (np.abs(step_0) + np.abs(step_1)) * TOLERANCE
    tied: dict[int, Mask | None] = {j: None, k: None}
    for other in range(points_2nB.shape[1]):
        if other in tied:
            continue
        away_0, away_1 = points_2nB[:, other] - points_2nB[:, j]
        cross = step_0 * away_1 - step_1 * away_0
        left, right = cross > slack, cross < -slack
        edge &= ~((left & falls) | (right & rises))
        ties = ~(left | right)
        tied[other] = ties
        if other < j:
            edge &= ~ties
        elif other < k:  # an earlier pair, j and other, unless both are the same point
            apart = (np.abs(away_0) > TOLERANCE) | (np.abs(away_1) > TOLERANCE)
            edge &= ~(ties & apart)
    return edge, tied
