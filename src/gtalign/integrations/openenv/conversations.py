"""The environment of conversations: each step is an answer, to which a simulated user replies."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from gtalign.chain import with_reasoning
from gtalign.dialogue import Answer, Played
from gtalign.errors import DataError
from gtalign.integrations.conversations import ConversationRunner, measured
from gtalign.integrations.openenv.environment import QuestionEnvironment
from gtalign.integrations.openenv.words import Heard, Said
from gtalign.integrations.suite import Suite
from gtalign.tasks import Message, Question


class _Outside:
    """An assistant whose answers come from outside, one for each step."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Sequence[Message]] = asyncio.Queue()
        self.said: asyncio.Queue[Answer] = asyncio.Queue()

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Wait for the answer to a conversation."""
        self.asked.put_nowait(messages)
        return await self.said.get()


class ConversationEnvironment(QuestionEnvironment):
    """Lets a simulated user talk with the model; W of the conversation is the reward.

    Args:
        suite: The suite.
        runner: Plays the conversations of several environments; by default each has one of its own.

    Raises:
        DataError: A file of questions is wrong, or the labels of none tell the user's goal.
    """

    def __init__(self, suite: Suite, runner: ConversationRunner | None = None) -> None:
        self._conversations = runner or ConversationRunner(suite)
        super().__init__(self._conversations.questions())
        self._suite = suite
        self._model = _Outside()
        self._play: asyncio.Task[Played] | None = None

    async def _begin(self, question: Question) -> Heard:
        match = self._conversations.match(question)
        self._model = _Outside()
        self._play = asyncio.create_task(self._conversations.play(match, self._model))
        return await self._heard(self._play)

    async def step_async(self, action: Said, timeout_s: float | None = None, **_: Any) -> Heard:
        """Take the model's answer; return the user's reply, or the end with the reward.

        Raises:
            DataError: No conversation is under way.
        """
        if self._play is None:
            raise DataError("the episode is done: reset the environment")
        text = with_reasoning(action.reasoning, action.message)
        self._model.said.put_nowait(Answer.of(text, action.tokens))
        self._about.step_count += 1
        return await self._heard(self._play)

    def close(self) -> None:
        """End the conversation."""
        if self._play is not None:
            self._play.cancel()
            self._play = None
        super().close()

    async def _heard(self, play: asyncio.Task[Played]) -> Heard:
        """Wait until the model is asked again, or the conversation has ended."""
        asked = asyncio.create_task(self._model.asked.get())
        await asyncio.wait({asked, play}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return Heard(messages=self._suite.prompt(asked.result()))
        asked.cancel()
        self._play = None
        played = play.result()
        found = measured(played)
        reward = found.get("welfare")
        unknown = played.problem or "the quality of the answer is unknown"
        return Heard(
            done=True,
            reward=reward,
            problem=unknown if reward is None else None,
            metadata={**found, "end": played.end},
        )

    async def _stop(self) -> None:
        """End a conversation that was left unfinished."""
        if self._play is not None:
            self._play.cancel()
            with suppress(asyncio.CancelledError):
                await self._play
            self._play = None
