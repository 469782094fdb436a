"""What else an engine offers, such as embeddings and speech, passed through as configured."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gtalign.errors import UpstreamError
from gtalign.gateway.answers.forward import Forwarding
from gtalign.gateway.answers.request import AnswerRequest, read_model
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import ClientGone, address_of, read_body, read_object, unless_gone
from gtalign.gateway.http.reply import HTTPReply
from gtalign.gateway.http.resource import METHODS
from gtalign.gateway.keys import Key
from gtalign.gateway.proxy import Call, Passed, Proxy
from gtalign.gateway.telemetry.request_log import RequestLog
from gtalign.gateway.telemetry.tracing import current

_KEPT: Final = ("content-type", "accept", "openai-beta")  # headers that an engine gets
_ALLOWED: Final = ", ".join((*METHODS, "HEAD", "OPTIONS"))
_LONGEST: Final = 100  # characters of a path in a header
_KEPT_ELSEWHERE: Final[Mapping[str, str]] = {
    "/v1/responses/": "responses",
    "/v1/conversations": "conversations",
    "/v1/chat/completions/": "chats",
    "/v1/messages/batches": "batches",
}
"""What other providers keep, by the beginning of its address; nothing is kept here."""
_NEVER: Final = ("TRACE", "CONNECT")  # they are about the connection, which ends here


class ElsewhereEndpoint:
    """Passes on what is asked at an address that the settings name, and refuses all others.

    A body in JSON is read, so that the model's name can be changed. Any other body goes to the
    engine while it comes, however large it is.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        pattern = pattern_of(scope["path"], self._gateway.config.passes)
        if pattern is None:
            raise APIError(404, _absent(scope["path"]), code="not_found")
        RequestLog.of(scope).path = pattern
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={"Allow": _ALLOWED})(scope, receive, send)
            return
        if scope["method"] in _NEVER:
            why = f"{scope['path'][:200]} takes {_ALLOWED}"
            raise APIError(405, why, code="method_not_allowed", allow=(_ALLOWED,))
        headers = Headers(scope=scope)
        with self._gateway.tracing.request("passed", headers):
            current().named(f"passed {pattern}")
            await self._answer(scope, pattern, receive, send)

    async def _answer(self, scope: Scope, pattern: str, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        gateway, log = self._gateway, RequestLog.of(scope)
        limits, timeouts = gateway.config.limits, gateway.config.timeouts
        key = log.key = gateway.caller(headers, "chat", address_of(scope))
        async with gateway.limits.admitted(key) as place:
            body: dict[str, Any] = {}
            upload: Upload | None = None
            raw: bytes | None = None
            if _has_json(headers):
                most = limits.body_bytes
                raw = await read_body(scope, receive, limit=most, seconds=timeouts.body)
                body = read_object(raw)
            elif _has_body(headers):
                upload = Upload(receive, headers, limits.upload_bytes, timeouts.idle)
            terms, ours = self._terms(headers, key, body, log.id)
            log.terms = terms
            told = terms.headers() | gateway.limits.warnings(key, terms.policy)
            reply = log.reply = HTTPReply(send, told, patience=timeouts.idle)
            reply.before_end = place.leave
            shown = _shown(scope["path"], pattern)
            request = AnswerRequest.passing(body, terms.model, shown)
            kept = {name: headers[name] for name in _KEPT if name in headers}
            if upload is not None:
                kept |= upload.headers
            call = Call(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers=kept,
                body=body if ours else raw if upload is None else upload.chunks(),
            )
            work = _Passing(gateway, terms, request, call, upload, reply, perf_counter())

            async def after_upload() -> Message:
                if upload is not None:
                    await upload.over.wait()
                return await receive()

            async with asyncio.timeout(timeouts.total):
                await unless_gone(after_upload, work.run())

    def _terms(
        self, headers: Headers, key: Key, body: dict[str, Any], request_id: str
    ) -> tuple[Terms, bool]:
        """The terms of the request, and whether it names a model of the gateway.

        An engine may have further models for its other addresses; those names are left as they are.
        """
        gateway, id_ = self._gateway, f"pass-{uuid4().hex}"
        wanted = read_model(body)
        if wanted:
            try:
                terms = gateway.terms(headers, key, wanted, id=id_, request_id=request_id)
            except APIError as error:
                if error.code != "model_not_found":
                    raise
            else:
                return terms, True
        first = gateway.upstream.name
        return gateway.terms(headers, key, first, id=id_, request_id=request_id), False


def _absent(path: str) -> str:
    """Why there is nothing at an address."""
    found = (what for begin, what in _KEPT_ELSEWHERE.items() if path.startswith(begin))
    what = next(found, None)
    if what is None:
        return "there is nothing at this address"
    return (
        f"the gateway keeps no {what}, so there are none to read, cancel or delete; send the whole"
        " conversation with each request"
    )


class Upload:
    """A body on its way from the client, which is handed on as it comes.

    Args:
        receive: Receives its parts.
        headers: Headers of the request.
        limit: Most bytes.
        patience: Seconds that the client may take for a part.

    Attributes:
        over: Whether all of it was received, or nobody wants more.
        failure: Why it broke off; None if it did not.
        headers: What an engine has to know about it.

    Raises:
        APIError: It says that it is larger than the limit (413).
    """

    def __init__(self, receive: Receive, headers: Headers, limit: int, patience: float) -> None:
        self.over = asyncio.Event()
        self.failure: APIError | ClientGone | None = None
        names = ("content-length", "content-encoding")
        self.headers = {name: headers[name] for name in names if name in headers}
        self._receive = receive
        self._limit = limit
        self._patience = patience
        size = headers.get("content-length", "0")
        if not size.isdigit() or int(size[:20]) > limit:
            raise self._too_large()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The parts of the body.

        Raises:
            APIError: They are more than the limit (413), or one is late (408).
            ClientGone: The client left.
        """
        try:
            async for chunk in self._parts():
                yield chunk
        except (APIError, ClientGone) as error:
            self.failure = error
            raise
        finally:
            self.over.set()

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        size, more = 0, True
        while more:
            try:
                async with asyncio.timeout(self._patience):
                    message = await self._receive()
            except TimeoutError:
                late = f"no more of the body came for {self._patience:g} s"
                raise APIError(408, late, code="slow_request") from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk, more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size > self._limit:
                raise self._too_large()
            if chunk:
                yield chunk

    def _too_large(self) -> APIError:
        return APIError(413, f"the body may have {self._limit} bytes at most", code="too_large")


class _Passing(Forwarding):
    """A request at any address of the engine on its way through."""

    _answers = False

    def __init__(
        self,
        gateway: Gateway,
        terms: Terms,
        request: AnswerRequest,
        call: Call,
        upload: Upload | None,
        reply: HTTPReply,
        began: float,
    ) -> None:
        super().__init__(gateway, terms, call.path, request, b"", reply, began)
        self._call = call
        self._upload = upload

    async def _attempts(self) -> None:
        try:
            await super()._attempts()
        except UpstreamError as error:
            if self._upload is not None and self._upload.failure is not None:
                raise self._upload.failure from error
            raise

    def _exchange(self, proxy: Proxy) -> AbstractAsyncContextManager[Passed]:
        return proxy.relay(self._call)

    def _again(self, error: UpstreamError) -> bool:
        # What has been sent of a body that is handed on as it comes cannot be sent again.
        return isinstance(self._call.body, dict | bytes | None) and super()._again(error)


def pattern_of(path: str, patterns: tuple[str, ...]) -> str | None:
    """The pattern that lets a path pass; None if none does.

    Args:
        path: Path of a request.
        patterns: Paths; one that ends in ``/*`` stands for all below it.
    """
    if any(part in (".", "..") for part in path.split("/")):
        return None
    for pattern in patterns:
        below = pattern.removesuffix("*")
        if path == pattern or (below != pattern and path.startswith(below) and path != below):
            return pattern
    return None


def _shown(path: str, pattern: str) -> str:
    """What of a path a header and a record can hold."""
    plain = path.isascii() and path.isprintable() and len(path) <= _LONGEST
    return path if plain else pattern


def _has_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return _has_body(headers) and (kind == "application/json" or kind.endswith("+json"))


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
