"""Cold start: the best of several written chains, by mutual welfare."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gtalign.errors import DataError
from gtalign.judges import Judge
from gtalign.reward import Reward, Score
from gtalign.reward.judged import judged
from gtalign.tasks import Question


@dataclass(frozen=True, slots=True)
class BestOf:
    """Candidates of one question and the one that was kept.

    Args:
        question: The question.
        candidates: The texts, in the order in which they were written.
        responses: The response in each; None where it cannot be read.
        scores: The score of each.
        best: Index of the one with the highest reward; of equals, the first.
    """

    question: Question
    candidates: tuple[str, ...]
    responses: tuple[str | None, ...]
    scores: tuple[Score, ...]
    best: int


async def best_of(
    question: Question, candidates: Sequence[str], reward: Reward, judge: Judge
) -> BestOf:
    """Judge the candidates of a question and keep the best one.

    A candidate whose reward is unknown is never kept.

    Raises:
        DataError: None of them could be scored; the message names the question.
        JudgeError: The judge failed.
    """
    found = await judged(reward, judge, [question] * len(candidates), candidates, strict=True)
    scores = found.scores
    rewards_N = np.where(np.isnan(scores.reward), -1.0, scores.reward)
    best = int(rewards_N.argmax())
    if rewards_N[best] < 0:
        raise DataError(f"question {question.id!r}: none of {len(scores)} candidates has a score")
    responses = tuple(found.readings.responses)
    return BestOf(question, tuple(candidates), responses, tuple(scores), best)
