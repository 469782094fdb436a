"""The best move at one belief, by following every reply to every question."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import Payoffs, check, finite, whole
from gtalign.game.belief import Aim, best_of, known_aim, probabilities, worth
from gtalign.game.epochs import CheckedEpoch, CheckedQuestion, ClarifyingQuestion
from gtalign.game.form import TOLERANCE
from gtalign.game.plans import Stage

_CLOSE: Final = 1000 * TOLERANCE
"""Moves that differ by less are compared by following them: the vectors of a plan are exact up to
``TOLERANCE`` for each question and reply."""


def clarifying_move(
    payoffs: ArrayLike,
    belief: ArrayLike,
    questions: Sequence[ClarifyingQuestion],
    turns: int,
    aim: Aim = "welfare",
) -> tuple[NDArray[np.intp], Payoffs]:
    """The best move at one belief, of one game or of many: what `clarify` says there.

    It follows every reply instead of solving for all beliefs. The work grows with the number of
    questions and replies to the power of `turns`, and is shared by all games.

    Args:
        payoffs: ``[T, n, 2]`` or ``[N, T, n, 2]``.
        belief: Probability of each type, ``[T]`` or ``[N, T]``.
        questions: What may be asked; the same in all games.
        turns: Most questions that may be asked, 0 or more.
        aim: What the LLM maximises.

    Returns:
        The number of the move, integer ``[...]``, as of `Clarification`; and what user and LLM get
        under the best plan, ``[..., 2]``.

    Raises:
        GameError: As of `clarify`, or batches that do not fit each other.
    """
    known_aim(aim)
    games = finite(check(payoffs, "T", "n"))
    before = probabilities("a belief", belief, 1)
    turns = whole("the number of questions is", turns, 0)
    batch = games.ndim == 4 or before.ndim == 2
    if before.shape[-1] != games.shape[-3]:
        raise GameError(f"the belief is about {before.shape[-1]} types, not {games.shape[-3]}")
    if games.ndim == 4 and before.ndim == 2 and len(games) != len(before):
        raise GameError(f"batches of {len(games)} and {len(before)} do not fit each other")
    games_NTn2 = games if games.ndim == 4 else games[None]
    weights_NT = np.atleast_2d(before)
    count = max(len(games_NTn2), len(weights_NT)) if batch else 1
    games_Tn2N = np.ascontiguousarray(np.moveaxis(games_NTn2, 0, -1))
    weights_TN = np.broadcast_to(weights_NT.T, (weights_NT.shape[1], count))
    types, answers = games.shape[-3:-1]
    asks = tuple(CheckedQuestion.of_question(question, types, answers) for question in questions)
    rest = [*[CheckedEpoch(games_Tn2N, asks)] * turns, CheckedEpoch(games_Tn2N, ())]
    move_N, value_2N = follow(rest, weights_TN, aim)
    return (move_N, value_2N.T) if batch else (move_N[0], value_2N[:, 0])


def follow(
    turns: Sequence[CheckedEpoch], weights_TN: Payoffs, aim: Aim, stages: Sequence[Stage] = ()
) -> tuple[NDArray[np.intp], Payoffs]:
    """The best move and what it brings user and LLM, by following every reply; ``[N]``, ``[2, N]``.

    The weights are beliefs that are not divided by their sum: what a plan brings grows with them.

    Args:
        turns: This turn and those that follow.
        weights_TN: The weight of each type, ``[T, N]``.
        aim: What the LLM maximises.
        stages: The plans of the turns that follow, by number of questions left. With them, only
            questions that may be best are followed.
    """
    turn, *later = turns
    answers_n2N = turn.answered(weights_TN)
    sure_N = weights_TN.sum(axis=0)
    count = len(answers_n2N)
    values_k2N = np.full((count + len(turn.asks), *answers_n2N.shape[1:]), -np.inf)
    values_k2N[:count] = answers_n2N
    # After a reply that nobody gives there is nothing to lose.
    follow_kN = np.broadcast_to(sure_N > 0, (len(values_k2N), len(sure_N)))
    if stages:
        follow_kN = follow_kN & ahead(turn, weights_TN, aim, stages)
    for move, ask in enumerate(turn.asks, count):
        some_N = follow_kN[move]
        if not some_N.any():
            continue
        after = later if some_N.all() else [one.of(some_N) for one in later]
        value_2N = ask.sure(answers_n2N[..., some_N], sure_N[some_N])
        for signal_T in ask.likelihood_TS.T:
            reply_TN = weights_TN[:, some_N] * signal_T[:, None]
            value_2N = value_2N + ask.patience * follow(after, reply_TN, aim, stages[:-1])[1]
        values_k2N[move][:, some_N] = value_2N
    move_N = best_of(values_k2N, aim)
    return move_N, np.take_along_axis(values_k2N, move_N[None, None], axis=0)[0]


def ahead(
    turn: CheckedEpoch, weights_TN: Payoffs, aim: Aim, stages: Sequence[Stage]
) -> NDArray[np.bool_]:
    """Which moves can be best, boolean ``[k, N]``: all that come close to the best by the vectors.

    Args:
        turn: This turn.
        weights_TN: The weight of each type, ``[T, N]``.
        aim: What the LLM maximises.
        stages: The plans of the turns that follow, by number of questions left.
    """
    answers_n2N = turn.answered(weights_TN)
    lines_kN = list(worth(answers_n2N, aim, axis=1))
    for ask in turn.asks:
        line_N = worth(ask.sure(answers_n2N, weights_TN.sum(axis=0)), aim, axis=0)
        plans_KT = worth(stages[-1].values, aim)
        for signal_T in ask.likelihood_TS.T:
            line_N = line_N + ask.patience * (plans_KT @ (weights_TN * signal_T[:, None])).max(
                axis=0
            )
        lines_kN.append(line_N)
    height_kN = np.stack(lines_kN)
    result: NDArray[np.bool_] = height_kN >= height_kN.max(axis=0) - _CLOSE
    return result
