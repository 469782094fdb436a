"""Noisy players: better actions are more likely, but none is certain (logit quantal response)."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import LIMIT, Payoffs, check, finite, number
from gtalign.game.cells import first_best

_STEP = 0.25
"""Greatest step of precision times payoffs along the branch of equilibria."""

_MOST_STEPS = 100_000

_EXACT = 1e-13
"""Greatest residual of a mixture at the end of the branch."""

_CLOSE = 1e-4
"""Greatest residual on the way before the last Newton step, which squares it."""

_AT_ONCE = 2048
"""Games that are followed together: their arrays stay in the cache of a core."""


def noisy_leader(payoffs: ArrayLike, precision: float) -> tuple[NDArray[np.intp], Payoffs]:
    """The best action for the LLM to announce to users who answer it by a logit response.

    In a logit response, an action's probability is proportional to ``exp(precision * payoff)``.
    Ties go to the action that is best for the user, then to the first.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        precision: The users': 0 for pure chance; the greater, the closer to a best response. Per
            point.

    Returns:
        Action numbers, integer ``[...]``, and what user and LLM get, ``[..., 2]``.
    """
    number("a precision is", precision, 0, LIMIT)
    array = finite(check(payoffs))
    games_Nmn2 = array if array.ndim == 4 else array[None]
    response_Nnm = _logit(games_Nmn2[..., 0].swapaxes(1, 2), precision)
    value_Nn2 = np.einsum("inm,imnp->inp", response_Nnm, games_Nmn2)
    action = first_best(value_Nn2[..., 1].T, value_Nn2[..., 0].T)
    reached = value_Nn2[np.arange(len(action)), action]
    return (action, reached) if array.ndim == 4 else (action[0], reached[0])


def quantal_equilibrium(payoffs: ArrayLike, precision: float) -> tuple[Payoffs, Payoffs]:
    """The logit equilibrium: each player's mixture is the logit response to the other's.

    In a logit response, an action's probability is proportional to ``exp(precision * payoff)``. The
    equilibrium is followed by Newton's method from precision 0, where it is unique, in small steps.
    Where the branch turns back, the one that is reached may lie on another branch. (McKelvey and
    Palfrey, "Quantal response equilibria for normal form games", 1995.)

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        precision: That of both players.

    Returns:
        Probabilities of the user, ``[..., m]``, and of the LLM, ``[..., n]``; nan where the method
        did not converge.

    Raises:
        GameError: Another shape, a number that is not finite, or a precision so great for these
            payoffs that the way to it is too long.
    """
    number("a precision is", precision, 0, LIMIT)
    array = finite(check(payoffs))
    games_Nmn2 = array if array.ndim == 4 else array[None]
    user_Nmn, llm_Nnm = games_Nmn2[..., 0], games_Nmn2[..., 1].swapaxes(1, 2)
    swapped = user_Nmn.shape[2] < user_Nmn.shape[1]
    own_Nab, other_Nba = (llm_Nnm, user_Nmn) if swapped else (user_Nmn, llm_Nnm)
    spread = np.ptp(array) if array.size else 0.0
    steps = math.ceil(min(precision * spread / _STEP, 10 * _MOST_STEPS)) + 1
    if steps > _MOST_STEPS:
        raise GameError(f"a precision of {precision:g} is too great for payoffs {spread:g} apart")
    follow = _follow_two if own_Nab.shape[1] == 2 else _follow
    mixed_Na = np.empty(own_Nab.shape[:2])
    for start in range(0, len(mixed_Na), _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        mixed_Na[block] = follow(own_Nab[block], other_Nba[block], precision, steps)
    lost_N = ~(np.abs(_residual(own_Nab, other_Nba, mixed_Na, precision)[0]).max(axis=1) <= 1e-9)
    mixed_Na[lost_N] = np.nan
    answer_Nb = _logit(np.einsum("iba,ia->ib", other_Nba, mixed_Na), precision)
    user, llm = (answer_Nb, mixed_Na) if swapped else (mixed_Na, answer_Nb)
    return (user, llm) if array.ndim == 4 else (user[0], llm[0])


def _follow(own_Nab: Payoffs, other_Nba: Payoffs, precision: float, steps: int) -> Payoffs:
    """The mixture at the end of the branch, ``[N, a]``."""
    mixed_Na = np.full(own_Nab.shape[:2], 1 / own_Nab.shape[1])
    for at in np.linspace(0, precision, steps):
        exact = at == precision
        for _ in range(20):
            wrong_Na, slope_Naa = _residual(own_Nab, other_Nba, mixed_Na, at)
            mixed_Na = mixed_Na - np.linalg.solve(slope_Naa, wrong_Na[..., None])[..., 0]
            if np.abs(wrong_Na).max(initial=0) <= (_EXACT if exact else _CLOSE):
                break
    return mixed_Na


def _follow_two(own_N2b: Payoffs, other_Nb2: Payoffs, precision: float, steps: int) -> Payoffs:
    """As `_follow` for a player of two actions: one number a game, and no matrix to solve."""
    gain_bN = np.ascontiguousarray((own_N2b[:, 0] - own_N2b[:, 1]).T)
    base_bN = np.ascontiguousarray(other_Nb2[..., 1].T)
    rise_bN = np.ascontiguousarray(other_Nb2[..., 0].T) - base_bN
    both_bN = gain_bN * rise_bN
    first_N = np.full(len(own_N2b), 0.5)
    for at in np.linspace(0, precision, steps):
        exact = at == precision
        for _ in range(20):
            value_bN = at * (base_bN + rise_bN * first_N)
            weight_bN = np.exp(value_bN - value_bN.max(axis=0))
            weight_bN /= weight_bN.sum(axis=0)
            gap_N = (weight_bN * gain_bN).sum(axis=0)
            turn_N = (weight_bN * both_bN).sum(axis=0) - gap_N * (weight_bN * rise_bN).sum(axis=0)
            back_N = 1 / (1 + np.exp(np.clip(-at * gap_N, -700, 700)))
            slope_N = 1 - at * at * back_N * (1 - back_N) * turn_N
            wrong_N = first_N - back_N
            first_N = first_N - wrong_N / slope_N
            if np.abs(wrong_N).max(initial=0) <= (_EXACT if exact else _CLOSE):
                break
    return np.stack([first_N, 1 - first_N], axis=1)


def _residual(
    own_Nab: Payoffs, other_Nba: Payoffs, mixed_Na: Payoffs, precision: float
) -> tuple[Payoffs, Payoffs]:
    """How far a mixture is from the response to the response to it, and the derivative of that."""
    answer_Nb = _logit(np.einsum("iba,ia->ib", other_Nba, mixed_Na), precision)
    back_Na = _logit(np.einsum("iab,ib->ia", own_Nab, answer_Nb), precision)
    slope_Nba = precision * _spread(answer_Nb) @ other_Nba
    slope_Naa = precision * _spread(back_Na) @ own_Nab @ slope_Nba
    return mixed_Na - back_Na, np.eye(mixed_Na.shape[1]) - slope_Naa


def _spread(mixed_Nk: Payoffs) -> Payoffs:
    """Derivative of a logit response by its values, at precision 1."""
    return mixed_Nk[..., None] * (np.eye(mixed_Nk.shape[1]) - mixed_Nk[:, None])


def _logit(values: Payoffs, precision: float) -> Payoffs:
    weights = np.exp(precision * (values - values.max(axis=-1, keepdims=True)))
    result: Payoffs = weights / weights.sum(axis=-1, keepdims=True)
    return result
