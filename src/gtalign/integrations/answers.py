"""Single answers: each is judged and scored as `gtalign score` does it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from gtalign.chain import with_reasoning
from gtalign.judges import Judges, JudgesConfig
from gtalign.models.tokens import counter_in
from gtalign.reward import Reward, RewardConfig
from gtalign.reward.scores import WELFARE
from gtalign.tasks import Question
from gtalign.transcripts import Scored, Scorer, Transcript


def measures(scored: Scored) -> dict[str, float]:
    """The welfare and the factors of an answer by name, without those that are unknown."""
    score = scored.score
    found = {name: getattr(score, name) for name in WELFARE} | dict(score.factors)
    return {name: value for name, value in found.items() if value is not None}


class Grader(AbstractAsyncContextManager["Grader"]):
    """Judges and scores single answers. Close it by ``aclose`` or ``async with``.

    Args:
        reward: The reward.
        judges: The judges.
        tokenizer: Folder of a tokenizer that counts tokens; None counts words.

    Attributes:
        judges: The judges, as one.
    """

    def __init__(
        self, reward: RewardConfig, judges: JudgesConfig, tokenizer: Path | None = None
    ) -> None:
        self.judges = Judges(judges)
        count = None if tokenizer is None else counter_in(tokenizer)
        self._scorer = Scorer(Reward(reward, count), self.judges)
        self._plain = not reward.chain

    async def grade(self, question: Question, text: str, reasoning: str = "") -> Scored:
        """Return an answer with its score.

        A judge that fails leaves the answer unscored: the score says why, and the rest of it is
        None.

        Args:
            question: The question.
            text: What the model wrote.
            reasoning: What it wrote before, if the server keeps it apart.

        Raises:
            UnusableJudgeError: A judge cannot be asked at all.
        """
        completion = with_reasoning(reasoning, text)
        answered = Transcript.of(question, completion, model="", plain=self._plain)
        (scored,) = await self._scorer.score([answered])
        return scored

    async def aclose(self) -> None:
        """Close the judges; they open again on use."""
        await self.judges.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
