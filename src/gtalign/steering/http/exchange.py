"""One request to a model server and its answer, with time limits and failures put into words."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Mapping
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Final, TypeVar

import aiohttp
import orjson

from gtalign.errors import LateError, RefusedError, SteeringError, UnreachableError, UpstreamError
from gtalign.steering.http.waiting import within

LARGEST_BODY: Final = 4 << 20
"""Most bytes of a JSON answer, 4 MiB."""

LARGEST_REFUSAL: Final = 1 << 16
"""Bytes that are read of an answer that refuses, 64 KiB."""

_QUOTED: Final = 200  # characters of a foreign text in a message of ours
_GRACE: Final = 0.05  # seconds for a connection to end well, after its last event
_ADVICE: Final = {
    401: "pass the right key as api_key or in GTALIGN_UPSTREAM_KEY",
    403: "pass the right key as api_key or in GTALIGN_UPSTREAM_KEY",
    404: "check the model's name, and the address: it mostly ends in /v1",
    429: "too many requests: send fewer, or later",
    503: "overloaded, or still loading its model: try later",
}
_LONGEST_WAIT: Final = 100_000.0  # seconds that a client may be asked to wait
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")
_T = TypeVar("_T")
_E = TypeVar("_E", bound=UpstreamError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a model server, in seconds.

    Args:
        connect: Time for a connection.
        first: Time for the first byte of an answer, including the connection; meanwhile the server
            reads the prompt and serves others.
        between: Time between two parts of an answer. Keep-alive comments count as parts.
        total: Time for a whole answer. Only waiting counts, not the work of its reader.

    Raises:
        SteeringError: One of them is not a positive number.
    """

    connect: float = 10.0
    first: float = 120.0
    between: float = 60.0
    total: float = 1800.0

    def __post_init__(self) -> None:
        for name, seconds in asdict(self).items():
            if not (math.isfinite(seconds) and seconds > 0):
                raise SteeringError(f"timeout {name!r} is {seconds}; it has to be more than 0")


