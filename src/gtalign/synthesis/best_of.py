"""Cold start: the best of several written chains, by mutual welfare."""

from collections.abc import Sequence
from dataclasses import dataclass

from gtalign.errors import DataError
from gtalign.judges import Judge
from gtalign.reward import Reward, Score
from gtalign.tasks import Question
from gtalign.transcripts import Scorer, Transcript


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
    plain = not reward.config.chain
    written = [Transcript.of(question, text, model="teachers", plain=plain) for text in candidates]
    found = await Scorer(reward, judge, strict=True).score(written)
    rewards = [-1.0 if (known := one.score.reward) is None else known for one in found]
    best = max(range(len(found)), key=rewards.__getitem__)
    if rewards[best] < 0:
        raise DataError(f"question {question.id!r}: none of {len(found)} candidates has a score")
    return BestOf(
        question=question,
        candidates=tuple(candidates),
        responses=tuple(one.response for one in found),
        scores=tuple(one.score for one in found),
        best=best,
    )
