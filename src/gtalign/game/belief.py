"""Decisions under a belief over the user's hidden type, and what it is worth to learn more.

The rows of the payoffs are types of the user instead of actions: ``payoffs[t, a]`` is what both
get if the user is of type t and the LLM plays a. Any form serves: with ``USER_LLM`` the belief is
how likely the LLM thinks each row, ``DQ`` or ``VQ``. A *signal* is one of several observations, a
reply to a question for example, of which each type has its own probabilities.

Every function takes one game ``[T, n, 2]`` or a batch ``[N, T, n, 2]``, one belief ``[T]`` or one
for each game ``[N, T]``, and in the same way the other arguments. If one of them has the leading
axis, the result has it (``...`` below). It raises ``GameError`` for other shapes, for payoffs that
are not finite, and for probabilities that are negative or do not add up to 1.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import LIMIT, Mask, Payoffs, check, finite, numbers
from gtalign.game.cells import first_best
from gtalign.game.form import TOLERANCE

Aim = Literal["user", "llm", "welfare"]
"""What the LLM maximises: the user's payoff, its own, or the sum of both."""


def posterior(belief: ArrayLike, likelihood: ArrayLike) -> tuple[Payoffs, Payoffs]:
    """What to believe after each signal (Bayes' rule).

    Args:
        belief: Probability of each type, ``[T]`` or ``[N, T]``.
        likelihood: Probability of each signal for each type, ``[T, S]`` or ``[N, T, S]``.

    Returns:
        The probability of each signal, ``[..., S]``, and the belief after it, ``[..., S, T]``; nan
        after a signal that cannot occur.
    """
    before = probabilities("a belief", belief, 1)
    signals = probabilities("a likelihood", likelihood, 2)
    _same_types(before.shape[-1], signals.shape[-2], "the likelihood")
    _same_count(before.shape[:-1], signals.shape[:-2])
    joint = before[..., None] * signals  # [..., T, S]
    chance = joint.sum(axis=-2)
    possible = chance[..., None, :] > 0
    after = np.where(possible, joint, np.nan) / np.where(possible, chance[..., None, :], 1)
    return chance, after.swapaxes(-1, -2)


def belief_payoffs(payoffs: ArrayLike, belief: ArrayLike) -> Payoffs:
    """Expected payoffs of each action of the LLM, ``[..., n, 2]``."""
    games_tn2N, belief_tN, batch = _prepare(payoffs, belief)
    result = np.moveaxis(_expected(games_tn2N, belief_tN), -1, 0)
    return result if batch else result[0]


def belief_response(
    payoffs: ArrayLike, belief: ArrayLike, aim: Aim = "welfare"
) -> NDArray[np.intp]:
    """The action of the LLM that is best against the belief, integer ``[...]``.

    Ties go to the action that is best for the user (with the aim ``user``, for the LLM), then to
    the first.
    """
    games_tn2N, belief_tN, batch = _prepare(payoffs, belief)
    action = best_of(_expected(games_tn2N, belief_tN), aim)
    return action if batch else action[0]


def sample_information(
    payoffs: ArrayLike, belief: ArrayLike, likelihood: ArrayLike, aim: Aim = "welfare"
) -> Payoffs:
    """What each side gains if the LLM sees a signal before it acts, ``[..., 2]``.

    The LLM plays its best response to the belief after each signal instead of the one to the belief
    before. The gain by the aim (the sum over both sides for ``welfare``) is the expected value of
    sample information; it is never negative. One side alone may lose. (Raiffa and Schlaifer,
    *Applied Statistical Decision Theory*, 1961.)

    Args:
        payoffs: ``[T, n, 2]`` or ``[N, T, n, 2]``.
        belief: Probability of each type, ``[T]`` or ``[N, T]``.
        likelihood: Probability of each signal for each type, ``[T, S]`` or ``[N, T, S]``.
        aim: What the LLM maximises.
    """
    games_tn2N, belief_tN, batch = _prepare(payoffs, belief)
    signals = probabilities("a likelihood", likelihood, 2)
    _same_types(len(games_tn2N), signals.shape[-2], "the likelihood")
    if signals.ndim == 3:
        _same_count((len(signals),), (games_tn2N.shape[-1],) if batch else ())
        batch = True
    signals_tsN = np.moveaxis(signals, 0, -1) if signals.ndim == 3 else signals[..., None]
    gain = -_taken(_expected(games_tn2N, belief_tN), aim)
    for s in range(signals_tsN.shape[1]):
        # Not divided by the chance of the signal: that changes no choice, and weighs the payoffs.
        gain = gain + _taken(_expected(games_tn2N, belief_tN * signals_tsN[:, s]), aim)
    return gain.T if batch else gain[:, 0]


def perfect_information(payoffs: ArrayLike, belief: ArrayLike, aim: Aim = "welfare") -> Payoffs:
    """What each side gains if the LLM learns the type before it acts, ``[..., 2]``.

    The most that any signal can bring by the aim (see `sample_information`).
    """
    return sample_information(payoffs, belief, np.eye(check(payoffs).shape[-3]), aim)


