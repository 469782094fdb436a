"""The environment of single answers: one step, with our reward."""

from typing import Any

from gtalign.errors import DataError
from gtalign.integrations.answers import Grader, measures
from gtalign.integrations.openenv.environment import QuestionEnvironment
from gtalign.integrations.openenv.words import Heard, Said
from gtalign.integrations.suite import Suite
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

    async def _begin(self, question: Question) -> Heard:
        self._question = question
        return Heard(messages=self._suite.prompt(question.messages))

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
        reward = earned(scored)
        return Heard(
            done=True,
            reward=reward,
            problem=scored.score.unscored if reward is None else None,
            metadata=measures(scored),
        )
