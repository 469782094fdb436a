"""Two answers compared, in both orders: a judge that prefers a position prefers nothing here."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from gtalign.judges.base import Verdict
from gtalign.judges.criterion import COMPARISON
from gtalign.judges.endpoint import EndpointJudge
from gtalign.tasks import Question

Winner = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two answers is better.

    Args:
        winner: ``tie`` if the orders do not agree, or agree on neither; None if a verdict is
            missing.
        consistent: Whether both orders name the same answer, or both neither; None if a verdict is
            missing.
        reason: Of both orders.
    """

    winner: Winner | None
    consistent: bool | None
    reason: str


async def compare(
    judge: EndpointJudge, question: Question, first: str, second: str, index: int = 0
) -> Preference:
    """Compare two answers to a question.

    Args:
        judge: Asked twice, with the answers in either order.
        question: What they answer.
        first: One response.
        second: The other.
        index: Number of the sample.

    Raises:
        JudgeError: The judge failed; names it and the question.
    """

    def ask(one: str, two: str) -> "asyncio.Future[Verdict]":
        material = {"answer 1": one, "answer 2": two}
        return asyncio.ensure_future(judge.grade(COMPARISON, question, material, index))

    asked = [ask(first, second), ask(second, first)]
    try:
        straight, swapped = await asyncio.gather(*asked)
    finally:
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    reason = f"in this order: {straight.reason}; swapped: {swapped.reason}"
    if straight.score is None or swapped.score is None:
        return Preference(None, None, reason)
    names: dict[float, Winner] = {0.0: "tie", 1.0: "first", 2.0: "second"}
    back: dict[float, Winner] = {0.0: "tie", 1.0: "second", 2.0: "first"}
    one, two = names[straight.score], back[swapped.score]
    return Preference(one if one == two else "tie", one == two, reason)
