"""The client behind a request: its body within limits, and whether it is still there."""

import asyncio
import zlib
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

import orjson
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from gtalign.gateway.errors import APIError
from gtalign.steering.http.waiting import within

T = TypeVar("T")
_PACKINGS: Final[Mapping[str, int | None]] = {
    "identity": None,
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
LEFT: Final = "the client left"
"""Why work was cancelled, unless the gateway itself ends or the time is over."""


class ClientGone(Exception):
    """The client closed its connection. A signal inside the gateway (see `gtalign.errors`)."""


def address_of(scope: Scope) -> str:
    """Where a request comes from; empty if that is unknown."""
    client = scope.get("client")
    return client[0] if client else ""


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """Read the body of a request.

    A compressed body is unpacked, and the limit holds for both.

    Raises:
        APIError: It is larger than `limit` bytes (413), slower than `seconds` (408), or compressed
            in a way that is not known here (415), or wrongly (400).
        ClientGone: The client left.
    """
    headers = Headers(scope=scope)
    packing = headers.get("content-encoding", "identity").strip().lower()
    if packing not in _PACKINGS:
        raise APIError(
            415,
            f"the body is compressed as {packing[:40]!r}; {', '.join(_PACKINGS)} are known",
            code="unknown_encoding",
        )
    declared = headers.get("content-length", "0")
    too_large = APIError(413, f"the body may have {limit} bytes at most", code="too_large")
    if not declared.isdigit() or int(declared[:20]) > limit:
        raise too_large
    try:
        body = await within(seconds, _received(receive, limit, too_large))
    except TimeoutError:
        late = f"the body was not here after {seconds:g} s"
        raise APIError(408, late, code="slow_request") from None
    bits = _PACKINGS[packing]
    return body if bits is None else _unpacked(body, bits, limit, too_large)


async def _received(receive: Receive, limit: int, too_large: APIError) -> bytes:
    """The bytes of a body, as they come."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise too_large
    return bytes(body)


def _unpacked(body: bytes, bits: int, limit: int, too_large: APIError) -> bytes:
    """Unpack a body, but no further than to the limit."""
    unpacker = zlib.decompressobj(bits)
    try:
        if bits == zlib.MAX_WBITS and body and body[0] & 0x0F != 8:
            unpacker = zlib.decompressobj(-bits)  # deflate without a head, as some clients send it
        text = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise APIError(400, f"the body cannot be unpacked: {error}", code="not_packed") from None
    if len(text) > limit:
        raise too_large
    if not unpacker.eof or unpacker.unused_data:
        raise APIError(400, "the packed body is not complete, or goes on", code="not_packed")
    return text


def read_object(raw: bytes) -> dict[str, Any]:
    """Read the JSON object that a request's body has to be.

    Raises:
        APIError: It is none (400).
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise APIError(400, f"the body is not JSON: {error}", code="not_json") from None
    if not isinstance(body, dict):
        raise APIError(400, "the body has to be a JSON object", code="not_json")
    write_object(body)  # which it has to be again, for the engine and the record
    return body


def write_object(body: Mapping[str, Any]) -> bytes:
    """Return the JSON of an object that came with a request, or was made of what came.

    Raises:
        APIError: It is nested too deeply to be written (400).
    """
    try:
        return orjson.dumps(body)
    except TypeError:
        raise APIError(400, "the body is nested too deeply", code="not_json") from None


async def discard_body(receive: Receive, *, limit: int, seconds: float) -> None:
    """Read the rest of a body for a while, and throw it away.

    Closing a connection with unread bytes resets it, and a reset may destroy the answer before the
    client has read it.
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
    working, gone = asyncio.current_task(), False
    assert working is not None, "it runs in a task"
    others = working.cancelling()

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        working.cancel(LEFT)

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if gone and working.uncancel() <= others:  # nobody else has cancelled it
            raise ClientGone from None
        raise
    finally:
        watching.cancel()
