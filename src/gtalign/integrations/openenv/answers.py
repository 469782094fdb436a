"""The environment of single answers: one step, with our reward."""

from typing import Any

from gtalign.errors import DataError
from gtalign.integrations.answers import Grader
from gtalign.integrations.openenv.environment import QuestionEnvironment
from gtalign.integrations.openenv.words import Heard, Said
from gtalign.integrations.suite import Suite
from gtalign.reward.scores import WELFARE
from gtalign.tasks import Question
from gtalign.training.reward import earned


class AnswerEnvironment(QuestionEnvironment):
    """Asks a question, and scores the answer.

    Args:
        suite: The suite.
        grader: Scores the answers of several environments; by default each has one of its own.

    Raises:
        DataError: A file of questions is wrong.
    """

    def __init__(self, suite: Suite, grader: Grader | None = None) -> None:
        super().__init__(suite.read())
        self._suite = suite
        self._grader = grader or Grader(suite.reward, suite.judges, suite.tokenizer)
        self._question: Question | None = None

    async def reset_async(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        question: str | None = None,
        **_: Any,
    ) -> Heard:
        """Ask a question.

        Args:
            seed: Number of the question, from 0; beyond the last they begin again.
            episode_id: Name of the episode.
            question: Id of the question, which goes before its number.

        Raises:
            DataError: There is no question of that id.
        """
        self._question = self._next(seed, episode_id, question)
        return Heard(messages=self._suite.prompt(self._question.messages))

    async def step_async(self, action: Said, timeout_s: float | None = None, **_: Any) -> Heard:
        """Score the answer; the episode is done.

        Raises:
            DataError: No question was asked.
            UnusableJudgeError: A judge cannot be asked at all.
        """
        if self._question is None:
            raise DataError("the episode is done: reset the environment")
        question, self._question = self._question, None
        scored = await self._grader.grade(question, action.message, action.reasoning)
        self._about.step_count += 1
        score = scored.score
        found = {name: getattr(score, name) for name in WELFARE} | dict(score.factors)
        reward = earned(scored)
        return Heard(
            done=True,
            reward=reward,
            problem=score.unscored if reward is None else None,
            metadata={name: value for name, value in found.items() if value is not None},
        )
