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
from gtalign.game.arrays import Payoffs, whole
from gtalign.game.belief import Aim, known_aim, probabilities, worth
from gtalign.game.epochs import CheckedEpoch, ClarifyingQuestion, DecisionEpoch
from gtalign.game.plans import Stage, best_plans, useful
from gtalign.game.replies import ahead, follow

if TYPE_CHECKING:
    from gtalign.drawing import Markup


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
        can_kN = ahead(turns[0], weights_TN, self.aim, stages)
        move_N: NDArray[np.intp] = can_kN.argmax(axis=0)
        close_N = can_kN.sum(axis=0) > 1
        if close_N.any():
            some = [turn.of(close_N) for turn in turns]
            move_N[close_N], _ = follow(some, weights_TN[:, close_N], self.aim, stages)
        return move_N if batch else move_N[0]

    def value(self, belief: ArrayLike, left: int | None = None) -> Payoffs:
        """What user and LLM get if the LLM always makes the best move, ``[..., 2]``.

        Arguments as of `move`; the time always grows as it does there.
        """
        weights_TN, batch = self._weights(belief)
        turns, stages = self._rest(left)
        _, value_2N = follow(turns, weights_TN, self.aim, stages)
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
        stage = self.stages[self._count(left)]
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

    def _count(self, left: int | None) -> int:
        most = len(self.stages) - 1
        return most if left is None else whole("the questions left are", left, 0, most)

    def _rest(self, left: int | None) -> tuple[list[CheckedEpoch], tuple[Stage, ...]]:
        """The turns with so many questions left, and the plans of those after the first."""
        count = self._count(left)
        turns = [CheckedEpoch.of_epoch(turn) for turn in self.turns[len(self.turns) - 1 - count :]]
        return turns, self.stages[:count]

    def _weights(self, belief: ArrayLike) -> tuple[Payoffs, bool]:
        """The belief ``[T, N]``, and whether there are several."""
        before = probabilities("a belief", belief, 1)
        types = self.stages[0].values.shape[1]
        if before.shape[-1] != types:
            raise GameError(f"the belief is about {before.shape[-1]} types, not {types}")
        return np.atleast_2d(before).T, before.ndim == 2


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
    checked = [CheckedEpoch.of_epoch(turn) for turn in turns]
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
                plans = sums[useful(worth(sums, aim))]
            values.append(plans)
            moves.append(np.full(len(plans), move))
        stages.append(best_plans(np.concatenate(values), np.concatenate(moves), aim))
    return Clarification(len(answers), aim, tuple(stages), tuple(turns))
