"""The outermost layer: request ids, refusals in OpenAI's form, one line of log a request."""

import asyncio
import re
import secrets
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gtalign.errors import GTAlignError
from gtalign.gateway.errors import WAITS, APIError, explained, unquoted
from gtalign.gateway.http.client import ClientGone, discard_body
from gtalign.gateway.http.reply import EVENTS, JSON, HTTPReply
from gtalign.gateway.telemetry.logs import access
from gtalign.gateway.telemetry.metrics import Metrics
from gtalign.gateway.telemetry.request_log import SCOPE, RequestLog

_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CLOSING: Final = (401, 403, 408, 413, 431, 503)  # the body may not be read: the connection ends
_DISCARDED: Final = 64 << 20  # bytes that are read on of a body that was refused, ...
_PATIENCE: Final = 2.0  # ... and for how many seconds


class Edge:
    """Wraps the application: every request passes through it, and every error ends here.

    Args:
        app: The application.
        metrics: Counts requests.
        quotes: Whether the log may hold the words of engines, which may repeat the prompt.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, quotes: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._told = str if quotes else unquoted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        log = RequestLog(given if _ID.fullmatch(given) else secrets.token_hex(12))
        scope[SCOPE] = log

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                log.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = log.id
                headers["x-content-type-options"] = "nosniff"
                if log.status in _CLOSING:
                    headers["connection"] = "close"
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        complete = False  # the body was read

        async def into() -> Message:
            nonlocal complete
            message = await receive()
            complete = complete or not message.get("more_body", False)
            return message

        self._metrics.running.add(1)
        try:
            await self._app(scope, into, out)
        except asyncio.CancelledError:
            # The gateway shuts down and waits no longer: this is its last chance to reply.
            ends = APIError(
                503, "the gateway is shutting down; try again", code="draining", wait=WAITS[503]
            )
            log.problem = str(ends)
            await self._refuse(ends, log.reply, None, out)
        except Exception as error:
            if _left(error):
                log.problem, log.status = "the client left", log.status or 499
            else:
                log.problem = self._told(error)
                told = explained(error)
                if log.status and log.reply is None:
                    return  # a download has begun: left unfinished, it breaks off
                await self._refuse(told, log.reply, None if complete else into, out)
        finally:
            self._metrics.running.add(-1)
            self._metrics.requests.add(1, log.path, str(log.status))
            client = scope.get("client")
            access.info(
                "%s %s",
                scope["method"],
                scope["path"][:200],
                extra={"fields": log.fields(client[0] if client else None)},
            )

    async def _refuse(
        self, error: APIError, reply: HTTPReply | None, unread: Receive | None, out: Send
    ) -> None:
        """Send the client an error, before or after its answer has begun."""
        try:
            if reply is None:
                reply = HTTPReply(out, {}, patience=30.0)
            if reply.started:
                # The status is out. In a stream, the error is the last event, without [DONE];
                # anything else is left unfinished, so that the connection breaks off.
                if reply.kind == EVENTS:
                    await reply.end(b"\n\ndata: %b\n\n" % error.body())
                return
            body = error.body()
            reply.headers |= error.headers()
            if unread is None or error.status not in _CLOSING or error.status == 408:
                await reply.whole(error.status, body)
                return
            reply.headers["content-length"] = str(len(body))
            await reply.start(error.status, JSON)
            await reply.write(body)
            await discard_body(unread, limit=_DISCARDED, seconds=_PATIENCE)
            await reply.end()
        except ClientGone:
            access.info("the client closed the connection before it got the error")


def _left(error: Exception) -> bool:
    """Whether the client has left: nothing of ours is a bare broken connection."""
    broken = isinstance(error, ConnectionError) and not isinstance(error, GTAlignError)
    return broken or isinstance(error, ClientGone)
