"""One steered answer that is recorded before any of it is shown."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import Any

import orjson

from gtalign.errors import SteeringError, StorageError, UpstreamError
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.answers.view import ChainView, Piece
from gtalign.gateway.errors import APIError, explained, repeatable, unquoted
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import LEFT
from gtalign.gateway.store.record import AnswerOutcome, Facts, Status, now, record_of
from gtalign.gateway.telemetry.spans import trace_answer, trace_record
from gtalign.steering import Ask, Decided, Decision, Phase, Session, Steered, Steering
from gtalign.steering.stopwatch import Stopwatch

log = logging.getLogger(__name__)

_TICK = 0.005  # seconds by which a timer of the event loop may be early
_DAY = 86_400 * 1_000_000
_BEING_WRITTEN = "the answer is being written"


class Answer:
    """One answer on its way: read its `pieces` to their end, then `result`.

    No piece comes before the record of the decision is committed: whoever holds any text that the
    decision had a part in can look it up, however this process ends.

    Args:
        gateway: Who answers.
        terms: Under which.
        ask: The request.
        stream: Whether pieces are passed on as they come; if not, all of them at the end.
        began: When its time began to run, by `perf_counter`; None for now.

    Attributes:
        recorded: Whether the decision is or will be on record.
        decision: As far as it is made.
    """

    def __init__(
        self,
        gateway: Gateway,
        terms: Terms,
        ask: Ask,
        *,
        stream: bool,
        began: float | None = None,
    ) -> None:
        self.recorded = gateway.check_store()
        self.decision: Decision | None = None
        self._gateway = gateway
        self._terms = terms
        self._ask = ask
        self._watch = Stopwatch()
        self._facts = facts_of(gateway, terms, [dict(m) for m in ask.messages], stream=stream)
        self._stream = stream
        self._settings = gateway.config.steering
        self._began = perf_counter() if began is None else began
        self._first: float | None = None
        self._decided_at: float | None = None
        self._pending: asyncio.Task[None] | None = None
        self._committed = False
        self._session: Session | None = None  # of this attempt
        self._result: Steered | None = None
        if not self.recorded:
            self._unsteered()

    @property
    def result(self) -> Steered:
        """The finished answer."""
        assert self._result is not None, "its pieces were not read to their end"
        return self._result

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Write the answer, record it, and yield what the client may see.

        Raises:
            APIError: The request cannot be steered as it is.
            UpstreamError: The model server failed.
            SteeringError: The answer cannot be steered.
            StorageError: The decision cannot be recorded, and has to be.
        """
        try:
            async with aclosing(self._attempts()) as pieces:
                async for piece in pieces:
                    yield piece
        except (asyncio.CancelledError, GeneratorExit) as left:
            self._end(*broken_off(self._gateway, self._began, left))
            raise
        except Exception as error:
            told = explained(error)
            self._end("failed", error=for_record(self._gateway, error))
            if isinstance(error, UpstreamError):
                self._gateway.metrics.upstream.add(1, str(told.status))
            raise

    def about(self) -> dict[str, Any]:
        """What was decided, for the client."""
        decision, terms = self.decision, self._terms
        told: dict[str, Any] = {
            "decision": terms.id,
            "policy": terms.policy.name,
            "policy_hash": terms.policy.hash,
            "recorded": self.recorded,
            "added_ms": round(self._added() * 1000, 3),
        }
        if decision is not None:
            before, after = decision.before, decision.after
            told |= {
                "steered": decision.steered,
                "reason": decision.reason,
                "before": None if before is None else before.action,
                "after": None if after is None else after.action,
                "cell": None if after is None else after.cell,
                "acted": decision.acted,
                "flipped": decision.flipped,
            }
        return told

    def usage(self) -> dict[str, int]:
        """Tokens of the answer, as OpenAI's interface counts them."""
        return usage_of(self.result)

    async def _attempts(self) -> AsyncGenerator[Piece, None]:
        """Answer; again if the upstream failed before its first text, or the store on the way."""
        left = self._gateway.config.upstream.retries
        while True:
            try:
                async with aclosing(self._once()) as pieces:
                    async for piece in pieces:
                        if self._first is None:
                            self._first = perf_counter() - self._began
                        yield piece
                return
            except UpstreamError as error:
                if self._watch.begun or not repeatable(error) or not left:
                    raise
                left -= 1
                self._abandon()
                tell_of_retry(self._gateway, error)
            except StorageError:
                when_down = self._gateway.config.audit.when_down
                if when_down == "fail" or self._first is not None or not self.recorded:
                    raise
                self._abandon()
                self._unsteered()

    async def _once(self) -> AsyncGenerator[Piece, None]:
        try:
            session = self._session = Session(self._steering(), self._ask, watch=self._watch)
        except UpstreamError:
            raise
        except SteeringError as error:  # such as parameters that the backend does not take
            raise APIError(400, str(error), code="invalid_value") from error
        view = ChainView(self._terms.show, live=self._settings.mode == "observe")
        held: list[Piece] = []
        if self._settings.mode == "observe":
            self._begin()  # on its way to the disk while the model is waited for
        async with aclosing(session.events()) as events:
            async for event in events:
                if isinstance(event, Decided):
                    self._decided(event.decision)
                for piece in view.feed(event):
                    await self._on_record()
                    if self._stream:
                        yield piece
                    else:
                        held.append(piece)
        self.decision = self._own(session.result.decision)
        result = replace(session.result, decision=self.decision)
        await self._finished(result)
        self._result = result
        self._steering().learn(result)
        self._count(result.decision.phases)
        for piece in (*held, *view.rest(result)):
            yield piece

    def _steering(self) -> Steering:
        gateway = self._gateway
        return Steering(
            gateway.upstream.backend,
            self._terms.policy,
            self._settings,
            model=gateway.upstream.model,
            history=gateway.history,
        )

    def _own(self, decision: Decision) -> Decision:
        return replace(decision, id=self._terms.id)

    def _decided(self, decision: Decision) -> None:
        """Take note of a decision, and have it written while the model goes on."""
        self._decided_at = perf_counter()
        self.decision = self._own(decision)
        if self.recorded and not self._committed:
            self._write_soon(self.decision)

    async def _on_record(self) -> None:
        """Wait until there is a record; where nothing is steered, one of the answer as such."""
        if self._committed or not self.recorded:
            return
        self._begin()
        assert self._pending is not None
        await self._pending
        self._committed = True

    def _begin(self) -> None:
        """Have a record written whose decision is not known, if there is none."""
        if self.recorded and self._pending is None:
            used = self._ask.used_tokens
            undecided = self._steering().undecided(_BEING_WRITTEN, used_tokens=used)
            self._write_soon(self._own(undecided))

    def _write_soon(self, decision: Decision) -> None:
        """Have a record written as soon as the model is waited for, which is asked first."""

        async def write() -> None:
            await self._put("writing", decision)

        self._pending = asyncio.create_task(write())
        # Whether anyone waits for it or not, the writer tells of a failure.
        self._pending.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _supersede(self) -> None:
        """Leave a record that was not handed over yet: the last one follows."""
        if self._pending is not None:
            self._pending.cancel()

    async def _finished(self, result: Steered) -> None:
        self._measure(result)
        if not self.recorded:
            self._gateway.metrics.answers.add(1, self._terms.policy.name, "unrecorded")
            return
        self._supersede()
        written = self._put("done", finish=result.finish, answer=result.text, keep=self._committed)
        if not self._committed:
            await written  # raises if there is no record
            self._committed = True
        self._gateway.metrics.answers.add(1, self._terms.policy.name, "done")

    def _end(self, status: Status, error: str | None = None) -> None:
        """Record an answer that did not come to its end, and count what was written of it."""
        if self._result is not None:
            return  # it is on record as it is; only its way to the client was cut off
        decision = self._as_it_stands()
        self._count(decision.phases)
        self._gateway.metrics.answers.add(1, self._terms.policy.name, status)
        self._supersede()
        written = None if self._session is None else self._session.text
        self._put(status, decision, error=error, answer=written, keep=True)

    def _abandon(self) -> None:
        """Leave an attempt for another one; what was written in it counts all the same."""
        if self._session is not None:
            self._count(self._session.phases)
        self._session = None

    def _count(self, phases: Sequence[Phase]) -> None:
        """Count the tokens of an attempt, whatever becomes of it."""
        usage, tokens = _usage(phases), self._gateway.metrics.tokens
        self._gateway.limits.spend(self._terms.key, usage["total_tokens"])
        tokens.add(usage["prompt_tokens"], "read")
        tokens.add(usage["completion_tokens"], "written")

    def _as_it_stands(self) -> Decision:
        """The decision as far as it is made, with all that was written."""
        decision = self.decision
        if decision is None:
            reason = "the answer ended before it was decided"
            used = self._ask.used_tokens
            decision = self._own(self._steering().undecided(reason, used_tokens=used))
        return decision if self._session is None else replace(decision, phases=self._session.phases)

    def _put(
        self,
        status: Status,
        decision: Decision | None = None,
        *,
        finish: str | None = None,
        error: str | None = None,
        answer: str | None = None,
        keep: bool = False,
    ) -> "asyncio.Future[None]":
        decision = decision or self._as_it_stands()
        outcome = AnswerOutcome(
            status,
            finish=finish,
            first_ms=None if self._first is None else self._first * 1000,
            total_ms=(perf_counter() - self._began) * 1000,
            added_ms=self._added() * 1000,
            error=error,
            answer=answer,
        )
        written = self._gateway.writer.put(record_of(decision, self._facts, outcome), keep=keep)
        if self._gateway.tracing.on:
            trace_record(written, status)
            if status != "writing":
                trace_answer(decision, finish, self._watch, self._decided_at, self._added())
        return written

    def _unsteered(self) -> None:
        """Go on without a record, and so without steering."""
        self.recorded = False
        self.decision = self._pending = None
        self._settings = self._settings.model_copy(update={"mode": "observe"})

    def _added(self) -> float:
        return max(0.0, perf_counter() - self._began - self._watch.waited)

    def _measure(self, result: Steered) -> None:
        metrics, decision = self._gateway.metrics, result.decision
        policy = self._terms.policy.name
        if decision.before is None or decision.after is None:
            metrics.unread.add(1, policy)
        else:
            metrics.actions.add(1, policy, decision.before.action, decision.after.action)
        metrics.flips.add(decision.flipped, policy)
        metrics.repairs.add(len(decision.repairs), policy)
        metrics.seconds.add(perf_counter() - self._began)
        metrics.added.add(self._added())
        if self._first is not None:
            metrics.first.add(self._first)


