"""Commitment: one player publishes a mixed action, and the other best responds (Stackelberg).

The best mixture to commit to is a vertex of the set of mixtures against which one action of the
follower is best (Conitzer and Sandholm, "Computing the optimal strategy to commit to", 2006, find
it by one linear program for each action). The follower's ties matter: under *strong* commitment it
breaks them in the leader's favour; under *weak* commitment against the leader, who then comes as
close as it likes to the payoff that is given (von Stengel and Zamir, "Leadership games with convex
strategy sets", 2010).

Shapes and errors as in ``gtalign.game.cells``. Games in which a player has at most two actions are
solved in floating point with ``TOLERANCE``, many at a time; a larger one exactly, for payoffs read
to the nearest ``GRID``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import Mask, Payoffs, blocks, check
from gtalign.game.cells import first_best
from gtalign.game.equilibria import Equilibria, Matrix, equalise, equilibria, ticks_of
from gtalign.game.form import TOLERANCE, Player, known_player

Ties = Literal["strong", "weak"]


@dataclass(frozen=True, eq=False)
class Commitment:
    """What the leader commits to and what follows, of one game or of several.

    Attributes:
        mixed: The leader's probabilities, ``[..., m]`` (user) or ``[..., n]`` (LLM).
        answer: The follower's action, integer ``[...]``.
        payoffs: What both get, user and LLM, ``[..., 2]``. Weak commitment comes as close to the
            leader's as it likes.
    """

    mixed: Payoffs
    answer: NDArray[np.intp]
    payoffs: Payoffs


def commit(payoffs: ArrayLike, leader: Player, ties: Ties = "strong") -> Commitment:
    """The best mixed action to commit to.

    Of several that are best for the leader, the one that is best for the follower.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        leader: Who commits.
        ties: Whether the follower breaks its ties for the leader (``strong``) or against it.
    """
    if ties not in get_args(Ties):
        raise GameError(f"ties are {' or '.join(get_args(Ties))}, not {ties!r}")
    known_player("the leader is", leader)
    array = check(payoffs)
    games_Nmn2 = array if array.ndim == 4 else array[None]
    count, m, n, _ = games_Nmn2.shape
    own, other = (m, n) if leader == "user" else (n, m)
    mixed, answer = np.empty((count, own)), np.empty(count, np.intp)
    reached = np.empty((count, 2))
    for place, block in blocks(games_Nmn2):
        user, llm = block[:, :, 0], block[:, :, 1]
        first, second = (
            (user, llm) if leader == "user" else (llm.swapaxes(0, 1), user.swapaxes(0, 1))
        )
        if min(own, other) <= 2:
            found = _of_block(first, second, ties)
        else:
            found = _one_by_one(first, second, ties)
        mixed[place], answer[place], values = found[0].T, found[1], found[2]
        reached[place] = values.T if leader == "user" else values.T[:, ::-1]
    if array.ndim == 4:
        return Commitment(mixed, answer, reached)
    return Commitment(mixed[0], answer[0], reached[0])


def commitment_gain(
    payoffs: ArrayLike,
    leader: Player,
    ties: Ties = "strong",
    *,
    committed: Commitment | None = None,
    found: Equilibria | None = None,
) -> Payoffs:
    """What each side gains if one commits, against the equilibrium that is best for who commits.

    Of several such equilibria, the one that is best for the follower. The leader never loses by
    strong commitment; the follower may.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        leader: Who commits.
        ties: As for `commit`.
        committed: ``commit(payoffs, leader, ties)``, if it is at hand already.
        found: ``equilibria(payoffs)``, if it is at hand already.

    Returns:
        Gain of the user and of the LLM, ``[..., 2]``.
    """
    reached = (commit(payoffs, leader, ties) if committed is None else committed).payoffs
    array = check(payoffs)
    games_Nmn2 = array if array.ndim == 4 else array[None]
    found = equilibria(array) if found is None else found
    value_E2 = np.einsum("em,en,emnp->ep", found.user, found.llm, games_Nmn2[found.game])
    side = 0 if leader == "user" else 1
    best_N2 = np.full((len(games_Nmn2), 2), -np.inf)
    np.maximum.at(best_N2[:, side], found.game, value_E2[:, side])
    tied = value_E2[:, side] >= best_N2[found.game, side] - TOLERANCE
    np.maximum.at(best_N2[:, 1 - side], found.game[tied], value_E2[tied, 1 - side])
    before = best_N2 if array.ndim == 4 else best_N2[0]
    gain: Payoffs = reached - before
    return gain


def _of_block(
    first_LFB: Payoffs, second_LFB: Payoffs, ties: Ties
) -> tuple[Payoffs, NDArray[np.intp], Payoffs]:
    """Mixtures ``[L, B]``, answers ``[B]`` and payoffs ``[2, B]`` (leader, follower) of a block."""
    _, following, games = first_LFB.shape
    equal_FFB = (
        np.abs(second_LFB[:, :, None] - second_LFB[:, None]).max(axis=0) <= TOLERANCE
        if ties == "weak"
        else np.eye(following, dtype=np.bool_)[..., None]
    )
    mixtures, leads, worsts, follows, counts = [], [], [], [], []
    for valid_B, mixed_LB in _candidates(first_LFB, second_LFB, equal_FFB):
        lead_FB = (mixed_LB[:, None] * first_LFB).sum(axis=0)
        follow_FB = (mixed_LB[:, None] * second_LFB).sum(axis=0)
        best_FB = valid_B & (follow_FB >= follow_FB.max(axis=0) - TOLERANCE)
        worst_FB = np.where(equal_FFB, lead_FB[None], np.inf).min(axis=1)
        mixtures.append(mixed_LB)
        leads.append(lead_FB)
        worsts.append(worst_FB)
        follows.append(follow_FB)
        counts.append(best_FB)
    worst_CFB, follow_CFB, best_CFB = np.stack(worsts), np.stack(follows), np.stack(counts)
    if ties == "weak":
        best_CFB &= _stays_best(follow_CFB, best_CFB, equal_FFB)
    pair_B = first_best(
        np.where(best_CFB, worst_CFB, -np.inf).reshape(-1, games), follow_CFB.reshape(-1, games)
    )
    place_B, answer_B = np.divmod(pair_B, following)
    each_B = np.arange(games)
    mixed = np.stack(mixtures)[place_B, :, each_B].T
    values = np.stack([worst_CFB[place_B, answer_B, each_B], follow_CFB[place_B, answer_B, each_B]])
    if ties == "weak":  # of equal actions, the one that is worst for the leader
        lead_BF = np.stack(leads)[place_B, :, each_B]
        answer_B = np.where(equal_FFB[answer_B, :, each_B], lead_BF, np.inf).argmin(axis=1)
    return mixed, answer_B, values


def _candidates(
    first_LFB: Payoffs, second_LFB: Payoffs, equal_FFB: Mask
) -> Iterator[tuple[Mask, Payoffs]]:
    """Mixtures of one or two actions at which an optimum may lie, and in which games they exist."""
    leading, following, games = first_LFB.shape
    for i in range(leading):
        pure = np.zeros((leading, games))
        pure[i] = 1
        yield np.ones(games, np.bool_), pure
    for f, g in combinations(range(following), 2):
        same_B = equal_FFB[f, g]
        # Where the follower's two actions tie; if they always do, where they are equally bad.
        steps = [(second_LFB[:, f] - second_LFB[:, g], True)]
        if same_B.any():
            steps.append((first_LFB[:, f] - first_LFB[:, g], same_B))
        for step_LB, where in steps:
            for i, j in combinations(range(leading), 2):
                one, two = step_LB[i], step_LB[j]
                crosses = ((one > TOLERANCE) & (two < -TOLERANCE)) | (
                    (one < -TOLERANCE) & (two > TOLERANCE)
                )
                total = np.where(crosses, np.abs(one) + np.abs(two), 1)
                mixed = np.zeros((leading, games))
                mixed[i], mixed[j] = np.abs(two) / total, np.abs(one) / total
                yield crosses & where, mixed


def _stays_best(follow_CFB: Payoffs, best_CFB: Mask, equal_FFB: Mask) -> Mask:
    """Which actions are best against all mixtures near some mixture, ``[F, B]``.

    The mean of the vertices at which an action is best lies inside the set of such mixtures. If
    another action that is not equal ties there, it ties in all of the set, which then is flat.
    """
    count_FB = np.maximum(best_CFB.sum(axis=0), 1)
    mean_FgB = np.einsum("cfb,cgb->fgb", best_CFB, follow_CFB) / count_FB[:, None]
    own_FB = np.einsum("ffb->fb", mean_FgB)
    result: Mask = (equal_FFB | (own_FB[:, None] - mean_FgB > TOLERANCE)).all(axis=1)
    return result


def _one_by_one(
    first_LFB: Payoffs, second_LFB: Payoffs, ties: Ties
) -> tuple[Payoffs, NDArray[np.intp], Payoffs]:
    """As `_of_block`, game by game in whole numbers."""
    leading, _, games = first_LFB.shape
    mixed, answer = np.empty((leading, games)), np.empty(games, np.intp)
    values = np.empty((2, games))
    for game in range(games):
        first, second = (
            [[ticks_of(value) for value in row] for row in side[..., game].tolist()]
            for side in (first_LFB, second_LFB)
        )
        weights, answer[game] = _exact(first, second, ties)
        mixed[:, game] = [weight / sum(weights) for weight in weights]
        played = mixed[:, game]
        values[1, game] = played @ second_LFB[:, answer[game], game]
        values[0, game] = played @ first_LFB[:, answer[game], game]
    return mixed, answer, values


def _exact(first: Matrix, second: Matrix, ties: Ties) -> tuple[tuple[int, ...], int]:
    """The mixture, scaled to whole numbers, and the follower's answer."""
    columns = list(zip(*second, strict=True))
    best: tuple[Fraction, Fraction, tuple[int, ...], int] | None = None
    for f, column in enumerate(columns):
        equal = [g for g, other in enumerate(columns) if ties == "weak" and other == column]
        equal = equal or [f]
        vertices = list(_vertices(first, second, f, equal))
        if ties == "weak" and not _is_best_inside(second, f, equal, vertices):
            continue
        for mixed in vertices:
            worst = min(equal, key=lambda g: _value(first, mixed, g))
            found = (_value(first, mixed, worst), _value(second, mixed, f), mixed, worst)
            if best is None or found[:2] > best[:2]:
                best = found
    assert best is not None  # some action is best against an open set of mixtures
    return best[2], best[3]