class Exchange:
    """One request and its answer: waits within the time limits, and puts failures into words."""

    def __init__(self, request: str, upstream: str, key: str | None, timeouts: Timeouts) -> None:
        self._request = request
        self._upstream = upstream
        self._key = key
        self._timeouts = timeouts
        self._left = timeouts.total
        self._received = 0
        self._quotes: list[str] = []
        self._response: aiohttp.ClientResponse

    @property
    def type(self) -> str:
        """Media type of the answer."""
        return self._response.content_type

    @property
    def ended(self) -> bool:
        """Whether the answer was read to its end, so that the connection may be used again."""
        return self._response.content.at_eof()

    @property
    def quotes(self) -> tuple[str, ...]:
        """The parts of the answer that messages have quoted so far."""
        return tuple(self._quotes)

    def error(self, what: str) -> UpstreamError:
        """What the server did wrong, as an error."""
        return self.quoting(UpstreamError(self._upstream, f"{self._request} {what}"))

    def quoting(self, error: _E) -> _E:
        """Record in an error the parts of the answer that it quotes."""
        error.quotes = self.quotes
        return error

    def quoted(self, body: bytes) -> str:
        """The beginning of a foreign text, on one line and without the key."""
        text = body[: 16 * _QUOTED].decode("utf-8", "replace")
        if self._key:
            text = text.replace(self._key, "[key]")
        text = " ".join(text.split())
        quote = repr(text[:_QUOTED]) + ("..." if len(text) > _QUOTED else "")
        self._quotes.append(quote)
        return quote

    async def begin(self, request: Awaitable[aiohttp.ClientResponse]) -> aiohttp.ClientResponse:
        """Wait for the head of the answer."""
        self._response = await self._wait(request, self._timeouts.first, "the first byte")
        return self._response

    async def check(self) -> None:
        """Check that the server has accepted the request.

        Raises:
            UpstreamError: It is an error, a redirect, or compressed.
        """
        response = self._response
        if response.status != 200:
            raise await self.refused()
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise self.error(f"answered in {encoding!r}, though asked for no compression")

    async def more(self) -> bytes:
        """The next bytes of the answer; none at its end."""
        limit = self._timeouts.between if self._received else self._timeouts.first
        chunk = await self._wait(self._response.content.readany(), limit, "more of the answer")
        self._received += len(chunk)
        return chunk

    async def read(self, limit: int) -> bytes:
        """All bytes of the answer.

        Raises:
            UpstreamError: There are more than `limit`.
        """
        body = bytearray()
        while chunk := await self.more():
            body += chunk
            if len(body) > limit:
                raise self.error(f"answered with more than {limit} bytes")
        return bytes(body)

    async def finish(self) -> None:
        """Let an answer end whose last event is read, so that the connection can be kept."""
        try:
            async with asyncio.timeout(_GRACE):
                await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError):
            return  # it is complete all the same; the connection is closed

    def json(self, data: bytes, event: str = "") -> Any:
        """Read a JSON value.

        Raises:
            UpstreamError: It is not JSON in UTF-8, or it reports an error.
        """
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise self.error(f"sent what is not JSON ({error}): {self.quoted(data)}") from None
        failed = isinstance(value, dict) and (value.get("error") or value.get("object") == "error")
        if failed or event == "error":
            failure = self.error(f"reports an error: {self.quoted(_reason(value).encode())}")
            failure.reply = self._keyless(data)
            raise failure
        return value

    async def refused(self) -> RefusedError:
        """What an answer other than 200 says, as an error."""
        body = b""
        try:
            while len(body) < LARGEST_REFUSAL and (chunk := await self.more()):
                body += chunk
        except UpstreamError:
            pass  # the part that came is enough: there is the status
        refused = RefusedError(self._upstream, f"{self._request} {self._refusal(body)}")
        refused.status, refused.reply = self._response.status, self._keyless(body)
        refused.wait = named_wait(self._response.headers)
        return self.quoting(refused)

    def _keyless(self, body: bytes) -> bytes:
        return body.replace(self._key.encode(), b"[key]") if self._key else body

    def _refusal(self, body: bytes) -> str:
        """The message of an answer other than 200, with advice."""
        response = self._response
        said = f"answered {response.status} {response.reason or ''}".rstrip()
        try:
            reason = _reason(orjson.loads(body)).encode()
        except orjson.JSONDecodeError:
            reason = body
        if reason.strip():
            said += f": {self.quoted(reason)}"
        if 300 <= response.status < 400:
            target = response.headers.get("Location", "").encode()
            return f"{said}; redirects are not followed: give the address {self.quoted(target)}"
        advice = _ADVICE.get(response.status)
        wait = response.headers.get("Retry-After")
        said += f"; {advice}" if advice else ""
        return f"{said} (in {self.quoted(wait.encode())} s, it says)" if wait else said

    async def _wait(self, wanted: Awaitable[_T], limit: float, what: str) -> _T:
        """Wait for the server, but not longer than it may take.

        Raises:
            UpstreamError: It took too long, or the connection broke.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await within(min(limit, self._left), wanted)
        except aiohttp.ConnectionTimeoutError:
            raise UnreachableError(
                self._upstream, f"no connection within {self._timeouts.connect:g} s; is it running?"
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise UnreachableError(
                self._upstream, f"cannot be reached: {error}; is it running there?"
            ) from None
        except TimeoutError:
            if limit < self._left:
                late = f"nothing came for {limit:g} s while waiting for {what}"
            else:
                late = f"the answer is not complete after {self._timeouts.total:g} s"
            raise LateError(self._upstream, f"{self._request} timed out: {late}") from None
        except (aiohttp.ClientError, OSError) as error:
            broke = f"{type(error).__name__}: {error}".encode()
            raise self.error(
                f"broke off while waiting for {what}, after {self._received} bytes:"
                f" {self.quoted(broke)}"
            ) from None
        finally:
            self._left -= clock() - began


def named_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds after which a server that refuses asks to be asked again; None if it does not say.

    Args:
        headers: Of its answer: ``Retry-After``, a number or a date, and ``Retry-After-Ms``.
    """
    milliseconds = _number(headers.get("Retry-After-Ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    named = headers.get("Retry-After", "")
    seconds = _number(named)
    if seconds is None:
        until, now = _time(named), _time(headers.get("Date", ""))  # by the server's own clock
        seconds = None if until is None else max(0.0, until - (time() if now is None else now))
    return seconds if seconds is not None and seconds < _LONGEST_WAIT else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def _time(text: str) -> float | None:
    """A date of HTTP, in seconds since 1970; None if it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _reason(value: Any) -> str:
    """The message in an error, wherever the dialect keeps it."""
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(key):
            return _reason(value[key])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
