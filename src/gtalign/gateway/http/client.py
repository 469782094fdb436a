"""The client behind a request: its body within limits, and whether it is still there."""

import asyncio
import codecs
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
    "": None,
    "identity": None,
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
_GZIP: Final = b"\x1f\x8b"  # that a member begins with
_MOST_PACKINGS: Final = 4  # one over the other
_MAGIC: Final[Mapping[bytes, str]] = {
    _GZIP: "packed with gzip; say so with Content-Encoding: gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd, which is not known here; gzip and deflate are",
    codecs.BOM_UTF8: "UTF-8 with a byte order mark; leave that out",
    codecs.BOM_UTF16_LE: "UTF-16; it has to be UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16; it has to be UTF-8",
}
"""What a body is that begins like this."""

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
    packings = _packings(", ".join(headers.getlist("content-encoding")))
    declared = headers.get("content-length", "0")
    too_large = APIError(413, f"the body may have {limit} bytes at most", code="too_large")
    if not declared.isdigit() or int(declared[:20]) > limit:
        raise too_large
    try:
        body = await within(seconds, _received(receive, limit, too_large))
    except TimeoutError:
        late = f"the body was not here after {seconds:g} s"
        raise APIError(408, late, code="slow_request") from None
    for bits in reversed(packings):
        body = _unpacked(body, bits, limit, too_large)
    return body


def _packings(encoding: str) -> list[int]:
    """How a body is packed, in the order in which that was done, as zlib numbers it.

    Raises:
        APIError: Not all of it is known here (415).
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    unknown = next((name for name in names if name not in _PACKINGS), None)
    found = [bits for name in names if (bits := _PACKINGS.get(name)) is not None]
    if unknown is None and len(found) <= _MOST_PACKINGS:
        return found
    known = ", ".join(name for name in _PACKINGS if name)
    why = f"the body is compressed as {(unknown or encoding)[:40]!r}; {known} are known"
    raise APIError(415, why, code="unknown_encoding")


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
    text, rest = bytearray(), body
    try:
        if bits == zlib.MAX_WBITS and body and body[0] & 0x0F != 8:
            bits = -bits  # deflate without a head, as some clients send it
        while True:  # several members of gzip count as one
            unpacker = zlib.decompressobj(bits)
            text += unpacker.decompress(rest, limit + 1 - len(text))
            rest = unpacker.unused_data
            if len(text) > limit:
                raise too_large
            if bits != _PACKINGS["gzip"] or not rest.startswith(_GZIP):
                break
    except zlib.error as error:
        raise APIError(400, f"the body cannot be unpacked: {error}", code="not_packed") from None
    if not unpacker.eof or rest:
        raise APIError(400, "the packed body is not complete, or goes on", code="not_packed")
    return bytes(text)


def read_object(raw: bytes) -> dict[str, Any]:
    """Read the JSON object that a request's body has to be.

    Raises:
        APIError: It is none (400).
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        why = _other_than_text(raw) or f"not JSON: {error}"
        raise APIError(400, f"the body is {why}", code="not_json") from None
    if not isinstance(body, dict):
        raise APIError(400, "the body has to be a JSON object", code="not_json")
    write_object(body)  # which it has to be again, for the engine and the record
    return body


def _other_than_text(raw: bytes) -> str | None:
    """What a body is that is no text in UTF-8; None if it is one."""
    found = next((what for begin, what in _MAGIC.items() if raw.startswith(begin)), None)
    if found is not None:
        return found
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: the byte 0x{raw[error.start]:02x} at {error.start} is none of it"
    return "not UTF-8, but perhaps UTF-16" if b"\0" in raw[:4] else None


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
