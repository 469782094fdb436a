"""Keep the record of one answer: start it, wait for its first write, and complete it."""

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import orjson

from gtalign.errors import SteeringError, StorageError, UpstreamError
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.errors import explained, unquoted
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import LEFT
from gtalign.gateway.spending import AnswerUsage, text_of
from gtalign.gateway.store.record import AnswerLog, Status, now, record_of
from gtalign.gateway.telemetry.spans import trace_record
from gtalign.steering import Decision

log = logging.getLogger(__name__)

_TICK: Final = 0.005  # seconds by which a timer of the event loop may be early
_DAY: Final = 86_400 * 1_000_000  # microseconds


class Account:
    """Keeps the record of one answer, whether it is steered or passed through.

    An answer is on record before any of it is shown, so that a client that holds some of its
    text can look it up, however this process ends.

    Args:
        gateway: Who answers.
        terms: Terms of the answer: its key, policy and limits.
        prompt: Messages or prompt of the request, in JSON types.
        stream: Whether the answer is streamed.
        began: When its time began to run, by `perf_counter`; None for now.
        added_ms: Milliseconds so far that are the gateway's own; None while that is not known.

    Attributes:
        log: Events of the answer so far.
        recorded: Whether the answer is or will be on record.
        committed: Whether it is.
        use: What the latest attempt took; None before its end.

    Raises:
        StorageError: The answer cannot be recorded, and has to be.
    """

    def __init__(
        self,
        gateway: Gateway,
        terms: Terms,
        prompt: Any,
        *,
        stream: bool,
        began: float | None = None,
        added_ms: Callable[[], float | None],
    ) -> None:
        self.recorded = gateway.check_store()
        self.committed = False
        self._gateway = gateway
        self._terms = terms
        self._pending: asyncio.Task[None] | None = None
        self._added_ms = added_ms
        self.use: AnswerUsage | None = None
        self._given = False
        self._asked = text_of(prompt)
        audit, at = gateway.config.audit, now()
        self.log = AnswerLog(
            id=terms.id,
            at=at,
            request_id=terms.request_id,
            key_id=terms.key.id,
            policy=terms.policy,
            stream=stream,
            prompt=orjson.dumps(prompt).decode() if audit.texts else None,
            until=at + int(audit.text_days * _DAY),
            began=perf_counter() if began is None else began,
            read_characters=None if self._asked is None else len(self._asked),
            process=gateway.process,
        )

    @property
    def owed(self) -> bool:
        """Whether nothing may be shown yet, because there has to be a record first."""
        return self.recorded and not self.committed

    @property
    def begun(self) -> bool:
        """Whether a record is there or on its way."""
        return self._pending is not None

    def begin(self, decision: Decision) -> None:
        """Have the record written as soon as the engine is waited for, which is asked first."""
        if not self.owed:
            return

        async def write() -> None:
            await self._put("writing", decision)

        self._supersede()
        self._pending = asyncio.create_task(write())
        # Whether anyone waits for it or not, the writer tells of a failure.
        self._pending.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def on_record(self) -> None:
        """Wait until the record that was begun is committed.

        Raises:
            StorageError: It cannot be written.
        """
        if self.owed:
            assert self._pending is not None, "no record was begun"
            await self._pending
            self.committed = True

    def give_up(self, error: StorageError) -> None:
        """Go on without a record, where that is allowed.

        Raises:
            StorageError: It is not, or there is none to give up.
        """
        if self._gateway.config.audit.when_down == "fail" or not self.recorded:
            raise error
        self.recorded = False
        self._pending = None

    def spend(
        self,
        read: int | None,
        written: int | None,
        told: str | None,
        *,
        given: bool,
        events: int = 0,
    ) -> None:
        """Count what an attempt took, also if it fails; what nobody counted is estimated.

        Args:
            read: Tokens read; None if the engine did not count them.
            written: Tokens written, likewise.
            told: The text that was written; None if that is unknown.
            given: Whether it is the answer, which a price may count once.
            events: Events of a stream.
        """
        log, policy = self.log, self._terms.policy
        given, self._given = given and not self._given, given or self._given
        log.written_characters = None if told is None else len(told)
        self.use = AnswerUsage(read, written, self._asked, told, events, given)
        spent = self.use.spent(policy)
        log.spent = spent if log.spent is None else log.spent + spent
        self._gateway.limits.spend(self._terms.key, spent, policy.name)
        metrics = self._gateway.metrics
        for count, kind in ((read, "read"), (written, "written")):
            if count is None:
                metrics.uncounted.add(1, kind)
            else:
                metrics.tokens.add(count, kind)

    async def complete(self, status: Status, decision: Decision) -> None:
        """Record an answer that has come to its end; wait for that if none of it was shown yet.

        Raises:
            StorageError: There is no record of it.
        """
        if not self.recorded:
            self._count("unrecorded")
            return
        self._supersede()
        written = self._put(status, decision, keep=self.committed)
        if not self.committed:
            await written
            self.committed = True
        self._count(status)

    def amend(self, decision: Decision) -> None:
        """Record more about an answer that is complete; nothing else of its record changes."""
        self._gateway.writer.put(record_of(decision, self.log), keep=True)

    def left(self, decision: Decision, cancelled: BaseException) -> None:
        """Record an answer whose work was cancelled, or whose reader left."""
        status, self.log.error = self._why(cancelled)
        self._end(status, decision)

    def failed(self, decision: Decision, error: Exception) -> None:
        """Record an answer that failed: in the engine's words only where texts are kept."""
        self.log.error = str(error) if self._gateway.config.audit.texts else unquoted(error)
        self._end("failed", decision)
        if isinstance(error, UpstreamError):
            self._gateway.metrics.upstream.add(1, str(explained(error).status))

    def withdraw(self) -> None:
        """Leave the record to the answer that replaces this one."""
        self._supersede()

    def retried(self, error: UpstreamError) -> None:
        """Log that the engine is asked again; its words only where prompts are logged."""
        quotes = self._gateway.config.log_prompts
        log.warning("asking again: %s", error if quotes else unquoted(error))

    def kept(self, error: SteeringError) -> None:
        """Log that the engine failed in a second writing, so that the first answer stands."""
        quotes = self._gateway.config.log_prompts
        log.warning("the first answer stands: %s", error if quotes else unquoted(error))

    def _why(self, cancelled: BaseException) -> tuple[Status, str | None]:
        """How an answer stands whose work was cancelled, and why."""
        total = self._gateway.config.timeouts.total
        if perf_counter() - self.log.began >= total - _TICK:
            return "failed", f"the answer was not complete after {total:g} s"
        stopped = isinstance(cancelled, asyncio.CancelledError) and LEFT not in cancelled.args
        if self._gateway.draining and stopped:
            return "failed", "the gateway ended before the answer was complete"
        return "gone", None

    def _end(self, status: Status, decision: Decision) -> None:
        self._count(status)
        self._supersede()
        self._put(status, decision, keep=True)

    def _count(self, status: str) -> None:
        self._gateway.metrics.answers.add(1, self._terms.policy.name, status)

    def _supersede(self) -> None:
        """Leave a record that was not handed over yet: the last one follows."""
        if self._pending is not None:
            self._pending.cancel()

    def _put(
        self, status: Status, decision: Decision, *, keep: bool = False
    ) -> "asyncio.Future[None]":
        self.log.status = status
        self.log.added_ms = self._added_ms()
        self.log.total_ms = (perf_counter() - self.log.began) * 1000
        written = self._gateway.writer.put(record_of(decision, self.log), keep=keep)
        if self._gateway.tracing.on:
            trace_record(written, status)
        return written
