"""Requests that are passed through: recorded like answers, steered by nobody."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import Any, Final

import orjson

from gtalign.errors import StorageError, UpstreamError
from gtalign.gateway.answers.answer import broken_off, facts_of, for_record, tell_of_retry
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.errors import APIError, explained, repeatable
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.reply import EVENTS, Reply, send_events
from gtalign.gateway.proxy import Passed
from gtalign.gateway.store.record import AnswerOutcome, Status, record_of
from gtalign.gateway.telemetry.spans import trace_record
from gtalign.gateway.telemetry.tracing import current
from gtalign.steering import Decision, Phase, Steering

_TAIL: Final = 8192  # bytes at the end of an answer in which its usage stands
_EVENT: Final = b"data:"  # in JSON, text may hold it too: it counts for whoever asked for that
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})')


class Forwarding:
    """One request on its way through, and its answer back, with a record of it.

    Raises:
        APIError: The model is in this process.
        StorageError: It cannot be recorded, and has to be.
    """

    def __init__(
        self,
        gateway: Gateway,
        terms: Terms,
        path: str,
        raw: bytes,
        body: Mapping[str, Any],
        why: str,
        response: Reply,
    ) -> None:
        if gateway.proxy is None:
            raise APIError(
                400,
                f"{why}: the model is in this process, which answers steered chats only; nothing"
                " could take this request as it is",
                code="unsupported",
                param=why,
            )
        self._gateway = gateway
        self._terms = terms
        self._request = (path, raw, body)
        self._why = why
        self._response = response
        self._recorded = gateway.check_store()
        self._facts = facts_of(
            gateway,
            terms,
            body.get("messages", body.get("prompt")),
            stream=bool(body.get("stream")),
        )
        self._began = perf_counter()
        self._tail = b""
        self._events = 0  # of a stream, [DONE] included
        self._first: float | None = None
        self._waited = 0.0  # seconds, for the head of the engine's answer
        self._proxy = gateway.proxy
        steering = Steering(
            gateway.upstream.backend,
            terms.policy,
            gateway.config.steering.model_copy(update={"mode": "observe"}),
            model=gateway.upstream.model,
        )
        self._decision: Decision = replace(
            steering.undecided(f"passed through: {why}", used_tokens=0), id=terms.id
        )
        response.headers |= {
            "x-gtalign-steered": "false",
            "x-gtalign-passed": why,
        }

    async def run(self) -> None:
        """Pass it on and its answer back.

        Raises:
            APIError: The server refused the request.
            UpstreamError: The server failed.
            StorageError: It cannot be recorded, and has to be.
        """
        # It begins once the request is out, so that the disk is at work while the server is.
        writing = asyncio.create_task(self._begin())
        try:
            await self._attempts(writing)
        except asyncio.CancelledError as left:
            self._count()
            self._put(*broken_off(self._gateway, self._began, left), keep=True)
            raise
        except Exception as error:
            self._count()
            self._put("failed", for_record(self._gateway, error), keep=True)
            if isinstance(error, UpstreamError | APIError):  # refused, or failed
                self._gateway.metrics.upstream.add(1, str(explained(error).status))
            raise
        finally:
            writing.cancel()  # if it has not begun, the record of the end is the only one
            await asyncio.gather(writing, return_exceptions=True)
        read, written = self._count()
        current().part("upstream", self._began, perf_counter())
        current().about(
            {
                "gen_ai.usage.input_tokens": read,
                "gen_ai.usage.output_tokens": written,
                "gtalign.steered": False,
                "gtalign.passed": self._why,
            },
        )
        self._put("passed", keep=True)

    async def _attempts(self, writing: "asyncio.Task[None]") -> None:
        """Send it, and again if the server failed before any of its answer."""
        left = self._gateway.config.upstream.retries
        while True:
            began = perf_counter()
            try:
                async with self._proxy.exchange(*self._request) as passed:
                    self._waited += perf_counter() - began
                    await self._on_record(writing)
                    self._first = perf_counter() - self._began
                    added = self._first - self._waited
                    self._response.headers["x-gtalign-added-ms"] = f"{added * 1000:.3f}"
                    await self._back(passed)
                return
            except UpstreamError as error:
                if self._first is not None or not repeatable(error) or not left:
                    raise
                self._waited += perf_counter() - began
                left -= 1
                tell_of_retry(self._gateway, error)

    def _count(self) -> tuple[int | None, int | None]:
        """Put down the tokens read and written, as far as they are known."""
        read, written = self._usage()
        if written is None and self._events:  # each event is a token, or more
            written = self._events
        self._decision = replace(
            self._decision,
            prompt_tokens=read,
            phases=()
            if written is None
            else (Phase("passed", written, read, None, "end", self._spent()),),
        )
        self._gateway.limits.spend(self._terms.key, (read or 0) + (written or 0))
        self._gateway.metrics.tokens.add(read or 0, "read")
        self._gateway.metrics.tokens.add(written or 0, "written")
        return read, written

    async def _begin(self) -> None:
        await self._put("writing")

    async def _on_record(self, writing: "asyncio.Task[None]") -> None:
        """Wait for the record of the answer: none of it is passed on before."""
        if self._recorded:
            try:
                await writing
            except StorageError:
                if self._gateway.config.audit.when_down == "fail":
                    raise
                self._recorded = False
        self._response.headers["x-gtalign-recorded"] = "true" if self._recorded else "false"

    async def _back(self, passed: Passed) -> None:
        response = self._response
        keep_alive = self._gateway.config.timeouts.keep_alive
        async with aclosing(self._chunks(passed)) as chunks:
            if passed.kind == EVENTS:
                await send_events(response, chunks, comment=None, keep_alive=keep_alive)
                return
            await response.start(passed.status, passed.kind)
            async for chunk in chunks:
                await response.write(chunk)
            await response.end()

    async def _chunks(self, passed: Passed) -> AsyncGenerator[bytes, None]:
        while chunk := await passed.exchange.more():
            self._tail = (self._tail + chunk)[-_TAIL:]
            if passed.kind == EVENTS:
                self._events += chunk.count(_EVENT)
            yield chunk

    def _usage(self) -> tuple[int | None, int | None]:
        """Tokens read and written, as the answer says at its end."""
        found = _USAGE.findall(self._tail)
        try:
            usage = orjson.loads(found[-1]) if found else {}
        except orjson.JSONDecodeError:
            usage = {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        read, written = (c if isinstance(c, int) and 0 <= c < 2**31 else None for c in counts)
        return read, written

    def _spent(self) -> float:
        """Milliseconds so far."""
        return (perf_counter() - self._began) * 1000

    def _put(
        self, status: Status, error: str | None = None, *, keep: bool = False
    ) -> "asyncio.Future[None]":
        if status != "writing":
            counted = status if self._recorded else "unrecorded"
            self._gateway.metrics.answers.add(1, self._terms.policy.name, counted)
        if not self._recorded:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        first = added = None
        if self._first is not None:
            first, added = self._first * 1000, (self._first - self._waited) * 1000
        outcome = AnswerOutcome(
            status, first_ms=first, total_ms=self._spent(), added_ms=added, error=error
        )
        record = record_of(self._decision, self._facts, outcome)
        written = self._gateway.writer.put(record, keep=keep)
        if self._gateway.tracing.on:
            trace_record(written, status)
        return written