def broken_off(
    gateway: Gateway, began: float, cancelled: BaseException
) -> tuple[Status, str | None]:
    """How an answer stands whose work was cancelled, and why.

    Args:
        gateway: Who answers.
        began: When, by `perf_counter`.
        cancelled: As it was raised.
    """
    total = gateway.config.timeouts.total
    if perf_counter() - began >= total - _TICK:
        return "failed", f"the answer was not complete after {total:g} s"
    if (
        gateway.draining
        and isinstance(cancelled, asyncio.CancelledError)
        and LEFT not in cancelled.args
    ):
        return "failed", "the gateway ended before the answer was complete"
    return "gone", None


def for_record(gateway: Gateway, error: Exception) -> str:
    """What a record says of a failure: the engine's words only where texts are kept."""
    return str(error) if gateway.config.audit.texts else unquoted(error)


def tell_of_retry(gateway: Gateway, error: UpstreamError) -> None:
    """Log that the engine is asked again; its words only where prompts are logged."""
    log.warning("asking again: %s", error if gateway.config.log_prompts else unquoted(error))


def facts_of(gateway: Gateway, terms: Terms, prompt: Any, *, stream: bool) -> Facts:
    """What is known of an answer before it begins."""
    audit = gateway.config.audit
    at = now()
    return Facts(
        id=terms.id,
        at=at,
        request_id=terms.request_id,
        key_id=terms.key.id,
        policy=terms.policy,
        stream=stream,
        prompt=orjson.dumps(prompt).decode() if audit.texts else None,
        until=at + int(audit.text_days * _DAY),
    )


def usage_of(answer: Steered) -> dict[str, int]:
    """Tokens of an answer, as OpenAI's interface counts them."""
    return _usage(answer.decision.phases)


def _usage(phases: Sequence[Phase]) -> dict[str, int]:
    read = next((p.prompt_tokens for p in phases if p.prompt_tokens is not None), 0)
    written = sum(phase.tokens for phase in phases)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def seconds() -> int:
    """Seconds since 1970."""
    return int(time.time())
