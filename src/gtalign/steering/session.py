"""Halt, edit, resume: one answer, steered while it is being written.

Generation stops where the payoff closes. The matrix is edited under the pricing policy in force and
spliced into the message in place of the model's own, the next tag is opened, and the model
continues the same message.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

from gtalign.chain import Lengths
from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering import guided, halting
from gtalign.steering.answer import Ask, Steered, SteeringEvent, fan_out
from gtalign.steering.budget import Budget, lengths_of_trained, share_out
from gtalign.steering.decision import SHADOW, Phase
from gtalign.steering.manuscript import Stretch
from gtalign.steering.observing import has_shadow
from gtalign.steering.steering import Steering
from gtalign.steering.stopwatch import Stopwatch
from gtalign.steering.writing import Step, Writing


class Session:
    """One answer while it is written: await `answer`, or read `events` and then `result`.

    Args:
        steering: The backend, the policy and the settings.
        ask: The request.
        watch: Times the writing; by default a new one.
    """

    def __init__(self, steering: Steering, ask: Ask, *, watch: Stopwatch | None = None) -> None:
        self.steering = steering
        self.ask = ask
        self._writing, self._steps = self._plan(watch or Stopwatch())
        self._result: Steered | None = None

    @property
    def result(self) -> Steered:
        """The finished answer.

        Raises:
            SteeringError: The answer is not finished.
        """
        if self._result is None:
            raise SteeringError("the answer is not finished: read its events to their end first")
        return self._result

    @property
    def text(self) -> str:
        """The message so far."""
        return self._writing.message.text

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of writing so far, including an unfinished last one."""
        return tuple(self._writing.phases)

    async def answer(self) -> Steered:
        """Write the answer to its end, and add its tokens to the history.

        Raises:
            UpstreamError: The engine failed; the error says how far the answer came.
            SteeringError: The matrix cannot be read, and ``on_malformed`` is ``fail``.
        """
        async with aclosing(self.events()) as events:
            async for _ in events:
                pass
        self.steering.learn(self.result, self.ask.messages)
        return self.result

    async def events(self) -> AsyncGenerator[SteeringEvent, None]:
        """Write the answer and report it as it comes.

        Raises:
            UpstreamError: The engine failed; the message, ``text`` and ``decision`` say how far the
                answer came.
            SteeringError: The matrix cannot be read, and ``on_malformed`` is ``fail``.
        """
        try:
            for step in self._steps:
                if not isinstance(step, Stretch):
                    yield step
                    continue
                async with aclosing(self._writing.message.write(step)) as slices:
                    async for slice_ in slices:
                        for event in step.take(slice_):
                            yield event
                        if step.enough():
                            break
        except UpstreamError as error:
            decision = self._writing.decision
            raise UpstreamError(
                error.upstream,
                f"{error.problem}; {self._left_behind()}",
                text=self.text,
                decision=None if decision is None else decision.to_json(),
            ) from error
        self._result = self._writing.finished()

    def _plan(self, watch: Stopwatch) -> tuple[Writing, Iterator[Step]]:
        """The writing, and its steps."""
        settings = self.steering.settings
        observes = settings.mode == "observe"
        if settings.trained:
            lengths = lengths_of_trained(self.ask.max_tokens)
            writing = Writing(self.steering, self.ask, watch, instructed=True, lengths=lengths)
            return writing, (halting.observe if observes else halting.steer)(writing)
        if observes:
            writing = Writing(self.steering, self.ask, watch, instructed=False, lengths=Lengths())
            return writing, guided.observe(writing)
        writing, budget = self._guided(watch)
        return writing, guided.steer(writing, budget)

    def _guided(self, watch: Stopwatch) -> tuple[Writing, Budget | None]:
        """The writing of a model that is instructed, and its budget."""
        steering = self.steering
        budget = share_out(self.ask.max_tokens, steering.settings.blocks, steering.form)
        lengths = Lengths() if budget is None else budget.lengths
        writing = Writing(steering, self.ask, watch, instructed=True, lengths=lengths)
        return writing, budget

    def _left_behind(self) -> str:
        decision = self._writing.decision
        if decision is None:
            return "the answer was left before its matrix was read"
        if decision.steered:
            return "the answer was left unfinished after its matrix was edited"
        return "the answer, which was not steered, was left unfinished"


class Shadow(Session):
    """The chain of an answer that was only observed, asked for in a second request.

    Its result is the same answer, with the decision that the chain leads to. The model is asked to
    stop before a response.

    Args:
        steering: The backend, the policy and the settings.
        ask: The request of the answer.
        answer: The answer.
    """

    def __init__(self, steering: Steering, ask: Ask, answer: Steered) -> None:
        self._answer = answer
        super().__init__(steering, ask)

    @property
    def result(self) -> Steered:
        """The answer with the decision.

        Raises:
            SteeringError: The shadow is not finished.
        """
        decision, seen = super().result.decision, self._answer.decision
        asked = (replace(phase, name=f"{SHADOW}: {phase.name}") for phase in decision.phases)
        return replace(
            self._answer,
            decision=replace(
                decision,
                id=seen.id,
                created=seen.created,
                acted=seen.acted,
                phases=(*seen.phases, *asked),
            ),
        )

    def _plan(self, watch: Stopwatch) -> tuple[Writing, Iterator[Step]]:
        writing, budget = self._guided(watch)
        read = self._answer.decision.prompt_tokens
        return writing, guided.shadow(writing, budget, prompt_tokens=read)


async def answers(steering: Steering, ask: Ask, count: int) -> list[Steered]:
    """Write several answers to one request at once, each with a matrix of its own.

    Their seeds follow that of the request. The first failure ends them all. An answer that is only
    observed may have a `Shadow`.
    """

    async def one(asked: Ask) -> Steered:
        answer = await Session(steering, asked).answer()
        key = f"{asked.sampling.seed} {asked.messages[-1]['content']}"
        if has_shadow(answer, steering.settings, key):
            answer = await Shadow(steering, asked, answer).answer()
        return answer

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(asked)) for asked in fan_out(ask, count)]
    return [task.result() for task in tasks]
