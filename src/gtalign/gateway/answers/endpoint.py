"""The interfaces by which clients ask for an answer: from a request to its answer."""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Final, Protocol
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gtalign.gateway.answers.anthropic.count import CountTranslation
from gtalign.gateway.answers.anthropic.translation import MessagesTranslation
from gtalign.gateway.answers.chat import Chat
from gtalign.gateway.answers.forward import Forwarding
from gtalign.gateway.answers.request import (
    AnswerRequest,
    read_chat,
    read_completion,
    read_observed,
)
from gtalign.gateway.answers.responses.translation import ResponsesTranslation
from gtalign.gateway.answers.translated import TranslatedReply
from gtalign.gateway.answers.translation import Translation
from gtalign.gateway.errors import Unsteerable
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import address_of, read_body, unless_gone
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
        translation: Makes a chat of a request, and of its answer; None if it is none of chats.
    """

    path: str
    operation: str
    prefix: str
    read: Read
    asked: str
    translation: type[Translation] | None = None


INTERFACES: Final = (
    Interface("/v1/chat/completions", "chat", "chatcmpl-", read_chat, "messages"),
    Interface("/v1/completions", "text_completion", "cmpl-", read_completion, "prompt"),
    Interface(
        "/v1/responses", "chat", "resp_", read_chat, "messages", translation=ResponsesTranslation
    ),
    Interface(
        "/v1/messages", "chat", "msg_", read_chat, "messages", translation=MessagesTranslation
    ),
    Interface(
        *("/v1/messages/count_tokens", "count_tokens", "count_", read_chat, "messages"),
        translation=CountTranslation,
    ),
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
        reply = log.reply = self._reply(send, log.id)
        key = log.key = gateway.caller(headers, "chat", address_of(scope))
        async with gateway.limits.admitted(key) as place:
            reply.before_end = place.leave
            raw = await read_body(scope, receive, limit=limits.body_bytes, seconds=timeouts.body)
            path, raw, request = self._read(raw, reply)
            id_ = f"{interface.prefix}{uuid4().hex}"
            model = request.model or gateway.upstream.name
            terms = gateway.terms(headers, key, model, id=id_, request_id=log.id)
            log.terms = terms
            if gateway.config.log_prompts:
                log.asked = request.body.get(interface.asked)
            current().named(f"{interface.operation} {terms.model}")
            current().about({"gtalign.interface": interface.path})
            reply.headers |= terms.headers() | gateway.limits.warnings(key, terms.policy)
            if isinstance(reply, TranslatedReply):
                reply.settle(terms)
            began = perf_counter()

            async def work() -> None:
                passed, spent = request, None
                if request.passes is None:
                    try:
                        await Chat(gateway, terms, request, reply, began).run()
                        return
                    except Unsteerable as error:
                        passed, spent = replace(request, passes=error.why), error.spent
                forwarding = Forwarding(gateway, terms, path, passed, raw, reply, began, spent)
                await forwarding.run()

            async with asyncio.timeout(timeouts.total):
                await unless_gone(receive, work())

    def _reply(self, send: Send, request_id: str) -> HTTPReply:
        patience, translation = self._gateway.config.timeouts.idle, self._interface.translation
        if translation is None:
            return HTTPReply(send, {}, patience=patience)
        return TranslatedReply(send, translation(request_id), patience=patience)

    def _read(self, raw: bytes, reply: HTTPReply) -> tuple[str, bytes, AnswerRequest]:
        """Read a request; returns also where it would be passed through to, and its body there."""
        gateway, read = self._gateway, self._interface.read
        if read is read_chat and gateway.passive:
            read = read_observed
        limits = gateway.config.limits
        known = partial(read, max_tokens=limits.max_tokens, choices=limits.choices)
        if not isinstance(reply, TranslatedReply):
            return self._interface.path, raw, known(raw)
        trained = gateway.config.steering.trained
        return reply.read(raw, known, trained=trained, longest=limits.max_tokens)
