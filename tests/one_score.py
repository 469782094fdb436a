"""The score of one completion, a batch of one."""

from collections.abc import Mapping

from gtalign.judges import Verdict
from gtalign.reward import Reward, Score
from gtalign.tasks import Question


def score_one(
    reward: Reward,
    question: Question,
    completion: str,
    verdict: Verdict | None,
    solution: float | None = None,
    tokens: Mapping[str, int] | None = None,
) -> Score:
    """Return the score of a completion; a verdict that its task does not know is raised."""
    readings = reward.read([completion])
    scores = reward.score([question], readings, [verdict], [solution], [tokens])
    for error in scores.errors.values():
        raise error
    [score] = scores
    return score
