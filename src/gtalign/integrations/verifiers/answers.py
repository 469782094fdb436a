"""The taskset of single answers: one task for each question, with our reward."""

from collections.abc import Iterator

import verifiers.v1 as vf

from gtalign.errors import JudgeError
from gtalign.integrations.answers import measures
from gtalign.integrations.verifiers.shared import (
    ModelConfig,
    QuestionData,
    QuestionsConfig,
    SuiteConfig,
    close_graders,
    grader_of,
)
from gtalign.tasks import Question
from gtalign.training.reward import earned


class AnswerTask(vf.Task[QuestionData, vf.State, SuiteConfig]):
    """A question to answer once."""

    @vf.reward
    async def welfare(self, trace: vf.Trace) -> float:
        """Return the reward of the answer, and record its welfare and factors as metrics.

        Raises:
            JudgeError: The judge failed: the rollout then has an error and no reward.
        """
        last = trace.assistant_messages[-1]
        question = Question.from_json(self.data.question)
        grader = grader_of(self.config)
        scored = await grader.grade(question, last.content or "", last.reasoning_content or "")
        reward = earned(scored)
        if reward is None:
            raise JudgeError(scored.score.unscored or "no score", "unscored")
        trace.record_metrics(measures(scored))
        return reward


class AnswersTaskset(vf.Taskset[AnswerTask, QuestionsConfig]):
    """The questions of a suite."""

    def load(self) -> Iterator[AnswerTask]:
        """Yield a task for each question.

        Raises:
            ConfigError: The suite is wrong.
            DataError: A file of questions is wrong.
        """
        suite = self.config.task.load()
        for question in suite.read():
            data = QuestionData.of(question, suite.prompt(question.messages))
            yield AnswerTask(data, self.config.task)


class AnswersEnv(vf.Env[ModelConfig]):
    """One answer to one question; it closes the judges when the work is done."""

    async def run(self, task: AnswerTask, agents: vf.Agents) -> None:
        """Let the model answer."""
        await agents.agent.run(task)

    async def stop(self) -> None:
        """Close the judges."""
        await close_graders()