def _vertices(first: Matrix, second: Matrix, f: int, equal: list[int]) -> Iterator[tuple[int, ...]]:
    """Vertices of the mixtures at which the follower's action f is best, scaled.

    Also those at which two of its equal actions are equally bad for the leader.
    """
    rows = [[row[g] - row[f] for row in second] for g in range(len(second[0])) if g not in equal]
    rows += [[row[g] - row[h] for row in first] for g, h in combinations(equal, 2)]
    for size in range(1, len(second) + 1):
        for support in combinations(range(len(second)), size):
            for tied in combinations(rows, size - 1):
                weights = equalise([[0] * size, *([row[i] for i in support] for row in tied)])
                if weights is None or min(weights) <= 0:
                    continue
                mixed = [0] * len(second)
                for i, weight in zip(support, weights, strict=True):
                    mixed[i] = weight
                values = [_value(second, tuple(mixed), g) for g in range(len(second[0]))]
                if values[f] == max(values):
                    yield tuple(mixed)


def _is_best_inside(
    second: Matrix, f: int, equal: list[int], vertices: list[tuple[int, ...]]
) -> bool:
    """Whether f is best against an open set of mixtures (see `_stays_best`)."""
    means = [sum(_value(second, x, g) for x in vertices) for g in range(len(second[0]))]
    return bool(vertices) and all(means[f] > m for g, m in enumerate(means) if g not in equal)


def _value(payoffs: Matrix, mixed: tuple[int, ...], answer: int) -> Fraction:
    total = sum(weight * row[answer] for weight, row in zip(mixed, payoffs, strict=True))
    return Fraction(total, sum(mixed))
