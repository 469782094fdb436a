"""One steered answer. The client sees none of it before its decision is on record."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import Any, Final

from gtalign.errors import SteeringError, StorageError, UpstreamError
from gtalign.gateway.answers import wire
from gtalign.gateway.answers.account import Account
from gtalign.gateway.answers.dry_run import offer_dry_runs
from gtalign.gateway.answers.messages import has_calls
from gtalign.gateway.answers.shadow import offer_shadow
from gtalign.gateway.answers.structure import FORM
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.answers.tools import TOOLS
from gtalign.gateway.answers.usage import tokens_of, usage_of
from gtalign.gateway.answers.view import ChainView, Piece
from gtalign.gateway.errors import APIError, Unsteerable, reason_to_pass
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.telemetry.spans import trace_answer
from gtalign.gateway.telemetry.tracing import current
from gtalign.steering import (
    Ask,
    Backend,
    Decided,
    Decision,
    Phase,
    Retry,
    Session,
    Steered,
    Steering,
    has_retry,
)
from gtalign.steering.guided import NO_CHAIN
from gtalign.steering.stopwatch import Stopwatch

_BEING_WRITTEN: Final = "the answer is being written"
_UNDECIDED: Final = "the answer ended before it was decided"
_SPARE: Final = 1.0
"""Seconds of `timeouts.total` that a second writing leaves for sending the first."""


class Answer:
    """One answer on its way: read its `pieces` to their end, then `result`.

    No piece comes before the record of the decision is committed.

    Args:
        gateway: Who answers.
        terms: Terms of the answer: its key, policy and limits.
        ask: The request.
        stream: Whether pieces are passed on as they come; if not, all of them at the end.
        began: When its time began to run, by `perf_counter`; None for now.
        backend: What writes it; None for the engine that the terms' model is routed to.
        passable: Tells whether the request can still be passed through instead.

    Attributes:
        decision: The decision so far.

    Raises:
        StorageError: The answer cannot be recorded, and has to be.
    """

    def __init__(
        self,
        gateway: Gateway,
        terms: Terms,
        ask: Ask,
        *,
        stream: bool,
        began: float | None = None,
        backend: Backend | None = None,
        passable: Callable[[], bool] = lambda: False,
    ) -> None:
        self.decision: Decision | None = None
        self._gateway = gateway
        self._terms = terms
        self._ask = ask
        self._stream = stream
        self._passable = passable
        self._backend = backend
        self._route = terms.served.route(ask.messages)
        prompt = [dict(message) for message in ask.messages]
        self._watch = Stopwatch()
        self._account = Account(
            gateway, terms, prompt, stream=stream, began=began, added_ms=self._added_ms
        )
        self._settings = gateway.config.steering
        self._session: Session | None = None  # of this attempt, or of its second writing
        self._called = False  # a tool
        self._result: Steered | None = None
        if not self.recorded:
            self._observe()

    @property
    def recorded(self) -> bool:
        """Whether the decision is or will be on record."""
        return self._account.recorded

    @property
    def fingerprint(self) -> str | None:
        """The ``system_fingerprint`` of the engine; None if it has none."""
        return self._route.upstream.fingerprint

    @property
    def result(self) -> Steered:
        """The finished answer."""
        assert self._result is not None, "its pieces were not read to their end"
        return self._result

    @property
    def finish(self) -> tuple[str, str | None]:
        """Why the answer ended, as a chat says it, and the stop string that ended it, if any."""
        finish = self.result.finish
        return "tool_calls" if self._called and finish == "stop" else finish, self.result.stop

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Write the answer, record it, and yield what the client may see.

        It is written again if the engine failed and there is another one, or this one had not
        begun; and if the store failed on the way. It is written once more if it did not obey,
        nobody has seen it, and the settings say so.

        Raises:
            APIError: The request cannot be steered as it is.
            Unsteerable: At best, the engine takes the request as it came: pass it through.
            UpstreamError: The model server failed.
            SteeringError: The answer cannot be steered.
            StorageError: The decision cannot be recorded, and has to be.
        """
        self._route.enter()
        try:
            while self._result is None:
                try:
                    session = self._attempt()
                    view = self._view(live=self._settings.mode == "observe")
                    held: list[Piece] = []
                    async with aclosing(session.events()) as events:
                        async for event in events:
                            if isinstance(event, Decided):
                                self._decided(event.decision)
                            for piece in view.feed(event):
                                if self._account.owed:
                                    await self._on_record()
                                if self._stream:
                                    yield self._shown(piece)
                                else:
                                    held.append(piece)
                    result = session.result
                    if not self._stream and has_retry(result, self._settings):
                        result = await self._again(result)
                        if result.text != session.result.text:  # nobody saw any of the first
                            view = self._view(live=True)
                            held = view.read(result.text, self._terms.served.form, self._settings)
                    held += view.rest(result)
                    self._result = await self._finished(result)
                    for piece in held:
                        yield self._shown(piece)
                except UpstreamError as error:
                    why = reason_to_pass(error)
                    seen = self._account.log.first_ms is not None
                    if why is not None and not seen and self._passable():
                        raise self._unsteerable(why, str(error)) from error
                    if seen or not self._route.again(error, begun=self._watch.begun):
                        raise
                    self._abandon()
                    self._account.retried(error)
                except SteeringError as error:
                    seen = self._account.log.first_ms is not None
                    passes = not self._ask.in_words and not seen and self._passable()
                    if not passes or self._settings.on_malformed == "fail":
                        raise
                    raise self._unsteerable("no chain", str(error)) from error
                except StorageError as error:
                    if self._account.log.first_ms is not None:
                        raise
                    self._account.give_up(error)
                    self._abandon()
                    self._observe()
        except (asyncio.CancelledError, GeneratorExit) as left_by:
            # A finished answer is on record as it is; only its way to the client was cut off.
            if self._result is None:
                self._account.left(self._broken_off(left=True), left_by)
                self._trace()
            raise
        except Unsteerable:
            raise
        except Exception as error:
            if self._result is None:
                self._account.failed(self._broken_off(left=False), error)
                self._trace()
            raise
        finally:
            self._route.leave()

    def about(self) -> dict[str, Any]:
        """The decision, for the client."""
        decision, terms = self.decision, self._terms
        told: dict[str, Any] = {
            "decision": terms.id,
            "policy": terms.policy.name,
            "policy_hash": terms.policy.hash,
            "recorded": self.recorded,
            "added_ms": round(self._added_ms(), 3),
        }
        if decision is not None:
            told |= wire.facts(decision, marked=self._settings.verify != "off")
        return told

    def usage(self) -> dict[str, Any]:
        """Tokens of the answer, as OpenAI's interface counts them; also if it was broken off."""
        instructs = self._settings.instructs
        instruction = self._route.upstream.instruction_tokens if instructs else None
        decision = self.decision if self._result is None else self._result.decision
        assert decision is not None, "no answer was begun"
        return usage_of(decision, instruction)

    def _unsteerable(self, why: str, message: str) -> Unsteerable:
        """Leave the answer to the engine, to which the request goes as it came."""
        self._abandon()
        self._account.withdraw()
        error = Unsteerable(why, message, param="messages")
        error.spent = self._account.log.spent
        return error

    def _view(self, *, live: bool) -> ChainView:
        ask, most = self._ask, self._settings.calls
        return ChainView(self._terms.show, live=live, tools=ask.tools, most=most, schema=ask.schema)

    def _check_form(self) -> None:
        """Check that the engine can be held to the form of the answer, and knows that of the chat.

        Raises:
            Unsteerable: It cannot.
        """
        ask, upstream = self._ask, self._route.upstream
        name = FORM if ask.tools is None and ask.schema is not None else TOOLS
        if not ask.in_words and self._settings.mode == "observe":
            raise self._unsteerable(name, f"{name!r}: nothing is steered here")
        if not ask.in_words and upstream.backend.grammar is None:
            raise self._unsteerable(name, f"{name!r}: the engine takes no grammars")
        if has_calls(ask.messages) and upstream.proxy is None:
            raise self._unsteerable(name, "calls of tools: the model is in this process")

    def _attempt(self) -> Session:
        """Begin to write the answer.

        Raises:
            Unsteerable: The engine cannot be held to the form of the answer.
            APIError: The backend does not take its parameters.
        """
        if self._gateway.tracing.on:
            current().about(self._terms.traced(self._route.upstream))
        self._check_form()
        try:
            self._session = Session(self._steering(), self._ask, watch=self._watch)
        except UpstreamError:
            raise
        except SteeringError as error:
            raise APIError(400, str(error), code="invalid_value") from error
        if self._settings.mode == "observe":
            self._begin()  # on its way to the disk while the model is waited for
        return self._session

    async def _again(self, first: Steered) -> Steered:
        """Write an answer once more that did not obey; if that fails, the first one stands."""
        gateway, log = self._gateway, self._account.log
        self.decision = first.decision
        self._session = retry = Retry(self._steering(), self._ask, first, watch=self._watch)
        if gateway.draining:
            return retry.kept("the gateway was shutting down")
        log.unserved, log.retried = first.text, perf_counter()
        log.chain = first.chain is not None
        left = gateway.config.timeouts.total - (log.retried - log.began) - _SPARE
        try:
            async with asyncio.timeout(left):
                result = await retry.answer()
        except TimeoutError:
            result = retry.kept("no time was left for a second writing")
        if retry.error is not None:
            self._account.kept(retry.error)
        if result.text == first.text:
            log.unserved = retry.text
        return result

    def _steering(self) -> Steering:
        upstream = self._route.upstream
        return Steering(
            self._backend or upstream.backend,
            self._terms.policy,
            self._settings,
            model=upstream.model,
            form=upstream.form,
            history=self._gateway.history,
            new_id=lambda: self._terms.id,
        )

    def _decided(self, decision: Decision) -> None:
        """Note a decision, and start its record while the model continues."""
        self._account.log.decided = perf_counter()
        self.decision = decision
        self._account.begin(self.decision)

    async def _on_record(self) -> None:
        """Wait until there is a record; where nothing is steered, one of the answer as such."""
        self._begin()
        await self._account.on_record()

    def _begin(self) -> None:
        """Have a record written whose decision is not known, if there is none."""
        if self.recorded and not self._account.begun:
            self._account.begin(self._undecided(_BEING_WRITTEN))

    def _shown(self, piece: Piece) -> Piece:
        log = self._account.log
        self._called = self._called or piece.kind == "call"
        if log.first_ms is None:
            log.first_ms = (perf_counter() - log.began) * 1000
        return piece

    async def _finished(self, result: Steered) -> Steered:
        """Record the finished answer, and learn from it."""
        self.decision = result.decision
        log = self._account.log
        log.finish, log.answer, log.chain = result.finish, result.text, result.chain is not None
        self._count(self.decision.phases, result.text, given=True)
        self._session = None  # it is counted
        if self.decision.reason != NO_CHAIN:  # where none is asked for, none is missing
            self._gateway.metrics.decided(self.decision)
        self._gateway.metrics.answered(
            first_ms=log.first_ms,
            added_ms=self._added_ms(),
            total_ms=(perf_counter() - log.began) * 1000,
        )
        await self._account.complete("done", self.decision)
        if self.recorded:
            self._trace()
        self._steering().learn(result, self._ask.messages)
        if not offer_shadow(self._gateway, self._account, self._steering(), self._ask, result):
            offer_dry_runs(self._gateway, self._account, self.decision)
        return result

    def _broken_off(self, *, left: bool) -> Decision:
        """The decision so far; logs the written text and counts what it took.

        Args:
            left: Whether nobody waits for the answer any more; else it failed.
        """
        decision, session, log = self.decision, self._session, self._account.log
        if decision is None:
            decision = self._undecided(_UNDECIDED)
        if session is not None:
            decision, log.answer = replace(decision, phases=session.phases), session.text
            # A client that leaves has had the part of the answer that was shown.
            self._count(session.phases, session.text, given=log.first_ms is not None and left)
            self._session = None
        log.finish = None
        self.decision = decision
        return decision

    def _abandon(self) -> None:
        """Leave an attempt for another one; what was written in it counts all the same."""
        if self._session is not None:
            self._count(self._session.phases, self._session.text, given=False)
        self._session, log = None, self._account.log
        log.answer = log.unserved = log.retried = None
        log.chain = False

    def _observe(self) -> None:
        """Go on without a record, and so without steering."""
        self.decision = None
        self._settings = self._gateway.observing

    def _count(self, phases: Sequence[Phase], text: str, *, given: bool) -> None:
        """Count what phases took; before the first text of one, the engine has done nothing."""
        if phases or text:
            usage = tokens_of(phases)
            written = usage["completion_tokens"] if phases else None
            self._account.spend(usage["prompt_tokens"], written, text, given=given)

    def _undecided(self, reason: str) -> Decision:
        used = self._ask.used_tokens
        return self._steering().undecided(reason, used_tokens=used)

    def _added_ms(self) -> float:
        """Milliseconds so far but for those in which the model was waited for."""
        spent = perf_counter() - self._account.log.began
        return max(0.0, spent - self._watch.waited) * 1000

    def _trace(self) -> None:
        if self._gateway.tracing.on:
            assert self.decision is not None
            trace_answer(self.decision, self._account.log, self._watch)
