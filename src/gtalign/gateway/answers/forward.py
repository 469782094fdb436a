"""Requests that are passed through to the engine: recorded, but not steered."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from time import perf_counter
from typing import Any, Final

import orjson

from gtalign.errors import LateError, StorageError, UpstreamError
from gtalign.gateway.answers.account import Account
from gtalign.gateway.answers.cut import ChainCutter
from gtalign.gateway.answers.dry_run import offer_dry_runs
from gtalign.gateway.answers.request import OBSERVED, AnswerRequest
from gtalign.gateway.answers.shadow import offer_shadow
from gtalign.gateway.answers.tap import Tap
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.answers.wire import said
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.reply import EVENTS, HTTPReply, send_events
from gtalign.gateway.proxy import Passed, Proxy
from gtalign.gateway.spent import Spent
from gtalign.gateway.telemetry.tracing import current
from gtalign.gateway.upstream import Upstream
from gtalign.steering import Ask, Decision, Phase, Steered, Steering, observed
from gtalign.steering.phase import PASSED

_TAIL: Final = 8192  # bytes at the end of an answer in which its usage stands
_DONE: Final = re.compile(rb"\ndata: ?\[DONE\]\s*\Z")
_EVENT: Final = b"data:"  # in JSON, text may hold it too: it counts for whoever asked for that
_ASKED: Final = ("messages", "prompt", "input")  # what holds the question, by the interface
_COUNTS: Final = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})')


_CHOICES: Final = ("/v1/chat/completions", "/v1/completions")  # whose answers have them


class Forwarding:
    """One request on its way through, and its answer back, with a record of it.

    Args:
        gateway: Who passes it on.
        terms: Terms of the request: its key, policy and limits.
        path: Path of the engine's interface.
        request: The request, and why it is not steered.
        raw: Its body as it came.
        reply: Where the answer goes.
        began: When its time began to run, by `perf_counter`.
        spent: What an attempt to steer it has taken of budgets; None for nothing.

    Raises:
        APIError: The model is in this process.
        StorageError: It cannot be recorded, and has to be.
    """

    _answers = True  # whether what it brings counts as an answer

    def __init__(
        self,
        gateway: Gateway,
        terms: Terms,
        path: str,
        request: AnswerRequest,
        raw: bytes,
        reply: HTTPReply,
        began: float,
        spent: Spent | None = None,
    ) -> None:
        assert request.passes is not None
        self._why = why = request.passes
        body = request.body
        asked = next((body[name] for name in _ASKED if name in body), None)
        self._route = terms.served.route(asked)
        if self._route.upstream.proxy is None:
            raise request.refusal or APIError(
                400,
                f"{why}: the model runs inside the gateway, which answers only steered chats; there"
                " is no server to pass this request to",
                code="unsupported",
                param=why,
            )
        self._gateway = gateway
        self._sent = (path, raw, body)
        self._reply = reply
        self._account = Account(
            gateway,
            terms,
            asked,
            stream=bool(body.get("stream")),
            began=began,
            added_ms=lambda: self._added_ms,
        )
        self._account.log.spent = spent
        self._tail = b""
        self._events = 0  # of a stream, [DONE] included: about as many as it has tokens
        self._waited = 0.0  # seconds, for the head of the engine's answer
        self._added_ms: float | None = None
        self._terms = terms
        self._request = request
        self._undecided: tuple[Upstream, Decision] | None = None  # of the engine that is asked
        self._ended: Decision | None = None  # once what it took is counted
        self._cut: ChainCutter | None = None  # of a model that writes chains
        self._tap: Tap | None = None  # reads the answer that is observed
        self._settings = gateway.observing
        reply.headers |= {"x-gtalign-steered": "false", "x-gtalign-passed": why}
        leave = reply.before_end

        async def before_end() -> None:
            self._counted(given=self._answers)
            await leave()

        reply.before_end = before_end

    async def run(self) -> None:
        """Pass it on and its answer back.

        Raises:
            UpstreamError: The server failed, or refused the request.
            StorageError: It cannot be recorded, and has to be.
        """
        # It begins once the request is out, so that the disk is at work while the server is.
        self._account.begin(self._decision())
        self._route.enter()
        try:
            await self._attempts()
        except asyncio.CancelledError as left:
            self._account.left(self._counted(given=self._account.log.first_ms is not None), left)
            raise
        except Exception as error:
            # A request that was refused has taken nothing.
            begun = self._account.log.first_ms is not None or isinstance(error, LateError)
            decision = self._counted(given=False) if begun else self._decision()
            self._account.failed(decision, error)
            raise
        finally:
            self._route.leave()
        decision = self._counted(given=self._answers)
        answer = None
        if self._why == OBSERVED and self._tap is not None:
            answer = self._observed(decision, self._tap.text)
            decision = answer.decision
        if self._gateway.tracing.on:
            self._trace()
        await self._account.complete("passed", decision)
        if answer is not None and self._request.messages:
            request = self._request
            most = self._gateway.config.limits.unnamed
            ask = Ask(request.messages, most, request.sampling)
            if offer_shadow(self._gateway, self._account, self._steering, ask, answer):
                return
        if self._answers:
            offer_dry_runs(self._gateway, self._account, decision)

    def _trace(self) -> None:
        read, written = self._usage()
        current().part("upstream", self._account.log.began, perf_counter())
        current().about(
            {
                "gen_ai.usage.input_tokens": read,
                "gen_ai.usage.output_tokens": written,
                "gtalign.steered": False,
                "gtalign.passed": self._why,
            },
        )

    async def _attempts(self) -> None:
        """Send it, and again, perhaps elsewhere, if a server failed before any of its answer."""
        log = self._account.log
        while True:
            began = perf_counter()
            try:
                upstream = self._route.upstream
                if self._gateway.tracing.on:
                    current().about(self._terms.traced(upstream))
                proxy = upstream.proxy
                assert proxy is not None, "a model has servers alone, or none"
                async with self._exchange(proxy) as passed:
                    self._waited += perf_counter() - began
                    await self._on_record()
                    first = perf_counter() - log.began
                    log.first_ms = first * 1000
                    self._added_ms = (first - self._waited) * 1000
                    self._reply.headers["x-gtalign-added-ms"] = f"{self._added_ms:.3f}"
                    await self._back(passed)
                return
            except UpstreamError as error:
                if log.first_ms is not None or not self._again(error):
                    raise
                self._waited += perf_counter() - began
                self._account.retried(error)

    def _exchange(self, proxy: Proxy) -> AbstractAsyncContextManager[Passed]:
        """The request at the engine, and its answer."""
        return proxy.exchange(*self._sent)

    def _again(self, error: UpstreamError) -> bool:
        """Whether to send it again after a failure of which the client has seen nothing."""
        return self._route.again(error)

    async def _on_record(self) -> None:
        """Wait for the record of the answer: none of it is passed on before."""
        try:
            await self._account.on_record()
        except StorageError as error:
            self._account.give_up(error)
        self._reply.headers["x-gtalign-recorded"] = said(self._account.recorded)

    def _observed(self, decision: Decision, text: str | None) -> Steered:
        """What can be said about an answer that went by."""
        found, gateway = observed(self._steering, decision, text), self._gateway
        log = self._account.log
        log.answer, log.finish, log.chain = text, found.finish, found.chain is not None
        if found.decision.stated is not None:
            gateway.metrics.decided(found.decision)
        return found

    async def _back(self, passed: Passed) -> None:
        if self._why == OBSERVED or (self._sent[0] in _CHOICES and self._needs_text):
            self._tap = Tap(passed.kind)
        reply = self._reply
        keep_alive = self._gateway.config.timeouts.keep_alive
        packed, settings, show = bool(passed.encoding), self._settings, self._terms.show
        path, _, body = self._sent
        if settings.trained and path in _CHOICES and show != "raw":
            self._cut = ChainCutter(
                passed.kind,
                packed=packed,
                show=show,
                settings=settings,
                form=self._route.upstream.form,
                request=body,
            )
        elif packed:  # though asked for none
            reply.headers["content-encoding"] = passed.encoding
        async with aclosing(self._chunks(passed)) as chunks:
            if passed.kind == EVENTS and not passed.bare:
                await send_events(reply, chunks, comment=None, keep_alive=keep_alive)
                return
            rest = bytearray()  # of an answer that is there as a whole: it goes out as one
            async for chunk in chunks:
                if passed.exchange.ended and not reply.started:
                    rest += chunk
                    continue
                if not reply.started:
                    await reply.start(passed.status, passed.kind)
                await reply.write(chunk)
            if rest:
                reply.headers["content-length"] = str(len(rest))
            if not reply.started:
                await reply.start(passed.status, passed.kind)
            await reply.end(bytes(rest))

    async def _chunks(self, passed: Passed) -> AsyncGenerator[bytes, None]:
        """What the client gets of the answer.

        Raises:
            UpstreamError: It is a stream of nothing, or shows a chain.
        """
        shown = passed.kind != EVENTS or passed.bare
        while chunk := await passed.exchange.more():
            self._tail = (self._tail + chunk)[-_TAIL:]
            if self._tap is not None:
                self._tap.feed(chunk)
            if passed.kind == EVENTS:
                self._events += chunk.count(_EVENT)
                if _DONE.search(self._tail[-32:]):  # a client may ask again before the end comes
                    await self._reply.before_end()
            visible = chunk if self._cut is None else _visible(passed, self._cut.feed, chunk)
            if visible:
                shown = True
                yield visible
        if self._cut is not None:
            visible = _visible(passed, self._cut.close)
            shown = shown or bool(visible)
            yield visible
        if not shown:
            raise passed.exchange.error("answered with a stream of no events")

    @property
    def _steering(self) -> Steering:
        """How the answer is observed, which the engine of the latest attempt writes."""
        upstream, history = self._route.upstream, self._gateway.history
        policy, settings = self._terms.policy, self._settings
        return Steering(
            upstream.backend,
            policy,
            settings,
            model=upstream.model,
            form=upstream.form,
            history=history,
            new_id=lambda: self._terms.id,
        )

    def _decision(self) -> Decision:
        """The decision, which is none, without tokens."""
        upstream = self._route.upstream
        if self._undecided is None or self._undecided[0] is not upstream:
            why = f"passed through: {self._why}"
            decision = self._steering.undecided(why, used_tokens=0)
            self._undecided = upstream, decision
        return self._undecided[1]

    def _counted(self, *, given: bool) -> Decision:
        """The decision with the tokens read and written; None where they are unknown.

        Args:
            given: Whether it is an answer, which a price may count.
        """
        if self._ended is None:
            self._ended = self._count(given)
        return self._ended

    def _count(self, given: bool) -> Decision:
        read, written = self._usage()
        told = None
        if self._tap is not None and (written is None or self._why == OBSERVED or self._priced):
            told = self._tap.written
        self._account.spend(read, written, told, given=given, events=self._events)
        if written is None:
            return replace(self._decision(), prompt_tokens=read)
        spent = (perf_counter() - self._account.log.began) * 1000
        phase = Phase(PASSED, written, read, None, "end", spent)
        return replace(self._decision(), prompt_tokens=read, phases=(phase,))

    @property
    def _priced(self) -> bool:
        """Whether characters have a price, so that they have to be counted."""
        return self._terms.policy.price.output_characters > 0

    @property
    def _needs_text(self) -> bool:
        """Whether characters have a price, or the answer may not say how many tokens it has."""
        body = self._sent[2]
        options = body.get("stream_options")
        told = isinstance(options, dict) and options.get("include_usage") is True
        return self._priced or not (body.get("stream") and told)

    def _usage(self) -> tuple[int | None, int | None]:
        """Tokens read and written, as the answer says at its end; None where it does not."""
        found = _USAGE.findall(self._tail)
        try:
            usage = orjson.loads(found[-1]) if found else {}
        except orjson.JSONDecodeError:
            usage = {}
        counts = [usage.get(name, usage.get(other)) for name, other in _COUNTS]
        counts.append(usage.get("total_tokens"))
        read, written, total = (_number(count) for count in counts)
        if written is None and read is not None and total is not None and total >= read:
            written = total - read  # as where texts become vectors
        return read, written


def _number(value: Any) -> int | None:
    """A number of tokens that an engine reports; None if it is none."""
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if known else None


def _visible(passed: Passed, work: Callable[..., bytes], *given: bytes) -> bytes:
    """What a client may see; raises UpstreamError if that cannot be told."""
    try:
        return work(*given)
    except ValueError as error:
        raise passed.exchange.error(f"sent {error}") from None
