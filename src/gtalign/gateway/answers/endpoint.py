"""``POST /v1/chat/completions`` and ``POST /v1/completions``: from a request to its answer."""

import asyncio
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Final, Protocol
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gtalign.gateway.answers.chat import Chat
from gtalign.gateway.answers.forward import Forwarding
from gtalign.gateway.answers.request import (
    AnswerRequest,
    read_chat,
    read_completion,
    read_observed,
)
from gtalign.gateway.errors import Unsteerable
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import read_body, unless_gone
from gtalign.gateway.http.reply import HTTPReply
from gtalign.gateway.telemetry.request_log import RequestLog
from gtalign.gateway.telemetry.tracing import current


class Read(Protocol):
    """Reads the body of a request; see `read_chat`."""

    def __call__(self, raw: bytes, *, max_tokens: int, choices: int) -> AnswerRequest:
        """The request; raises APIError if it is wrong."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One of the ways to ask for an answer.

    Args:
        path: Its address, here and at the engine.
        operation: Its name in traces.
        prefix: That its answers' ids begin with.
        read: Reads a request.
        asked: The field of a request that holds what is asked.
    """

    path: str
    operation: str
    prefix: str
    read: Read
    asked: str


CHAT: Final = Interface("/v1/chat/completions", "chat", "chatcmpl", read_chat, "messages")
COMPLETIONS: Final = Interface(
    "/v1/completions", "text_completion", "cmpl", read_completion, "prompt"
)


class AnswersEndpoint:
    """Answers requests of one interface: steered, or passed through where nothing can be."""

    def __init__(self, gateway: Gateway, interface: Interface) -> None:
        self._gateway = gateway
        self._interface = interface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        with self._gateway.tracing.request(self._interface.operation, headers):
            await self._answer(scope, headers, receive, send)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        gateway, interface, log = self._gateway, self._interface, RequestLog.of(scope)
        limits, timeouts = gateway.config.limits, gateway.config.timeouts
        key = log.key = gateway.caller(headers, "chat")
        with gateway.limits.admitted(key):
            raw = await read_body(scope, receive, limit=limits.body_bytes, seconds=timeouts.body)
            read = interface.read
            if interface is CHAT and gateway.passive:
                read = read_observed
            request = read(raw, max_tokens=limits.max_tokens, choices=limits.choices)
            id_ = f"{interface.prefix}-{uuid4().hex}"
            model = request.model or gateway.upstream.name
            terms = gateway.terms(headers, key, model, id=id_, request_id=log.id)
            log.terms = terms
            if gateway.config.log_prompts:
                log.asked = request.body.get(interface.asked)
            current().named(f"{interface.operation} {terms.model}")
            reply = log.reply = HTTPReply(send, terms.headers(), patience=timeouts.idle)
            began, path = perf_counter(), interface.path

            async def work() -> None:
                passed = request
                if request.passes is None:
                    try:
                        await Chat(gateway, terms, request, reply, began).run()
                        return
                    except Unsteerable as error:
                        passed = replace(request, passes=error.why)
                await Forwarding(gateway, terms, path, passed, raw, reply, began).run()

            async with asyncio.timeout(timeouts.total):
                await unless_gone(receive, work())
