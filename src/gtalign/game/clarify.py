"""Clarification as a decision under a belief: when to answer, to ask, or to answer and ask.

The LLM does not know the user's type. In each turn it answers, which ends the exchange, or asks one
of several questions, which costs both sides. After a question the user may leave; otherwise the
reply changes the belief, and there is one question less to ask. After the last question the LLM
answers. This is a partially observable Markov decision process in which the state stays as it is.
What a plan brings is linear in the belief, so the best that can be had is the upper envelope of
finitely many *alpha vectors*, one for each plan that is best somewhere (Sondik, 1971; Kaelbling,
Littman and Cassandra, "Planning and acting in partially observable stochastic domains", 1998).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import LIMIT, Payoffs, check
from gtalign.game.belief import Aim, probabilities, worth
from gtalign.game.cells import first_best
from gtalign.game.form import TOLERANCE
from gtalign.game.security import secure

if TYPE_CHECKING:
    from gtalign.drawing import Markup


@dataclass(frozen=True, eq=False)
class ClarifyingQuestion:
    """A question to the user.

    Args:
        likelihood: Probability of each reply for each type, ``[T, S]``.
        cost: What asking and replying cost the user and the LLM, in points.
        patience: Probability that the user stays and replies.
        answer: Action of the LLM with which it answers as it asks. A user who leaves keeps that
            answer; the payoffs of a later one replace it. None to ask without an answer.
        leaving: Payoffs of both if the user leaves without an answer.
    """

    likelihood: ArrayLike
    cost: tuple[float, float] = (0.0, 0.0)
    patience: float = 1.0
    answer: int | None = None
    leaving: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class DecisionEpoch:
    """A decision epoch: what the LLM can do after a given number of questions.

    Args:
        payoffs: What both get for each type and answer, ``[T, n, 2]``.
        questions: What may be asked.
    """

    payoffs: ArrayLike
    questions: Sequence[ClarifyingQuestion] = ()


@dataclass(frozen=True, eq=False)
class Stage:
    """The plans that are best for some belief, with a given number of questions left.

    Attributes:
        values: What each plan brings user and LLM for each type, ``[K, T, 2]``: alpha vectors.
        moves: The first move of each plan, integer ``[K]``.
    """

    values: Payoffs
    moves: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Clarification:
    """What to do for every belief.

    Moves are numbered: first the n answers, then the questions, both in their order.

    Attributes:
        answers: Number of answers n.
        aim: What the LLM maximises.
        stages: By number of questions left, from 0 on.
    """

    answers: int
    aim: Aim
    stages: tuple[Stage, ...]

    def move(self, belief: ArrayLike, left: int | None = None) -> NDArray[np.intp]:
        """The best move, integer ``[...]``; of several, the first.

        Args:
            belief: Probability of each type, ``[T]`` or ``[N, T]``.
            left: Questions that may still be asked; by default all.
        """
        stage, plan = self._plan(belief, left)
        return stage.moves[plan]

    def value(self, belief: ArrayLike, left: int | None = None) -> Payoffs:
        """What user and LLM get under the best plan, ``[..., 2]``; arguments as of `move`."""
        stage, plan = self._plan(belief, left)
        before = np.asarray(belief, np.float64)
        result: Payoffs = (before[..., None] * stage.values[plan]).sum(axis=-2)
        return result

    def regions(self, left: int | None = None) -> tuple[tuple[float, float, int], ...]:
        """Which move is best where: least and greatest probability of the first type, and the move.

        Args:
            left: Questions that may still be asked; by default all.

        Raises:
            GameError: There are not two types.
        """
        stage = self._stage(left)
        lines_K2 = worth(stage.values, self.aim)
        if lines_K2.shape[1] != 2:
            raise GameError(f"regions are intervals for two types, not for {lines_K2.shape[1]}")
        at_1, at_0 = lines_K2.T
        order = np.argsort(at_1 - at_0)
        # Each line is highest somewhere, so in order of slope each crosses the next.
        rise = np.diff((at_1 - at_0)[order])
        cuts = [0.0, *(-np.diff(at_0[order]) / rise).tolist(), 1.0]
        found: list[tuple[float, float, int]] = []
        for (low, high), move in zip(pairwise(cuts), stage.moves[order].tolist(), strict=True):
            if found and found[-1][2] == move:
                low = found.pop()[0]
            found.append((low, high, move))
        return tuple(found)

    def chart(self, title: str, moves: Sequence[str], type_name: str) -> "Markup":
        """Draw `regions`: a bar for each number of questions left, over the belief.

        Args:
            title: Title of the chart.
            moves: Name of every move.
            type_name: Name of the first type, whose probability is the axis.
        """
        from gtalign.drawing import action_colour, region_chart

        colours = {name: action_colour(place) for place, name in enumerate(moves)}
        rows = [
            (
                "no question left" if not left else f"{left} question{'s' * (left > 1)} left",
                [(low, high, moves[move]) for low, high, move in self.regions(left)],
            )
            for left in range(len(self.stages))
        ]
        return region_chart(title, rows, colours, f"probability of: {type_name}")

    def _stage(self, left: int | None) -> Stage:
        most = len(self.stages) - 1
        if left is not None and not 0 <= left <= most:
            raise GameError(f"0 to {most} questions may be left, not {left}")
        return self.stages[most if left is None else left]

    def _plan(self, belief: ArrayLike, left: int | None) -> tuple[Stage, NDArray[np.intp]]:
        stage = self._stage(left)
        before = probabilities("a belief", belief, 1)
        if before.shape[-1] != stage.values.shape[1]:
            raise GameError(
                f"the belief is about {before.shape[-1]} types, not {stage.values.shape[1]}"
            )
        lines = before @ worth(stage.values, self.aim).T
        plan: NDArray[np.intp] = np.argmax(
            lines >= lines.max(axis=-1, keepdims=True) - TOLERANCE, axis=-1
        )
        return stage, plan


def clarify(
    payoffs: ArrayLike,
    questions: Sequence[ClarifyingQuestion],
    turns: int,
    aim: Aim = "welfare",
) -> Clarification:
    """Solve the clarification problem exactly, up to ``TOLERANCE``.

    Args:
        payoffs: What both get for each type and answer, ``[T, n, 2]``.
        questions: What may be asked.
        turns: Most questions that may be asked, 0 or more. The work grows with their number, and
            fast with the number of replies.
        aim: What the LLM maximises.

    Raises:
        GameError: A shape does not fit, a number is not finite, or a probability is none.
    """
    if turns < 0:
        raise GameError(f"the number of questions is 0 or more, not {turns}")
    return clarify_turns(
        [*[DecisionEpoch(payoffs, questions)] * turns, DecisionEpoch(payoffs)], aim
    )


def clarify_turns(turns: Sequence[DecisionEpoch], aim: Aim = "welfare") -> Clarification:
    """Solve a clarification problem whose turns differ: `clarify` is the one whose turns do not.

    An answer may lose worth with every question before it, or users may reply otherwise when they
    are asked again.

    Args:
        turns: What may be done in each turn, one or more; nothing can be asked in the last.
        aim: What the LLM maximises.

    Raises:
        GameError: As of `clarify`, or the last turn has questions.
    """
    games = [check(turn.payoffs) for turn in turns]
    for game in games:
        if game.ndim != 3 or not (np.abs(game) <= LIMIT).all():
            raise GameError(
                f"payoffs are finite numbers of shape [T, n, 2], not {list(game.shape)}"
            )
    if not turns or turns[-1].questions:
        raise GameError("there are one or more turns, and nothing can be asked in the last")
    shapes = {game.shape for game in games}
    if len(shapes) > 1:
        raise GameError(f"the payoffs of all turns have one shape, not {sorted(shapes)}")
    stages: list[Stage] = []
    for turn, game in zip(reversed(turns), reversed(games), strict=True):
        answers = game.swapaxes(0, 1)
        values, moves = [answers], [np.arange(len(answers))]
        for number, question in enumerate(turn.questions, len(answers)):
            signals_TS, patience, plans = _checked(question, game)
            plans = plans[None]
            for signal_T in signals_TS.T:
                after = patience * signal_T[:, None] * stages[-1].values
                sums = (plans[:, None] + after[None]).reshape(-1, *game.shape[::2])
                plans = sums[_useful(worth(sums, aim))]
            values.append(plans)
            moves.append(np.full(len(plans), number))
        stages.append(_best(np.concatenate(values), np.concatenate(moves), aim))
    return Clarification(len(answers), aim, tuple(stages))


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
    games, before = check(payoffs), probabilities("a belief", belief, 1)
    batch = games.ndim == 4 or before.ndim == 2
    if not (np.abs(games) <= LIMIT).all():
        raise GameError(f"payoffs are finite numbers up to {LIMIT:g}")
    if turns < 0:
        raise GameError(f"the number of questions is 0 or more, not {turns}")
    if before.shape[-1] != games.shape[-3]:
        raise GameError(f"the belief is about {before.shape[-1]} types, not {games.shape[-3]}")
    if games.ndim == 4 and before.ndim == 2 and len(games) != len(before):
        raise GameError(f"batches of {len(games)} and {len(before)} do not fit each other")
    games_NTn2 = games if games.ndim == 4 else games[None]
    weights_NT = before if before.ndim == 2 else before[None]
    count = max(len(games_NTn2), len(weights_NT)) if batch else 1
    games_NTn2 = np.broadcast_to(games_NTn2, (count, *games_NTn2.shape[1:]))
    games_Tn2N = np.ascontiguousarray(np.moveaxis(games_NTn2, 0, -1))
    weights_TN = np.broadcast_to(weights_NT.T, (weights_NT.shape[1], count))
    checked = [_checked(question, games_NTn2[0]) for question in questions]
    kept = [question.answer for question in questions]

    def best(weights_TN: Payoffs, left: int) -> tuple[NDArray[np.intp], Payoffs]:
        # The weights are not divided by their sum: what a plan brings grows with them.
        answers_n2N: Payoffs = np.einsum("tN,tnpN->npN", weights_TN, games_Tn2N)
        options = list(answers_n2N)
        for question, answer, (signals_TS, patience, _) in zip(
            questions if left else (), kept, checked, strict=False
        ):
            sure_N = weights_TN.sum(axis=0)
            gone_2N = np.multiply.outer(np.asarray(question.leaving, np.float64), sure_N)
            value_2N = (1 - patience) * (gone_2N if answer is None else answers_n2N[answer])
            value_2N = value_2N - np.multiply.outer(np.asarray(question.cost, np.float64), sure_N)
            for signal_T in signals_TS.T:
                value_2N = value_2N + patience * best(weights_TN * signal_T[:, None], left - 1)[1]
            options.append(value_2N)
        values_k2N = np.stack(options)
        lines_kN = worth(values_k2N, aim, axis=1)
        move_N = np.argmax(lines_kN >= lines_kN.max(axis=0) - TOLERANCE, axis=0)
        return move_N, np.take_along_axis(values_k2N, move_N[None, None], axis=0)[0]

    move_N, value_2N = best(weights_TN, turns)
    return (move_N, value_2N.T) if batch else (move_N[0], value_2N[:, 0])


def _checked(question: ClarifyingQuestion, game_Tn2: Payoffs) -> tuple[Payoffs, float, Payoffs]:
    """Likelihood ``[T, S]``, patience, and what is sure for each type: the cost, and who leaves."""
    types, answers, _ = game_Tn2.shape
    signals = probabilities("a likelihood", question.likelihood, 2)
    if signals.ndim != 2 or len(signals) != types:
        raise GameError(f"a likelihood has shape [{types}, S], not {list(signals.shape)}")
    if not 0 <= question.patience <= 1:
        raise GameError(f"patience is a probability, not {question.patience}")
    if question.answer is not None and not 0 <= question.answer < answers:
        raise GameError(f"there are answers 0 to {answers - 1}, not {question.answer}")
    cost, leaving = (np.asarray(pair, np.float64) for pair in (question.cost, question.leaving))
    for pair in (cost, leaving):
        if pair.shape != (2,) or not (np.abs(pair) <= LIMIT).all():
            raise GameError(f"costs and payoffs of leaving are two finite numbers, not {pair}")
    left_T2 = leaving if question.answer is None else game_Tn2[:, question.answer]
    fixed_T2 = np.broadcast_to((1 - question.patience) * left_T2 - cost, (types, 2))
    return signals, question.patience, fixed_T2


def _best(values_KT2: Payoffs, moves_K: NDArray[np.intp], aim: Aim) -> Stage:
    kept = _useful(worth(values_KT2, aim))
    return Stage(values_KT2[kept], moves_K[kept])


def _useful(lines_KT: Payoffs) -> NDArray[np.intp]:
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
