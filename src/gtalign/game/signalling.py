"""Signalling: the user knows its type and chooses a message; the LLM sees only the message.

With a short and a long question as messages and ``DA``, ``CQ``, ``AQ`` as replies, this asks when a
detailed question tells the LLM anything, and when all types of user write the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import Mask, Payoffs, check, finite
from gtalign.game.belief import probabilities
from gtalign.game.form import TOLERANCE
from gtalign.game.security import secure


@dataclass(frozen=True, eq=False)
class SignallingEquilibria:
    """Pure perfect Bayesian equilibria of one or several games, in order of their game.

    Attributes:
        game: Number of the game of each equilibrium, integer ``[E]``; zeros for a single game.
        message: The message of each type, integer ``[E, T]``.
        reply: The LLM's reply to each message, integer ``[E, M]``.
        belief: What the LLM believes after each message, ``[E, M, T]``. After a message that no
            type sends, one of the beliefs against which the reply is best.
    """

    game: NDArray[np.intp]
    message: NDArray[np.intp]
    reply: NDArray[np.intp]
    belief: Payoffs

    def __len__(self) -> int:
        return len(self.game)

    @property
    def separating(self) -> Mask:
        """Whether each type sends a message of its own, ``[E]``."""
        ordered = np.sort(self.message, axis=1)
        return np.asarray((np.diff(ordered, axis=1) > 0).all(axis=1))

    @property
    def pooling(self) -> Mask:
        """Whether all types send the same message, ``[E]``."""
        return np.asarray((self.message == self.message[:, :1]).all(axis=1))


def signalling_equilibria(payoffs: ArrayLike, prior: ArrayLike) -> SignallingEquilibria:
    """All pure perfect Bayesian equilibria of signalling games.

    No type gains by another message; the LLM's reply to a message is best against its belief; the
    belief follows Bayes' rule after a message that is sent, and is any belief after another one
    (Fudenberg and Tirole, *Game Theory*, 1991, section 8.2). Every pair of pure plans is tried: M^T
    times n^M.

    Args:
        payoffs: What user and LLM get for each type, message and reply, ``[T, M, n, 2]``, or
            ``[N, T, M, n, 2]`` for a batch.
        prior: Probability of each type, ``[T]``, of all games.

    Returns:
        All of them, as one `SignallingEquilibria`.

    Raises:
        GameError: A shape does not fit, a payoff is not finite, or the prior is none.
    """
    array = finite(check(payoffs, "T", "M", "n"))
    games_tmnN2 = np.moveaxis(array if array.ndim == 5 else array[None], 0, -2)
    user_tmnN, llm_tmnN = np.moveaxis(games_tmnN2, -1, 0).copy()
    types, messages, replies, count = user_tmnN.shape
    before = probabilities("a prior", prior, 1)
    if before.shape != (types,):
        raise GameError(f"the prior is about {types} types, not of shape {list(before.shape)}")
    free_mnNt, possible_mnN = _free_beliefs(llm_tmnN)
    found = []
    for sent in product(range(messages), repeat=types):
        beliefs = _beliefs(before, sent, messages)
        best_mnN = [
            possible_mnN[m] if after is None else _is_best(np.tensordot(after, llm_tmnN[:, m], 1))
            for m, after in enumerate(beliefs)
        ]
        for reply in product(range(replies), repeat=messages):
            holds_N = np.ones(count, np.bool_)
            for m, r in enumerate(reply):
                holds_N &= best_mnN[m][r]
            for t, own in enumerate(sent):
                for m, r in enumerate(reply):
                    holds_N &= user_tmnN[t, own, reply[own]] >= user_tmnN[t, m, r] - TOLERANCE
            for game in np.flatnonzero(holds_N).tolist():
                after_mt = [
                    free_mnNt[m, r, game] if beliefs[m] is None else beliefs[m]
                    for m, r in enumerate(reply)
                ]
                found.append((game, sent, reply, after_mt))
    found.sort(key=lambda one: one[0])
    return SignallingEquilibria(
        np.array([one[0] for one in found], np.intp),
        np.array([one[1] for one in found], np.intp).reshape(-1, types),
        np.array([one[2] for one in found], np.intp).reshape(-1, messages),
        np.array([one[3] for one in found], np.float64).reshape(-1, messages, types),
    )


def _beliefs(prior_T: Payoffs, sent: tuple[int, ...], messages: int) -> list[Payoffs | None]:
    """The belief after each message by Bayes' rule; None after one that nobody sends."""
    joint = [np.where(np.array(sent) == m, prior_T, 0) for m in range(messages)]
    return [one / one.sum() if one.sum() > 0 else None for one in joint]


def _is_best(values_nN: Payoffs) -> Mask:
    best: Mask = values_nN >= values_nN.max(axis=0) - TOLERANCE
    return best


def _free_beliefs(llm_tmnN: Payoffs) -> tuple[Payoffs, Mask]:
    """For each message and reply, a belief at which it is most ahead, and whether it is best there.

    Returns:
        ``[M, n, N, T]`` and ``[M, n, N]``.
    """
    types, messages, replies, count = llm_tmnN.shape
    belief = np.empty((messages, replies, count, types))
    for m, r in product(range(messages), range(replies)):
        ahead_tnN = llm_tmnN[:, m, r, None] - llm_tmnN[:, m]
        if types == 2:
            share_N = _most_ahead(*ahead_tnN)
            belief[m, r] = np.stack([share_N, 1 - share_N], axis=-1)
        else:
            belief[m, r] = [secure(ahead_tnN[..., game])[1] for game in range(count)]
    margin = np.stack(
        [
            [
                (b.T[:, None] * (llm_tmnN[:, m, r, None] - llm_tmnN[:, m])).sum(axis=0).min(axis=0)
                for r, b in enumerate(row)
            ]
            for m, row in enumerate(belief)
        ]
    )
    return belief, margin >= -TOLERANCE


def _most_ahead(first_nN: Payoffs, second_nN: Payoffs) -> Payoffs:
    """Probability of the first of two types at which the least lead over a reply is greatest.

    The least of several lines is greatest at an end or where two of them cross.
    """
    best_N = np.where(first_nN.min(axis=0) > second_nN.min(axis=0), 1.0, 0.0)
    for share_N in _crossings(first_nN, second_nN):
        best_N = np.where(
            _least(first_nN, second_nN, share_N) > _least(first_nN, second_nN, best_N),
            share_N,
            best_N,
        )
    return best_N


def _crossings(first_nN: Payoffs, second_nN: Payoffs) -> Iterator[Payoffs]:
    for a in range(len(first_nN)):
        for b in range(a):
            rise_N = (first_nN[a] - second_nN[a]) - (first_nN[b] - second_nN[b])
            apart_N = second_nN[b] - second_nN[a]
            steep = np.abs(rise_N) > TOLERANCE
            yield np.clip(np.where(steep, apart_N, 0) / np.where(steep, rise_N, 1), 0, 1)


def _least(first_nN: Payoffs, second_nN: Payoffs, share_N: Payoffs) -> Payoffs:
    least: Payoffs = (share_N * first_nN + (1 - share_N) * second_nN).min(axis=0)
    return least
