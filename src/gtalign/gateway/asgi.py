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

    The head waits for the first chunk or comment, so that an error before it has a status of its
    own.
    """
    loop = asyncio.get_running_loop()
    last = loop.time()
    sending = asyncio.Lock()

    async def out(chunk: bytes) -> None:
        nonlocal last
        async with sending:
            if not response.started:
                await response.start(200, EVENTS)
            await response.write(chunk)
            last = loop.time()

    async def tick(comment: bytes) -> None:
        while True:
            await asyncio.sleep(max(0.0, last + keep_alive - loop.time()))
            if loop.time() - last >= keep_alive:
                await out(comment)

    ticking = None if comment is None else asyncio.create_task(tick(comment))
    try:
        async for chunk in chunks:
            await out(chunk)
    finally:
        if ticking is not None:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
    await response.end()


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
            raise APIError(405, f"{self._path} takes {known}", code="method_not_allowed")
        await app(scope, receive, send)
