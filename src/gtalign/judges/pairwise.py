"""Compare two answers in both orders, so a preference for a position becomes a tie."""

from dataclasses import dataclass
from typing import Literal

from gtalign.judges.batch import together
from gtalign.judges.criterion import COMPARISON
from gtalign.judges.endpoint import EndpointJudge
from gtalign.tasks import Question

Winner = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class PairwiseVerdict:
    """Which of two answers is better.

    Args:
        winner: The better answer; ``tie`` if the orders do not agree, or both name neither; None if
            a verdict is missing.
        consistent: Whether both orders name the same answer, or both neither; None if a verdict is
            missing.
        reason: Reasons of both orders.
        straight: Which answer won where ``first`` was shown first; None if a verdict is missing.
        swapped: Which answer won where ``second`` was shown first; None if a verdict is missing.
    """

    winner: Winner | None
    consistent: bool | None
    reason: str
    straight: Winner | None = None
    swapped: Winner | None = None


async def compare(
    judge: EndpointJudge, question: Question, first: str, second: str, index: int = 0
) -> PairwiseVerdict:
    """Compare two answers to a question.

    Args:
        judge: The judge; it is asked twice, with the answers in either order.
        question: The question that they answer.
        first: One response.
        second: The other response.
        index: Number of the sample.

    Raises:
        JudgeError: The judge failed; the message names it and the question.
    """
    orders = ((first, second), (second, first))
    straight, swapped = await together(
        [
            judge.grade(COMPARISON, question, {"answer 1": one, "answer 2": two}, index)
            for one, two in orders
        ]
    )
    reason = f"in this order: {straight.reason}; swapped: {swapped.reason}"
    if straight.score is None or swapped.score is None:
        return PairwiseVerdict(None, None, reason)
    names: dict[float, Winner] = {0.0: "tie", 1.0: "first", 2.0: "second"}
    back: dict[float, Winner] = {0.0: "tie", 1.0: "second", 2.0: "first"}
    one, two = names[straight.score], back[swapped.score]
    return PairwiseVerdict(one if one == two else "tie", one == two, reason, one, two)
