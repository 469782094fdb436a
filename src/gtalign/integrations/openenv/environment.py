"""What both environments share: they take questions in turn and can be used without a server."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import uuid4

from openenv.core.env_server import Environment

from gtalign.errors import DataError
from gtalign.integrations.openenv.words import About, Heard, Said
from gtalign.tasks import Question


class QuestionEnvironment(Environment[Said, Heard, About]):
    """An environment whose episodes begin with a question.

    A server awaits `reset_async` and `step_async`; `reset` and `step` do the same in an event loop
    of their own.

    Args:
        questions: The questions.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, questions: Sequence[Question]) -> None:
        super().__init__()
        self._questions = questions
        self._asked = 0
        self._runner: asyncio.Runner | None = None
        self._about = About()

    @property
    def state(self) -> About:
        """The state of the episode."""
        return self._about

    def reset(self, seed: int | None = None, episode_id: str | None = None, **named: Any) -> Heard:
        """Begin an episode; see `reset_async`."""
        return self._run(self.reset_async(seed, episode_id, **named))

    def step(self, action: Said, timeout_s: float | None = None, **named: Any) -> Heard:
        """Take what the model says; see `step_async`."""
        return self._run(self.step_async(action, timeout_s, **named))

    async def reset_async(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        question: str | None = None,
        **_: Any,
    ) -> Heard:
        """Begin an episode with a question.

        Args:
            seed: Number of the question, from 0; beyond the last they begin again.
            episode_id: Name of the episode.
            question: Id of the question, which goes before its number.

        Raises:
            DataError: There is no question of that id.
        """
        await self._stop()
        return await self._begin(self._next(seed, episode_id, question))

    async def _stop(self) -> None:
        """End an episode that was left unfinished."""

    async def _begin(self, question: Question) -> Heard:
        """Ask a question."""
        raise NotImplementedError

    def close(self) -> None:
        """End the episode."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _next(self, seed: int | None, episode_id: str | None, question: str | None) -> Question:
        """Take the question of that id; else that of the seed's number; else the next one.

        Raises:
            DataError: There is no question of that id.
        """
        if question is None:
            number = self._asked if seed is None else seed
            found = self._questions[number % len(self._questions)]
            self._asked += 1
        else:
            known = {one.id: one for one in self._questions}
            if question not in known:
                raise DataError(f"no question {question!r}; the first is {self._questions[0].id!r}")
            found = known[question]
        self._about = About(episode_id=episode_id or str(uuid4()), question=found.id)
        return found

    def _run(self, step: Coroutine[Any, Any, Heard]) -> Heard:
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(step)
