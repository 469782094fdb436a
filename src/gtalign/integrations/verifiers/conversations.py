"""The taskset of conversations: a simulated user talks with the model."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import verifiers.v1 as vf

from gtalign.chain import with_reasoning
from gtalign.dialogue import Answer, Played
from gtalign.errors import TeacherError, UserError
from gtalign.integrations.conversations import ConversationRunner, measured
from gtalign.integrations.verifiers.shared import (
    ModelConfig,
    QuestionData,
    QuestionsConfig,
    SuiteConfig,
)
from gtalign.tasks import Message, Question

PLAYED: Final = "conversation"
"""Key of a trace's ``info`` under which the record of the conversation is."""


class ConversationTask(vf.Task[QuestionData, vf.State, SuiteConfig]):
    """A question to talk about."""

    @vf.reward
    async def welfare(self, trace: vf.Trace) -> float:
        """Return W of the conversation, and record all its measures as metrics.

        Raises:
            UserError: The conversation failed, or its quality is unknown: the rollout then has an
                error and no reward.
        """
        played = Played.from_json(trace.info.get(PLAYED))
        found = measured(played)
        if "welfare" not in found:
            raise UserError(played.problem or "the quality of the answer is unknown", "unscored")
        trace.record_metrics(found)
        return found["welfare"]


class ConversationsTaskset(vf.Taskset[ConversationTask, QuestionsConfig]):
    """The questions of a suite whose user's goal is known."""

    def load(self) -> Iterator[ConversationTask]:
        """Yield a task for each question.

        Raises:
            ConfigError: The suite is wrong.
            DataError: A file of questions is wrong, or the labels of none tell the user's goal.
        """
        suite = self.config.task.load()
        for question in ConversationRunner(suite).questions():
            data = QuestionData.of(question, suite.prompt(question.messages))
            yield ConversationTask(data, self.config.task)


class _Talking:
    """The model under way, as the assistant of a conversation.

    The model sees its own messages whole; the user sees the responses.
    """

    def __init__(self, talk: Any) -> None:
        self._talk = talk
        self._begun = False

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the model's answer to what the user said last."""
        said = messages[-1]["content"] if self._begun else None
        self._begun = True
        segment = await self._talk.turn(said)
        trace = self._talk.trace
        if segment.terminated:
            raise TeacherError(f"{id}: the rollout ended: {trace.stop_condition}", "ended")
        last = trace.assistant_messages[-1]
        text = with_reasoning(last.reasoning_content or "", last.content or "")
        usage = trace.calls[-1].usage
        return Answer.of(text, None if usage is None else usage.completion_tokens)


class ConversationsEnv(vf.Env[ModelConfig]):
    """A conversation of the model with the simulated user of a suite."""

    async def start(self) -> None:
        """Open the user."""
        self._conversations = ConversationRunner(self.taskset.config.task.load())

    async def stop(self) -> None:
        """Close the user."""
        if hasattr(self, "_conversations"):
            await self._conversations.aclose()

    async def run(self, task: ConversationTask, agents: vf.Agents) -> None:
        """Play one conversation; each rollout of a question meets the same chances."""
        match = self._conversations.match(Question.from_json(task.data.question))
        async with agents.agent.interaction(task) as talk:
            played = await self._conversations.play(match, _Talking(talk))
            talk.trace.info[PLAYED] = played.to_json()
