"""Cold start: the best of several written chains, by mutual welfare."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gtalign.errors import DataError
from gtalign.judges import Judge, Verdict
from gtalign.reward import Reward, Score
from gtalign.tasks import Question


@dataclass(frozen=True, slots=True)
class Choice:
    """Candidates of one question and the one that was kept.

    Args:
        question: What they answer.
        candidates: Their texts, in the order in which they were written.
        scores: What each is worth.
        best: Index of the one with the highest reward; of equals, the first.
    """

    question: Question
    candidates: tuple[str, ...]
    scores: tuple[Score, ...]
    best: int


async def best_of(
    question: Question, candidates: Sequence[str], reward: Reward, judge: Judge
) -> Choice:
    """Judge the candidates of a question and keep the best one.

    A candidate whose reward is unknown is never kept.

    Raises:
        DataError: None of them could be scored; the message names the question.
        JudgeError: The judge failed.
    """
    readings = reward.read(candidates)
    verdicts = await asyncio.gather(
        *(_verdict(question, response, judge) for response in readings.responses)
    )
    scores = reward.score([question] * len(candidates), readings, verdicts)
    for error in scores.errors.values():
        raise error
    rewards_N = np.where(np.isnan(scores.reward), -1.0, scores.reward)
    best = int(rewards_N.argmax())
    if rewards_N[best] < 0:
        raise DataError(f"question {question.id!r}: none of {len(scores)} candidates has a score")
    return Choice(question, tuple(candidates), tuple(scores), best)


async def _verdict(question: Question, response: str | None, judge: Judge) -> Verdict | None:
    return None if response is None else await judge.judge(question, response)
