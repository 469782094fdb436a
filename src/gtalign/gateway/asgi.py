"""What the endpoints need of a connection: its body within limits, and to know when it is gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gtalign.gateway.errors import APIError

T = TypeVar("T")
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
LEFT: Final = "the client left"
"""Why work was cancelled, unless the gateway itself ends or the time is over."""

_TOGETHER: Final = 8192  # bytes that are sent at once without waiting for more


class ClientGone(Exception):
    """The client closed its connection; there is nobody to answer."""


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """Read the body of a request.

    Raises:
        APIError: It is larger than `limit` bytes (413), or slower than `seconds` (408).
        ClientGone: The client left.
    """
    declared = Headers(scope=scope).get("content-length", "0")
    too_large = APIError(413, f"the body may have {limit} bytes at most", code="too_large")
    if not declared.isdigit() or int(declared[:20]) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        late = f"the body was not here after {seconds:g} s"
        raise APIError(408, late, code="slow_request") from None
    return bytes(body)


async def discard_body(receive: Receive, *, limit: int, seconds: float) -> None:
    """Read on for a while what nobody wants.

    A connection that is closed with something unread is reset, and a reset may take the answer away
    before its client has read it.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body") and limit > 0:
                limit -= len(message.get("body", b""))
                message = await receive()


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do work for a client, and stop it when the client goes.

    Raises:
        ClientGone: The client went before the work was done.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel(LEFT)
            raise ClientGone
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Response:
    """An answer that is sent piece by piece; its head goes out with the first piece.

    Args:
        send: To the client.
        headers: Of the answer; more can be added until it begins.
        patience: Seconds that the client may take to read a piece.

    Attributes:
        started: Whether the head is out.
        kind: Media type, once it is.
    """

    def __init__(self, send: Send, headers: Mapping[str, str], *, patience: float) -> None:
        self.started = False
        self.kind = JSON
        self.headers = dict(headers)
        self._send = send
        self._patience = patience

    async def start(self, status: int, kind: str) -> None:
        """Send the head."""
        self.started, self.kind = True, kind
        headers = [(b"content-type", kind.encode("latin-1"))]
        headers += [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in self.headers.items()
        ]
        await self._out({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes) -> None:
        """Send more of the body."""
        await self._out({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the rest."""
        await self._out({"type": "http.response.body", "body": body, "more_body": False})

    async def whole(self, status: int, body: bytes, kind: str = JSON) -> None:
        """Send everything at once."""
        self.headers["content-length"] = str(len(body))
        await self.start(status, kind)
        await self.end(body)

    async def _out(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._send(message)
        except (TimeoutError, OSError) as error:
            raise ClientGone from error


async def send_events(
    response: Response, chunks: AsyncIterator[bytes], *, comment: bytes | None, keep_alive: float
) -> None:
    """Send a stream of events, with a comment wherever nothing comes for `keep_alive` seconds.

    Without a comment, nothing is sent between chunks, which then need not end where events do.
    Chunks that are there at the same time are sent together: most of what an event costs is the
    call of the system that sends it.

    The head waits for the first chunk or comment, so that an error before it has a status of its
    own.
    """
    outgoing = _Outgoing(response, comment, keep_alive)
    sending = asyncio.create_task(outgoing.run())
    try:
        async for chunk in chunks:
            if sending.done():
                sending.result()  # raises that the client is gone
            await outgoing.put(chunk)
        await outgoing.flush()
    except Exception:
        if not sending.done():
            await outgoing.flush()  # what came before it
        raise
    finally:
        await outgoing.stop(sending)
    await response.end()


class _Outgoing:
    """Chunks on their way: sent when nothing more is there at once, or when they are many."""

    def __init__(self, response: Response, comment: bytes | None, keep_alive: float) -> None:
        self._response = response
        self._comment = comment
        self._keep_alive = None if comment is None else keep_alive
        self._waiting = bytearray()
        self._news = asyncio.Event()
        self._lock = asyncio.Lock()

    async def put(self, chunk: bytes) -> None:
        self._waiting += chunk
        self._news.set()
        if len(self._waiting) >= _TOGETHER:
            await self.flush()

    async def flush(self) -> None:
        async with self._lock:
            if self._waiting:
                if not self._response.started:
                    await self._response.start(200, EVENTS)
                together = bytes(self._waiting)
                self._waiting.clear()
                await self._response.write(together)

    async def run(self) -> None:
        """Send what comes, and comments, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._keep_alive):
                    await self._news.wait()
            except TimeoutError:
                self._waiting += self._comment or b""
            self._news.clear()
            await self.flush()

    async def stop(self, sending: "asyncio.Task[None]") -> None:
        """End the task, but not amid what it sends."""
        async with self._lock:
            sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Endpoint:
    """The applications of one path, which requests are counted under.

    Args:
        path: As the router has it, with its parameters unfilled.
        apps: What answers, by method.
    """

    def __init__(self, path: str, apps: Mapping[str, App]) -> None:
        self._path = path
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            APIError: There is nothing for its method (405).
        """
        scope["gtalign"]["path"] = self._path
        app = self._apps.get(scope["method"])
        if app is None:
            known = ", ".join(self._apps)
            why = f"{self._path} takes {known}"
            raise APIError(405, why, code="method_not_allowed", allow=self._apps)
        await app(scope, receive, send)
