"""Halt, edit, resume: one answer, steered while it is being written.

Generation stops where the payoff closes. The matrix is edited under the pricing policy in force and
spliced into the message in place of the model's own, the next tag is opened, and the model
continues the same message.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from time import perf_counter
from typing import Final, Literal

from gtalign.chain import (
    BlockClosed,
    Chain,
    ChainBroken,
    Event,
    Part,
    PayoffRead,
    StreamParser,
    acted,
    chosen_cell,
    ebnf,
    gbnf,
    parse,
    prompt,
    render,
)
from gtalign.chain.prompt import fill, placeholders
from gtalign.errors import ChainError, SteeringError, UpstreamError
from gtalign.steering.answer import Ask, Decided, Restarted, Steered, SteeringEvent, fan_out
from gtalign.steering.decision import Decision, Phase
from gtalign.steering.manuscript import Manuscript, Stretch
from gtalign.steering.splice import decimals_of, splice
from gtalign.steering.steering import Steering
from gtalign.steering.stop_strings import CLOSES, ResponseCut, loose_response
from gtalign.steering.stopwatch import Stopwatch
from gtalign.tasks import Message

RETRY_TEMPERATURE: Final = 0.7
"""Least temperature for writing a matrix again: the likeliest tokens would be the same again."""

_PAYOFF, _PAYOFF_ENDS, _ANALYZE = "<payoff>", "</payoff>", "<analyze>"
# The parser of whole chains needs this after an opening.
_REST: Final = "<analyze>.</analyze><response>.</response>"


Step = SteeringEvent | Stretch


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
        self._limits = {"low": steering.settings.low, "high": steering.settings.high}
        self._messages = tuple(ask.messages)
        if steering.settings.instruct:
            instruction = prompt(steering.form, **self._limits)
            self._messages = (Message(role="system", content=instruction), *self._messages)
        self._written = Manuscript(
            steering.backend, self._messages, ask, self._grammar, watch or Stopwatch()
        )
        self._text = ""  # the part of the message that was passed on
        self._stopped = False  # a stop string of the request has ended it
        self._parsed: tuple[str, Chain] | None = None  # the last text that was one, as a chain
        self._retries = 0
        self._decision: Decision | None = None
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
        return self._written.text

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of writing so far, including an unfinished last one."""
        return tuple(self._written.phases)

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
        observes = self.steering.settings.mode == "observe"
        try:
            for step in self._observe() if observes else self._steer():
                if not isinstance(step, Stretch):
                    yield step
                    continue
                async with aclosing(self._written.write(step)) as slices:
                    async for slice_ in slices:
                        for event in step.take(slice_):
                            yield event
                        if step.enough():
                            break
        except UpstreamError as error:
            raise UpstreamError(
                error.upstream,
                f"{error.problem}; {self._left_behind()}",
                text=self.text,
                decision=None if self._decision is None else self._decision.to_json(),
            ) from error

    def _left_behind(self) -> str:
        if self._decision is None:
            return "the answer was left before its matrix was read"
        if self._decision.steered:
            return "the answer was left unfinished after its matrix was edited"
        return "the answer, which was not steered, was left unfinished"

    # Each step of an answer is an event to report, or a stretch to write. Steps are taken one after
    # the other, so each sees the text of the stretches before it.

    def _observe(self) -> Iterator[Step]:
        """Write the answer in one go, and say what the policy would have changed."""
        yield from self._to_end("whole", self._parser(), "whole")
        try:
            self._decision = self._decide(self._text, steered=False)
        except ChainError as error:
            self._decision = self._undecided(f"the matrix cannot be read: {error}")
        yield Decided(self._decision)
        self._finish()

    def _steer(self) -> Iterator[Step]:
        """Write up to the matrix, edit it, and continue from there."""
        written, problem = None, ""
        for attempt in range(2):
            yield self._to_payoff(attempt)
            try:
                written = self._read()
                break
            except ChainError as error:
                problem = str(error)
            if attempt or self._written.tokens_left < 1:
                break
            yield self._restart()
        if written is None:
            yield from self._unsteered(problem)
        else:
            self._decision = self._decide(written, steered=True)
            assert self._decision.stated is not None
            yield PayoffRead(self._decision.stated)
            yield Decided(self._decision)
            splices = self.steering.resume == "splice"
            yield from (self._resume if splices else self._ask_again)(self._decision)
        self._finish()

    # Phase one: up to the end of the payoff

    def _to_payoff(self, attempt: int) -> Stretch:
        parser = self._parser()
        # The text that a second attempt continues has been reported.
        parser.feed(self.text)
        sampling = self.ask.sampling
        if attempt:
            sampling = replace(
                sampling,
                temperature=max(sampling.temperature, RETRY_TEMPERATURE),
                seed=None if sampling.seed is None else sampling.seed + 1,
            )
        name = "matrix again" if attempt else "to the matrix"
        part: Part | None = None if self.text else "opening"
        told = True

        def take(slice_: str) -> Iterator[Event]:
            nonlocal told
            for event in parser.feed(slice_):
                # Whether the matrix is read or broken is not known before the tolerant parser has
                # seen it, and perhaps a second attempt.
                told = told and not isinstance(event, ChainBroken | PayoffRead)
                if told:
                    yield event

        return Stretch(name, _PAYOFF_ENDS, part, take, sampling=sampling)

    def _read(self) -> str:
        """Return a text that can be read as a chain with the matrix that has been written.

        The message itself then ends with the matrix, and all of it is well-formed.
        """
        text = self.text
        if text.endswith(_PAYOFF_ENDS):
            text = _opening(text)
        chain = self._chain(text)
        if chain.repairs and self.steering.backend.can_resume:
            well = render(chain.thinking, chain.payoff, "", "")
            self._written.replace(well[: well.index(_PAYOFF_ENDS) + len(_PAYOFF_ENDS)])
        return text

    def _restart(self) -> Restarted:
        """Go back to where the matrix began, or to nothing where even that was wrong."""
        self._retries += 1
        kept = ""
        if self.steering.backend.can_resume:
            before, opened, _ = self.text.partition(_PAYOFF)
            parser = self._parser()
            parser.feed(before + opened)
            kept = before + opened if opened and parser.error is None else ""
            self._written.rewrite(kept)
        else:
            self._written.restart(self._messages)
        return Restarted(len(self.text))

    # Phase two: on from there

    def _resume(self, decision: Decision) -> Iterator[Step]:
        """Splice the edited matrix, open the next block, and let the model continue."""
        assert decision.edited is not None
        text = self.text
        start, end = self._chain(_opening(text)).spans["payoff"]
        decimals = self._decimals(text[start:end])
        payoff = splice(text, (start, end), decision.edited, decimals=decimals)
        # Blocks are set apart as the model has done it before.
        opens = start - len(_PAYOFF)
        gap = text[text.rindex(">", 0, opens) + 1 : opens]
        head = f"{text[:start]}{payoff}{_PAYOFF_ENDS}"
        tail = f"{gap}{_ANALYZE}"
        if decision.mode == "enforce":
            tail += self._fill(self.steering.settings.opening, decision)
        self._written.rewrite(head + tail)
        parser = self._parser()
        parser.feed(head)
        yield BlockClosed("payoff", len(head) - len(_PAYOFF_ENDS))
        yield from parser.feed(self.text[len(head) :])
        yield from self._to_end("from the matrix", parser, "remainder")

    def _ask_again(self, decision: Decision) -> Iterator[Step]:
        """Ask for the whole answer once more, with the action in the user's message."""
        *earlier, last = self._messages
        asked = f"{last['content']}\n\n{self._fill(self.steering.settings.again, decision)}"
        self._written.restart((*earlier, Message(role=last["role"], content=asked)))
        yield Restarted(0)
        yield from self._to_end("asked again", self._parser(), "whole")

    def _unsteered(self, problem: str) -> Iterator[Step]:
        """Continue an answer unsteered whose matrix cannot be read, or fail."""
        self._decision = self._undecided(f"the matrix cannot be read: {problem}")
        yield Decided(self._decision)
        if self.steering.settings.on_malformed == "fail":
            raise SteeringError(f"{self.steering.backend.name}: {self._decision.reason}")
        parser = self._parser()
        for event in parser.feed(self.text):
            if isinstance(event, ChainBroken):
                yield event
        ended = self.phases[-1].finish != "stop"
        yield from self._to_end("unsteered", parser, None, ended=ended)

    # Both

    def _to_end(
        self, name: str, parser: StreamParser, part: Part | None, *, ended: bool = False
    ) -> Iterator[Step]:
        """Write to the end of the message, or to a stop string of the request in the response."""
        cut = ResponseCut(self.ask.stop)
        passed = [cut.feed(self.text)]

        def take(slice_: str) -> list[Event]:
            passed.append(cut.feed(slice_))
            return parser.feed(passed[-1])

        if not ended and self._written.tokens_left > 0:
            yield Stretch(name, CLOSES, part, take, lambda: cut.ended)
        rest = cut.flush() + (CLOSES if cut.ended else "")
        self._text = "".join((*passed, rest))
        yield from parser.feed(rest)
        self._stopped = cut.ended
        if parser.error is None:
            with suppress(ChainError):  # it is not complete
                self._parsed = self._text, parser.close()

    def _finish(self) -> None:
        """Read the finished message, and complete the decision."""
        assert self._decision is not None
        decision, chain, problem = self._decision, None, ""
        try:
            chain = self._chain(self._text)
        except ChainError as error:
            problem = str(error)
        response = loose_response(self._text) if chain is None else chain.response
        reason = decision.reason
        if chain is None and decision.steered:
            reason = f"the chain broke after the edit: {problem}"
        form = self.steering.form
        out = self.phases[-1].finish == "length" or self._written.tokens_left < 1
        self._decision = replace(
            decision,
            reason=reason,
            chosen=None if chain is None else chosen_cell(chain.analyze, form).cell,
            acted=None if response is None else acted(response, form),
            phases=self.phases,
            retries=self._retries,
        )
        cut = out and not self._stopped and chain is None
        finish: Literal["stop", "length"] = "length" if cut else "stop"
        self._result = Steered(self._text, response, chain, self._decision, finish)

    def _decide(self, text: str, *, steered: bool) -> Decision:
        """Edit the matrix of a chain; ``steered`` says whether that will change the answer."""
        began = perf_counter()
        chain = self._chain(text)
        report = self._written.report
        decision = self.steering.decide(
            chain,
            self._decimals(text[slice(*chain.spans["payoff"])]),
            prompt_tokens=None if report is None else report.prompt_tokens,
            used_tokens=self.ask.used_tokens,
            steered=steered,
        )
        return replace(decision, decided_ms=(perf_counter() - began) * 1000)

    def _decimals(self, payoff: str) -> int:
        fixed = self.steering.settings.decimals
        return decimals_of(payoff) if fixed is None else fixed

    def _undecided(self, reason: str) -> Decision:
        return self.steering.undecided(reason, used_tokens=self.ask.used_tokens)

    def _chain(self, text: str) -> Chain:
        if self._parsed is None or self._parsed[0] != text:
            self._parsed = text, parse(text, self.steering.form, tolerant=True, **self._limits)
        return self._parsed[1]

    def _fill(self, template: str, decision: Decision) -> str:
        """Fill a template with the recommendation; it need not use every value."""
        assert decision.edited is not None and decision.after is not None
        action = decision.after.action
        values = {
            "frontier": ", ".join(decision.after.frontier),
            "payoff": json.dumps(decision.edited.to_json()),
            "cell": decision.after.cell,
            "action": action,
            "description": self.steering.form.description(action, "llm"),
        }
        return fill(template, {name: values[name] for name in placeholders(template)})

    def _parser(self) -> StreamParser:
        return StreamParser(self.steering.form, **self._limits)

    def _grammar(self, part: Part, lead: str) -> str | None:
        language = self.steering.backend.grammar
        if language is None:
            return None
        write = gbnf if language == "gbnf" else ebnf
        low, high = self.steering.settings.low, self.steering.settings.high
        return write(self.steering.form, low=low, high=high, part=part, lead=lead)


async def answers(steering: Steering, ask: Ask, count: int) -> list[Steered]:
    """Write several answers to one request at once, each with a matrix of its own.

    Their seeds follow that of the request. The first failure ends them all.
    """
    async with asyncio.TaskGroup() as group:
        sessions = [Session(steering, one) for one in fan_out(ask, count)]
        tasks = [group.create_task(session.answer()) for session in sessions]
    return [task.result() for task in tasks]


def _opening(text: str) -> str:
    """A text up to the end of its payoff, made a whole chain for the parser."""
    return text[: text.index(_PAYOFF_ENDS) + len(_PAYOFF_ENDS)] + _REST
