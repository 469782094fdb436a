"""Answers of one backend, steered under one policy."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

from gtalign.steering.answer import Ask, Steered
from gtalign.steering.deliberation import Deliberation
from gtalign.steering.session import Session


class Steering(Deliberation):
    """Writes steered answers; its arguments are those of `Deliberation`."""

    def session(self, ask: Ask) -> Session:
        """Begin an answer."""
        return Session(self, ask)

    async def answer(self, ask: Ask) -> Steered:
        """Write one answer.

        Raises:
            UpstreamError: The engine failed; the error says how far the answer came.
            SteeringError: The matrix cannot be read, and ``on_malformed`` is ``fail``.
        """
        session = self.session(ask)
        async with aclosing(session.events()) as events:
            async for _ in events:
                pass
        self.learn(session.result)
        return session.result

    async def answers(self, ask: Ask, count: int) -> list[Steered]:
        """Write several answers to one request at once, each with a matrix of its own.

        Their seeds follow that of the request. The first failure ends them all.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.answer(one)) for one in fan_out(ask, count)]
        return [task.result() for task in tasks]


def fan_out(ask: Ask, count: int) -> list[Ask]:
    """The requests for several answers to one request: each with the next seed."""
    seed = ask.sampling.seed
    if seed is None:
        return [ask] * count
    return [
        replace(ask, sampling=replace(ask.sampling, seed=seed + number)) for number in range(count)
    ]
