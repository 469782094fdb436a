"""Halt, edit, resume: one answer, steered while it is being written.

Generation stops where the payoff closes. The matrix is edited under the pricing policy in force and
spliced into the message in place of the model's own, the next tag is opened, and the model
continues the same message.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

from gtalign.chain import Lengths
from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering import guided, halting
from gtalign.steering.answer import Ask, Steered, SteeringEvent
from gtalign.steering.budget import TokenBudget, lengths_of_trained, share_out
from gtalign.steering.manuscript import Stretch
from gtalign.steering.phase import FROM_MATRIX, RETRY, Phase, Retried
from gtalign.steering.settings import SteeringSettings
from gtalign.steering.steering import Steering
from gtalign.steering.stopwatch import Stopwatch
from gtalign.steering.writing import PAYOFF_ENDS, Step, Writing, hotter


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

        If the settings say so, an answer that does not obey is written once more: see `Retry`.

        Raises:
            UpstreamError: The engine failed; the error says how far the answer came.
            SteeringError: The matrix cannot be read, and ``on_malformed`` is ``fail``.
        """
        await self._to_end()
        if has_retry(self.result, self.steering.settings):
            self._result = await Retry(self.steering, self.ask, self.result).answer()
        self.steering.learn(self.result, self.ask.messages)
        return self.result

    async def _to_end(self) -> None:
        async with aclosing(self.events()) as events:
            async for _ in events:
                pass

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
            writing = self._halting(watch)
            return writing, (halting.observe if observes else halting.steer)(writing)
        if observes:
            writing = Writing(self.steering, self.ask, watch, instructed=False, lengths=Lengths())
            return writing, guided.observe(writing)
        writing, budget = self._guided(watch)
        return writing, guided.steer(writing, budget)

    def _halting(self, watch: Stopwatch) -> Writing:
        """The writing of a model that was trained on chains."""
        lengths = lengths_of_trained(self.ask.max_tokens)
        return Writing(self.steering, self.ask, watch, instructed=True, lengths=lengths)

    def _guided(self, watch: Stopwatch) -> tuple[Writing, TokenBudget | None]:
        """The writing of a model that is instructed, and its budget."""
        steering = self.steering
        budget = share_out(
            self.ask.max_tokens, steering.settings.blocks, steering.form, steering.settings.belief
        )
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


def has_retry(answer: Steered, settings: SteeringSettings) -> bool:
    """Whether an answer is to be written once more: it did not carry out the chosen action."""
    return settings.verify == "retry" and answer.decision.obeyed is False


class Retry(Session):
    """An answer that did not carry out the chosen action, written once more.

    It continues from the same edited matrix, and its analysis begins with the chosen cell, as in
    ``enforce``. Where that has been so already, or where the model is asked again, the same text is
    drawn a little hotter. The whole second message has as many tokens as the request allows.

    Its result is the second answer if that obeys and is complete, and else the first: that is never
    lost. The decision tells of both, and its phases count both.

    Args:
        steering: The backend, the policy and the settings of the first answer.
        ask: The request.
        answer: The first answer.
        watch: Times the writing; by default a new one.

    Attributes:
        error: What the engine failed with; None if it did not.
    """

    def __init__(
        self, steering: Steering, ask: Ask, answer: Steered, *, watch: Stopwatch | None = None
    ) -> None:
        self.error: SteeringError | None = None
        self._first = answer
        decision = answer.decision
        if decision.mode == "enforce" or decision.resume == "reask":
            ask = replace(ask, sampling=hotter(ask.sampling))
        super().__init__(steering, ask, watch=watch)

    async def answer(self) -> Steered:
        """Write it once more; if that fails, the first answer stands."""
        try:
            await self._to_end()
        except SteeringError as error:
            self.error = error
            return self.kept("the second writing failed")
        return self.result

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of both writings so far."""
        again = (replace(one, name=f"{RETRY}: {one.name}") for one in self._writing.phases)
        return (*self._first.decision.phases, *again)

    @property
    def result(self) -> Steered:
        """The answer that is served.

        Raises:
            SteeringError: The second writing is not finished.
        """
        second = super().result
        acted = second.decision.acted
        if acted is None:
            return self.kept("no action can be read from the second response")
        if second.decision.cut:
            return self.kept("the second response ran out of tokens", acted)
        if not second.decision.obeyed:
            return self.kept(f"the second response carries out {acted}", acted)
        return self._noted(second, Retried(self._disobeyed, acted, "second"))

    def kept(self, why: str, acted: str | None = None) -> Steered:
        """The first answer, which stands.

        Args:
            why: Why the second does not take its place.
            acted: The action that the second response carries out, if it is known.
        """
        return self._noted(self._first, Retried(self._disobeyed, acted, "first", why))

    @property
    def _disobeyed(self) -> str:
        acted = self._first.decision.acted
        assert acted is not None, "it is not known what the first response does"
        return acted

    def _noted(self, served: Steered, retry: Retried) -> Steered:
        first, after = self._first.decision, served.decision.after
        assert after is not None
        done = "so it was written again" if retry.reason is None else f"and stays: {retry.reason}"
        told = f"the first response carries out {retry.first}, not {after.action}, {done}"
        decision = replace(
            served.decision,
            reason="; ".join(why for why in (served.decision.reason, told) if why),
            phases=self.phases,
            retries=first.retries,
            retry=retry,
        )
        return replace(served, decision=decision)

    def _plan(self, watch: Stopwatch) -> tuple[Writing, Iterator[Step]]:
        first = self._first
        decision = replace(first.decision, mode="enforce")
        steps: Iterator[Step]
        if self.steering.settings.trained:
            writing = self._halting(watch)
            steps = halting.to_end(writing, decision)
        else:
            writing, budget = self._guided(watch)
            assert budget is not None, "a chain without a budget is not steered"
            steps = guided.to_end(writing, budget, decision)
        writing.decision = replace(first.decision, reason=None)  # which is of the first writing
        if decision.resume == "splice":
            head, ends, _ = first.text.partition(PAYOFF_ENDS)
            tail = (phase.tokens for phase in decision.phases if phase.name == FROM_MATRIX)
            writing.message.begin(head + ends, first.tokens - sum(tail))
        return writing, steps
