"""Send an answer to a client: whole, piece by piece, or as a stream of events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.types import Send

from gtalign.gateway.http.client import ClientGone
from gtalign.steering.http.waiting import within

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
_TOGETHER: Final = 8192  # bytes that are sent at once without waiting for more


class HTTPReply:
    """An answer that is sent piece by piece; its head goes out with the first piece.

    Args:
        send: Sends a message to the client.
        headers: Headers of the answer; more can be added until it begins.
        patience: Seconds that the client may take to read a piece.

    Attributes:
        started: Whether the head is out.
        kind: Media type, once it is.
        before_end: What has to be done before the client can see that the answer is complete.
    """

    def __init__(self, send: Send, headers: Mapping[str, str], *, patience: float) -> None:
        self.started = False
        self.kind = JSON
        self.before_end: Callable[[], Awaitable[None]] = _nothing
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
        await self.before_end()
        await self._out({"type": "http.response.body", "body": body, "more_body": False})

    async def whole(self, status: int, body: bytes, kind: str = JSON) -> None:
        """Send everything at once."""
        self.headers["content-length"] = str(len(body))
        await self.start(status, kind)
        await self.end(body)

    async def _out(self, message: dict[str, Any]) -> None:
        try:
            await within(self._patience, self._send(message))
        except (TimeoutError, OSError) as error:
            raise ClientGone from error


async def _nothing() -> None:
    return None


async def send_events(
    reply: HTTPReply, chunks: AsyncIterator[bytes], *, comment: bytes | None, keep_alive: float
) -> None:
    """Send a stream of events, with a comment wherever nothing comes for `keep_alive` seconds.

    Without a comment, nothing is sent between chunks, so a chunk may end in the middle of an event.
    Chunks that are ready at the same time are sent together: the system call that sends an event
    is most of what the event costs.

    The head waits for the first chunk or comment, so that an error before it has a status of its
    own.
    """
    outgoing = _Outgoing(reply, comment, keep_alive)
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
    await reply.end()


class _Outgoing:
    """Chunks on their way: sent when nothing more is there at once, or when they are many."""

    def __init__(self, reply: HTTPReply, comment: bytes | None, keep_alive: float) -> None:
        self._reply = reply
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
                if not self._reply.started:
                    await self._reply.start(200, EVENTS)
                together = bytes(self._waiting)
                self._waiting.clear()
                await self._reply.write(together)

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
