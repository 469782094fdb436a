"""Cold start: the best of several written chains, by mutual welfare."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gtalign.errors import DataError
from gtalign.judges import Judge
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
    scores = await asyncio.gather(*(_score(question, text, reward, judge) for text in candidates))
    rewards = [-1.0 if score.reward is None else score.reward for score in scores]
    best = max(range(len(rewards)), key=rewards.__getitem__)
    if rewards[best] < 0:
        raise DataError(f"question {question.id!r}: none of {len(rewards)} candidates has a score")
    return Choice(question, tuple(candidates), tuple(scores), best)


async def _score(question: Question, text: str, reward: Reward, judge: Judge) -> Score:
    response = reward.response(text)
    verdict = None if response is None else await judge.judge(question, response)
    return reward.score(question, text, verdict)
