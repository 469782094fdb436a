"""Clarification as a decision under a belief: when to answer, to ask, or to answer and ask.

The LLM does not know the user's type. In each turn it answers, which ends the exchange, or asks one
of several questions, which costs both sides. After a question the user may leave; otherwise the
reply changes the belief, and there is one question less to ask. After the last question the LLM
answers. This is a partially observable Markov decision process in which the state stays as it is.
What a plan brings is linear in the belief, so the best that can be had is the upper envelope of
finitely many *alpha vectors*, one for each plan that is best somewhere (Sondik, 1971; Kaelbling,
Littman and Cassandra, "Planning and acting in partially observable stochastic domains", 1998).

Of moves that are equally good by the aim, the LLM makes the one that is best for the user (with the
aim ``user``, for the LLM), then the first, as in `gtalign.game.belief_response`. The vectors do not
show that, since of plans that tie at a single belief some are best nowhere else, and left out. So
the vectors say which moves can be best at a belief, and those are followed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import LIMIT, Payoffs, check, finite, number, numbers, whole
from gtalign.game.belief import Aim, best_of, known_aim, probabilities, worth
from gtalign.game.cells import first_best
from gtalign.game.form import TOLERANCE
from gtalign.game.security import secure

if TYPE_CHECKING:
    from gtalign.drawing import Markup

_CLOSE = 1000 * TOLERANCE
"""Moves that differ by less are compared by following them: the vectors of a plan are exact up to
``TOLERANCE`` for each question and reply."""


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
        turns: What may be done in each turn.
    """

    answers: int
    aim: Aim
    stages: tuple[Stage, ...]
    turns: tuple[DecisionEpoch, ...]

    def move(self, belief: ArrayLike, left: int | None = None) -> NDArray[np.intp]:
        """The best move, integer ``[...]``.

        Ties go to the move that is best for the user (with the aim ``user``, for the LLM), then to
        the first. Where moves are close to each other, it follows their replies to the end, in time
        that grows with the number of replies to the power of `left`.

        Args:
            belief: Probability of each type, ``[T]`` or ``[N, T]``.
            left: Questions that may still be asked; by default all.
        """
        weights_TN, batch = self._weights(belief)
        turns, stages = self._rest(left)
        can_kN = _ahead(turns[0], weights_TN, self.aim, stages)
        move_N: NDArray[np.intp] = can_kN.argmax(axis=0)
        close_N = can_kN.sum(axis=0) > 1
        if close_N.any():
            some = [turn.of(close_N) for turn in turns]
            move_N[close_N], _ = _followed(some, weights_TN[:, close_N], self.aim, stages)
        return move_N if batch else move_N[0]

    def value(self, belief: ArrayLike, left: int | None = None) -> Payoffs:
        """What user and LLM get if the LLM always makes the best move, ``[..., 2]``.

        Arguments as of `move`; the time always grows as it does there.
        """
        weights_TN, batch = self._weights(belief)
        turns, stages = self._rest(left)
        _, value_2N = _followed(turns, weights_TN, self.aim, stages)
        return value_2N.T if batch else value_2N[:, 0]

    def regions(self, left: int | None = None) -> tuple[tuple[float, float, int], ...]:
        """Which move is best where: least and greatest probability of the first type, and the move.

        Of moves that are equally good throughout an interval, the one that `move` makes in its
        middle.

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
        middle_N = np.add(cuts[1:], cuts[:-1]) / 2
        moves = self.move(np.stack([middle_N, 1 - middle_N], axis=1), left).tolist()
        for (low, high), move in zip(pairwise(cuts), moves, strict=True):
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
        return self.stages[self._count(left)]

    def _count(self, left: int | None) -> int:
        most = len(self.stages) - 1
        return most if left is None else whole("the questions left are", left, 0, most)

    def _rest(self, left: int | None) -> tuple[list["_Turn"], tuple[Stage, ...]]:
        """The turns with so many questions left, and the plans of those after the first."""
        count = self._count(left)
        turns = [_Turn.of_epoch(turn) for turn in self.turns[len(self.turns) - 1 - count :]]
        return turns, self.stages[:count]

    def _weights(self, belief: ArrayLike) -> tuple[Payoffs, bool]:
        """The belief ``[T, N]``, and whether there are several."""
        before = probabilities("a belief", belief, 1)
        types = self.stages[0].values.shape[1]
        if before.shape[-1] != types:
            raise GameError(f"the belief is about {before.shape[-1]} types, not {types}")
        return np.atleast_2d(before).T, before.ndim == 2


@dataclass(frozen=True, eq=False)
class _Ask:
    """A checked question: likelihood ``[T, S]``; the rest as of `ClarifyingQuestion`."""

    likelihood_TS: Payoffs
    cost_2: Payoffs
    patience: float
    answer: int | None
    leaving_2: Payoffs

    def sure(self, answers_n2N: Payoffs, sure_N: Payoffs | float) -> Payoffs:
        """What it brings apart from what follows a reply: the cost, and who leaves; ``[2, N]``."""
        leaving_2N = np.multiply.outer(self.leaving_2, sure_N)
        gone_2N = leaving_2N if self.answer is None else answers_n2N[self.answer]
        result: Payoffs = (1 - self.patience) * gone_2N - np.multiply.outer(self.cost_2, sure_N)
        return result


@dataclass(frozen=True, eq=False)
class _Turn:
    """A checked turn: payoffs ``[T, n, 2, N or 1]``, and the questions."""

    games_Tn2N: Payoffs
    asks: tuple[_Ask, ...]

    @classmethod
    def of_epoch(cls, epoch: DecisionEpoch) -> "_Turn":
        game = finite(check(epoch.payoffs, "T", "n"))
        if game.ndim != 3:
            raise GameError(f"payoffs of a turn have shape [T, n, 2], not {list(game.shape)}")
        types, answers, _ = game.shape
        asks = tuple(_checked(question, types, answers) for question in epoch.questions)
        return cls(game[..., None], asks)

    def of(self, some_N: NDArray[np.bool_]) -> "_Turn":
        """The same turn in some of the games."""
        if self.games_Tn2N.shape[-1] == 1:
            return self
        return _Turn(self.games_Tn2N[..., some_N], self.asks)

    def answered(self, weights_TN: Payoffs) -> Payoffs:
        """What each answer brings, ``[n, 2, N]``."""
        shape = (*self.games_Tn2N.shape[:3], weights_TN.shape[1])
        result: Payoffs = np.einsum(
            "tN,tnpN->npN", weights_TN, np.broadcast_to(self.games_Tn2N, shape)
        )
        return result


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
    turns = whole("the number of questions is", turns, 0)
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
    known_aim(aim)
    checked = [_Turn.of_epoch(turn) for turn in turns]
    if not turns or turns[-1].questions:
        raise GameError("there are one or more turns, and nothing can be asked in the last")
    shapes = {turn.games_Tn2N.shape[:3] for turn in checked}
    if len(shapes) > 1:
        raise GameError(f"the payoffs of all turns have one shape, not {sorted(shapes)}")
    stages: list[Stage] = []
    for turn in reversed(checked):
        answers = turn.games_Tn2N[..., 0].swapaxes(0, 1)
        values, moves = [answers], [np.arange(len(answers))]
        for move, ask in enumerate(turn.asks, len(answers)):
            # Each type by itself, as if it were the only one.
            each_n2T = answers.transpose(0, 2, 1)
            plans = ask.sure(each_n2T, np.ones(each_n2T.shape[2])).T[None]
            for signal_T in ask.likelihood_TS.T:
                after = ask.patience * signal_T[:, None] * stages[-1].values
                sums = (plans[:, None] + after[None]).reshape(-1, *plans.shape[1:])
                plans = sums[_useful(worth(sums, aim))]
            values.append(plans)
            moves.append(np.full(len(plans), move))
        stages.append(_best(np.concatenate(values), np.concatenate(moves), aim))
    return Clarification(len(answers), aim, tuple(stages), tuple(turns))


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
    asks = tuple(_checked(question, types, answers) for question in questions)
    rest = [*[_Turn(games_Tn2N, asks)] * turns, _Turn(games_Tn2N, ())]
    move_N, value_2N = _followed(rest, weights_TN, aim)
    return (move_N, value_2N.T) if batch else (move_N[0], value_2N[:, 0])


def _followed(
    turns: Sequence[_Turn], weights_TN: Payoffs, aim: Aim, stages: Sequence[Stage] = ()
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
        follow_kN = follow_kN & _ahead(turn, weights_TN, aim, stages)
    for move, ask in enumerate(turn.asks, count):
        some_N = follow_kN[move]
        if not some_N.any():
            continue
        after = later if some_N.all() else [one.of(some_N) for one in later]
        value_2N = ask.sure(answers_n2N[..., some_N], sure_N[some_N])
        for signal_T in ask.likelihood_TS.T:
            reply_TN = weights_TN[:, some_N] * signal_T[:, None]
            value_2N = value_2N + ask.patience * _followed(after, reply_TN, aim, stages[:-1])[1]
        values_k2N[move][:, some_N] = value_2N
    move_N = best_of(values_k2N, aim)
    return move_N, np.take_along_axis(values_k2N, move_N[None, None], axis=0)[0]


def _ahead(
    turn: _Turn, weights_TN: Payoffs, aim: Aim, stages: Sequence[Stage]
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


def _checked(question: ClarifyingQuestion, types: int, answers: int) -> _Ask:
    signals = probabilities("a likelihood", question.likelihood, 2)
    if signals.ndim != 2 or len(signals) != types:
        raise GameError(f"a likelihood has shape [{types}, S], not {list(signals.shape)}")
    answer = question.answer
    if answer is not None:
        answer = whole("the answer of a question is", answer, 0, answers - 1)
    cost, leaving = (
        numbers("costs and payoffs of leaving are", pair)
        for pair in (question.cost, question.leaving)
    )
    for pair in (cost, leaving):
        if pair.shape != (2,) or not (np.abs(pair) <= LIMIT).all():
            raise GameError(f"costs and payoffs of leaving are two finite numbers, not {pair}")
    return _Ask(signals, cost, number("patience is", question.patience, 0, 1), answer, leaving)


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