def worth_asking(
    payoffs: ArrayLike,
    belief: ArrayLike,
    likelihood: ArrayLike,
    cost: ArrayLike,
    aim: Aim = "welfare",
) -> Mask:
    """Whether to ask first: if and only if the answer is worth more than it costs; ``[...]``.

    With the aim ``welfare`` the gain of both sides is compared with the cost to both, otherwise
    that of one side. A question that is worth exactly its cost is not asked; `clarify`
    breaks this tie like all others, by the payoff of the user.

    Args:
        payoffs: ``[T, n, 2]`` or ``[N, T, n, 2]``.
        belief: Probability of each type, ``[T]`` or ``[N, T]``.
        likelihood: Probability of each reply to the question for each type, ``[T, S]`` or
            ``[N, T, S]``.
        cost: What asking and replying cost the user and the LLM, in points, ``[2]`` or ``[N, 2]``.
        aim: What the LLM maximises.
    """
    gain = sample_information(payoffs, belief, likelihood, aim)
    charge = numbers("a cost is made of", cost)
    if charge.shape not in ((2,), gain.shape):
        raise GameError(
            f"a cost is two finite numbers, user and LLM, not of shape {list(charge.shape)}"
        )
    if not (np.abs(charge) <= LIMIT).all():
        raise GameError(f"a cost is two finite numbers up to {LIMIT}, not {charge.tolist()}")
    result: Mask = worth(gain, aim) > worth(charge, aim) + TOLERANCE
    return result


def worth(payoffs: Payoffs, aim: Aim, axis: int = -1) -> Payoffs:
    """The payoffs of both, on an axis of two, as the one number that the aim counts."""
    known_aim(aim)
    user, llm = np.take(payoffs, 0, axis=axis), np.take(payoffs, 1, axis=axis)
    return np.asarray(user + llm if aim == "welfare" else user if aim == "user" else llm)


def known_aim(aim: Aim) -> None:
    """Refuse what is no aim; raises GameError."""
    if not isinstance(aim, str) or aim not in get_args(Aim):
        raise GameError(f"an aim is one of {', '.join(get_args(Aim))}, not {aim!r}")


def probabilities(name: str, given: ArrayLike, axes: int) -> Payoffs:
    """Checked probabilities, which add up to 1 on the last axis.

    Args:
        name: What they are, for the message.
        given: The numbers.
        axes: How many axes one game's have; a batch has one more.
    """
    array = numbers(f"{name} is made of", given)
    if array.ndim not in (axes, axes + 1) or not array.shape[-1]:
        raise GameError(f"{name} has {axes} or {axes + 1} axes, not shape {list(array.shape)}")
    if not (array >= 0).all() or not (np.abs(array.sum(axis=-1) - 1) <= TOLERANCE).all():
        raise GameError(f"{name} is made of probabilities, 0 or more, that add up to 1")
    return array


def _prepare(payoffs: ArrayLike, belief: ArrayLike) -> tuple[Payoffs, Payoffs, bool]:
    """Payoffs ``[T, n, 2, N or 1]``, belief ``[T, N or 1]``, and whether there is a batch."""
    games, before = finite(check(payoffs, "T", "n")), probabilities("a belief", belief, 1)
    _same_types(games.shape[-3], before.shape[-1], "the belief")
    _same_count(games.shape[:-3], before.shape[:-1])
    games_tn2N = np.ascontiguousarray(
        np.moveaxis(games, 0, -1) if games.ndim == 4 else games[..., None]
    )
    belief_tN = np.ascontiguousarray(before.T) if before.ndim == 2 else before[:, None]
    return games_tn2N, belief_tN, games.ndim == 4 or before.ndim == 2


def _same_types(types: int, other: int, name: str) -> None:
    if types != other:
        raise GameError(f"{name} is about {other} types, not {types}")


def _same_count(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    if one and other and one != other:
        raise GameError(f"batches of {one[0]} and {other[0]} do not fit each other")


def _expected(games_tn2N: Payoffs, weights_tN: Payoffs) -> Payoffs:
    """Sum over types of weight times payoffs, ``[n, 2, N]``."""
    total: Payoffs = games_tn2N[0] * weights_tN[0]
    for game_n2N, weight_N in zip(games_tn2N[1:], weights_tN[1:], strict=True):
        total = total + game_n2N * weight_N
    return total


def best_of(expected_n2N: Payoffs, aim: Aim) -> NDArray[np.intp]:
    """The best action under an aim, ``[N]``; ties as of `belief_response`."""
    second = expected_n2N[:, 1 if aim == "user" else 0]
    return first_best(worth(expected_n2N, aim, axis=1), second)


def _taken(expected_n2N: Payoffs, aim: Aim) -> Payoffs:
    """What both get under the best action, ``[2, N]``."""
    action_N = best_of(expected_n2N, aim)
    taken: Payoffs = np.take_along_axis(expected_n2N, action_N[None, None], axis=0)[0]
    return taken
