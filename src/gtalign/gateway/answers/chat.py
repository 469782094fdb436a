"""``POST /v1/chat/completions``: steered answers, whole and as streams."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from time import perf_counter
from typing import Any
from uuid import uuid4

import orjson
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gtalign.gateway.answers.answer import Answer, seconds
from gtalign.gateway.answers.chunks import COMMENT, DONE, Chunks
from gtalign.gateway.answers.forward import Forwarding
from gtalign.gateway.answers.request import ChatRequest, read_chat
from gtalign.gateway.answers.terms import Terms, terms_of
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import read_body, unless_gone
from gtalign.gateway.http.reply import Reply, send_events
from gtalign.gateway.telemetry.tracing import current
from gtalign.steering import Ask, fan_out

PATH = "/v1/chat/completions"


class ChatEndpoint:
    """Answers requests for chat completions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        with self._gateway.tracing.request("chat", headers):
            await self._answer(scope, headers, receive, send)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        gateway = self._gateway
        limits, timeouts = gateway.config.limits, gateway.config.timeouts
        key = gateway.caller(headers, "chat")
        scope["gtalign"]["key"] = key.id
        with gateway.limits.admitted(key):
            raw = await read_body(scope, receive, limit=limits.body_bytes, seconds=timeouts.body)
            request = read_chat(raw, max_tokens=limits.max_tokens, choices=limits.choices)
            id_ = f"chatcmpl-{uuid4().hex}"
            about = scope["gtalign"]
            terms = terms_of(
                gateway, headers, key, request.model, id=id_, request_id=about["request"]
            )
            about |= {"decision": id_, "policy": terms.policy.name, "model": request.model}
            if gateway.config.log_prompts:
                about["messages"] = request.body.get("messages")
            current().named(f"chat {terms.model}")
            current().about(terms.traced(gateway.upstream))
            response = Reply(send, terms.headers(), patience=timeouts.idle)
            about["response"] = response
            began = perf_counter()
            work = (
                Forwarding(gateway, terms, PATH, raw, request.body, request.passes, response).run()
                if request.passes is not None
                else self._steered(terms, request, response, began)
            )
            async with asyncio.timeout(timeouts.total):
                await unless_gone(receive, work)

    async def _steered(
        self, terms: Terms, request: ChatRequest, response: Reply, began: float
    ) -> None:
        ask = Ask(
            messages=request.messages,
            max_tokens=request.max_tokens,
            sampling=request.sampling,
            stop=request.stop,
            used_tokens=self._gateway.limits.used(terms.key),
        )
        if not request.stream:
            await self._whole(terms, request, ask, response, began)
            return
        keep_alive = self._gateway.config.timeouts.keep_alive
        async with aclosing(self._chunks(terms, request, ask, response, began)) as chunks:
            await send_events(response, chunks, comment=COMMENT, keep_alive=keep_alive)

    async def _chunks(
        self, terms: Terms, request: ChatRequest, ask: Ask, response: Reply, began: float
    ) -> AsyncGenerator[bytes, None]:
        """The events of a streamed answer."""
        chunks = Chunks(terms.id, seconds(), terms.model, include_usage=request.include_usage)
        answer = Answer(self._gateway, terms, ask, stream=True, began=began)
        response.headers["x-gtalign-recorded"] = _said(answer.recorded)
        first = True
        async with aclosing(answer.pieces()) as pieces:
            async for piece in pieces:
                if first:
                    first = False
                    response.headers["x-gtalign-recorded"] = _said(answer.recorded)
                    yield chunks.role()
                write = chunks.content if piece.kind == "content" else chunks.reasoning
                yield write(piece.text)
        if first:  # nothing to show: its reasoning took all of its tokens
            response.headers["x-gtalign-recorded"] = _said(answer.recorded)
            yield chunks.role()
        yield chunks.finish(answer.result.finish, answer.about())
        if request.include_usage:
            yield chunks.usage(answer.usage())
        yield DONE

    async def _whole(
        self, terms: Terms, request: ChatRequest, ask: Ask, response: Reply, began: float
    ) -> None:
        several = [(terms, ask)]
        if request.n > 1:
            # Each choice is an answer of its own, with a matrix and a record of its own.
            several = [
                (_numbered(terms, number), one)
                for number, one in enumerate(fan_out(ask, request.n))
            ]
        answers = [
            Answer(self._gateway, own, one, stream=False, began=began) for own, one in several
        ]
        messages = await _together(answers) if request.n > 1 else [await _message(answers[0])]
        usages = [answer.usage() for answer in answers]
        written = sum(usage["completion_tokens"] for usage in usages)
        read = usages[0]["prompt_tokens"]
        body: dict[str, Any] = {
            "id": terms.id,
            "object": "chat.completion",
            "created": seconds(),
            "model": terms.model,
            "choices": [
                {
                    "index": number,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": answer.result.finish,
                }
                for number, (answer, message) in enumerate(zip(answers, messages, strict=True))
            ],
            "usage": {
                "prompt_tokens": read,
                "completion_tokens": written,
                "total_tokens": read + written,
            },
            "gtalign": answers[0].about(),
        }
        if request.n > 1:
            body["gtalign"] = [answer.about() for answer in answers]
        response.headers |= _headers(answers[0].about())
        await response.whole(200, _json(body))


async def _together(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The messages of several answers, written at the same time."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_message(answer)) for answer in answers]
    except ExceptionGroup as failed:  # the first failure has ended the others
        first = failed.exceptions[0]
        raise first from first.__cause__  # which tells the status
    return [task.result() for task in tasks]


async def _message(answer: Answer) -> dict[str, Any]:
    """The message of an answer."""
    parts: dict[str, list[str]] = {"content": [], "reasoning": []}
    async with aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            parts[piece.kind].append(piece.text)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(parts["content"])}
    if parts["reasoning"]:
        message["reasoning_content"] = "".join(parts["reasoning"])
    return message | {"refusal": None}


def _numbered(terms: Terms, number: int) -> Terms:
    id_ = terms.id if number == 0 else f"{terms.id}-{number}"
    return Terms(id_, terms.request_id, terms.key, terms.policy, terms.show, terms.model)


def _headers(about: dict[str, Any]) -> dict[str, str]:
    """What was decided, as headers."""
    named = {"steered": "steered", "recorded": "recorded", "before": "before", "after": "after"}
    told = {f"x-gtalign-{n}": _said(about[key]) for n, key in named.items() if key in about}
    return told | {"x-gtalign-added-ms": f"{about['added_ms']:g}"}


def _said(value: Any) -> str:
    return {True: "true", False: "false", None: "none"}.get(value, str(value))


def _json(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # a lone surrogate, which has no UTF-8
        return json.dumps(body).encode()
