"""What the LLM may do in each turn before it knows the user's type: answer, or ask a question.

People state a turn as a `DecisionEpoch` with each `ClarifyingQuestion`. Its numbers are checked
once, and all that follows computes with the checked turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import LIMIT, Payoffs, check, finite, number, numbers, whole
from gtalign.game.belief import probabilities


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
class CheckedQuestion:
    """A checked question: likelihood ``[T, S]``; the rest as of `ClarifyingQuestion`."""

    likelihood_TS: Payoffs
    cost_2: Payoffs
    patience: float
    answer: int | None
    leaving_2: Payoffs

    @classmethod
    def of_question(
        cls, question: ClarifyingQuestion, types: int, answers: int
    ) -> "CheckedQuestion":
        """Check a question; raises GameError if a shape does not fit, or a number is wrong."""
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
        return cls(signals, cost, number("patience is", question.patience, 0, 1), answer, leaving)

    def sure(self, answers_n2N: Payoffs, sure_N: Payoffs | float) -> Payoffs:
        """What it brings apart from what follows a reply: the cost, and who leaves; ``[2, N]``."""
        leaving_2N = np.multiply.outer(self.leaving_2, sure_N)
        gone_2N = leaving_2N if self.answer is None else answers_n2N[self.answer]
        result: Payoffs = (1 - self.patience) * gone_2N - np.multiply.outer(self.cost_2, sure_N)
        return result


@dataclass(frozen=True, eq=False)
class CheckedEpoch:
    """A checked turn: payoffs ``[T, n, 2, N or 1]``, and the questions."""

    games_Tn2N: Payoffs
    asks: tuple[CheckedQuestion, ...]

    @classmethod
    def of_epoch(cls, epoch: DecisionEpoch) -> "CheckedEpoch":
        """Check a turn and its questions; raises GameError."""
        game = finite(check(epoch.payoffs, "T", "n"))
        if game.ndim != 3:
            raise GameError(f"payoffs of a turn have shape [T, n, 2], not {list(game.shape)}")
        types, answers, _ = game.shape
        asks = tuple(
            CheckedQuestion.of_question(question, types, answers) for question in epoch.questions
        )
        return cls(game[..., None], asks)

    def of(self, some_N: NDArray[np.bool_]) -> "CheckedEpoch":
        """The same turn in some of the games."""
        if self.games_Tn2N.shape[-1] == 1:
            return self
        return CheckedEpoch(self.games_Tn2N[..., some_N], self.asks)

    def answered(self, weights_TN: Payoffs) -> Payoffs:
        """What each answer brings, ``[n, 2, N]``."""
        shape = (*self.games_Tn2N.shape[:3], weights_TN.shape[1])
        result: Payoffs = np.einsum(
            "tN,tnpN->npN", weights_TN, np.broadcast_to(self.games_Tn2N, shape)
        )
        return result
