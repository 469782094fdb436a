"""Connections of clients: heads within limits, answers in their turn, and who has left."""

import asyncio
import re
import socket
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gtalign.gateway.errors import APIError

_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |\Z)")
_PIPELINED: Final = 16  # requests that wait behind one on the same connection
_INTERIM: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LOOK: Final = 0.1  # seconds between two looks whether a client took what was sent


def guarded(head_bytes: int, seconds: float) -> type[asyncio.Protocol]:
    """A protocol that ends connections whose next request has no head within limits.

    What was asked before that is answered first.

    Args:
        head_bytes: Most bytes of a head.
        seconds: That it may take from its first byte on, or from the connection on.
    """

    class Guarded(HttpToolsProtocol):
        """Counts the bytes of a head and the seconds that it takes."""

        _in_head = True
        _over = False  # nothing more is read: the connection ends with the answers that are owed
        _last = b""  # what is said after them
        _answering: RequestResponseCycle | None = None  # whose turn it is; `cycle` is the latest
        _pending = 0  # bytes of a head that is not complete
        _begin = b""  # of the head, if its first bytes have just come
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            if self._over:
                return
            if self._pending > head_bytes:
                self._refuse_head()
                return
            if len(self.pipeline) > _PIPELINED:
                why = f"at most {_PIPELINED} requests may wait on one connection"
                self._refuse(429, why, "too_many_requests")
                return
            self._begin = data if self._pending == 0 else b""
            self._pending += len(data)
            super().data_received(data)
            if self._in_head and self._pending and self._timer is None:
                self._wait()  # the rest of a head is on its way

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._pending = max(self._pending, 1)  # also where it comes behind another request

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._stop()
            if self._over:
                return
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size + len(self.url) > head_bytes:
                self._refuse_head()
                return
            for name, value in self.headers:
                if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                    why = "of the transfer codings, chunked alone is known; say Content-Encoding"
                    self._refuse(501, why, "unknown_transfer")
                    return
            super().on_headers_complete()
            if not self.pipeline:
                self._answering = self.cycle
            if self.scope["http_version"] == "1.0":
                _without_chunks(self.cycle)

        def on_body(self, body: bytes) -> None:
            self._pending = 0  # what grows without more of a body is lines behind it
            if not self._over:
                super().on_body(body)

        def on_message_complete(self) -> None:
            self._in_head, self._begin = True, b""
            self._stop()
            if not self._over:
                super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            if _METHOD.match(self._begin) and not self.headers and not self.url:
                self._refuse(501, "no address takes this method", "unknown_method")
            else:
                self._refuse(400, "this is not HTTP as it has to be", "not_http")

        def on_response_complete(self) -> None:
            following = self.pipeline[-1][0] if self.pipeline else None
            super().on_response_complete()
            self._answering = following
            if following is not None:
                return
            if self._over:
                self._leave()
            elif not self._in_head:  # a body that nobody reads comes on
                self._wait()

        def eof_received(self) -> bool:  # type: ignore[override]
            """Answer a client that has closed no more than its own side.

            One that has left looks the same, and there is one way to tell: its system refuses what
            is sent there. So it gets an interim response, which clients skip. HTTP/1.0 has none,
            and an answer that has begun has no place for one.
            """
            asked = self._answering
            if asked is None or asked.more_body or asked.response_started:
                return False
            if asked.scope["http_version"] == "1.0":
                return False
            self._end()
            self._stop()
            self.transport.write(_INTERIM)
            self._look()
            return True

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            if self._answering is not None:
                _leave_off(self._answering)
            super().connection_lost(exc)

        def _refuse_head(self) -> None:
            self._refuse(431, f"the head may have {head_bytes} bytes at most", "too_large")

        def _refuse(self, status: int, why: str, code: str) -> None:
            self._end(_refusal(status, why, code))

        def _end(self, last: bytes = b"") -> None:
            """Read no more; send the answers that are owed, then `last`, and close."""
            if self._over:
                return
            self._over, self._last = True, last
            self._stop()
            asked = self.cycle
            if asked is not None and asked.more_body and not asked.response_complete:
                # The rest of this request does not come. It is the last one, and may wait.
                if self.pipeline:
                    self.pipeline.popleft()
                else:
                    self._answering = None
                    if asked.response_started:
                        self._last = b""
                _leave_off(asked)
            if self._answering is None:
                self._leave()

        def _leave(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(self._last)
                self.transport.close()

        def _look(self) -> None:
            """Close the connection if its other end has refused what was sent there."""
            if self.transport.is_closing():
                return
            place = self.transport.get_extra_info("socket")
            if place.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.transport.abort()
            else:
                self._timer = self.loop.call_later(_LOOK, self._look)

        def _wait(self) -> None:
            self._timer = self.loop.call_later(seconds, self._late)

        def _late(self) -> None:
            self._timer = None
            self._end()

        def _stop(self) -> None:
            self._pending = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Guarded


def _refusal(status: int, message: str, code: str) -> bytes:
    """The whole answer to what is no request."""
    body = APIError(status, message, code=code).body()
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"connection: close\r\n\r\n%b"
        % (status, HTTPStatus(status).phrase.encode(), len(body), body)
    )


def _leave_off(cycle: RequestResponseCycle) -> None:
    """Tell whoever answers a request that nobody waits for it."""
    if not cycle.response_complete:
        cycle.disconnected = True
    cycle.message_event.set()


def _without_chunks(cycle: RequestResponseCycle) -> None:
    """Let a body of unknown length end with its connection: HTTP/1.0 knows no chunks."""
    send, ends = cycle.send, False

    async def plain(message: Any) -> None:
        nonlocal ends
        if message["type"] == "http.response.start":
            ends = all(name.lower() != b"content-length" for name, _ in message["headers"])
            if ends:
                cycle.chunked_encoding = False
        elif ends:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = plain  # type: ignore[method-assign]
