"""One model server over HTTP: JSON and event streams, with every failure named.

A failed request is not sent again, but for one that a closed connection may have met: the caller
decides. Redirects, proxies and credentials of the environment are ignored, so the key goes to one
address only.
"""

import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering.http.exchange import LARGEST_BODY, Exchange, Timeouts
from gtalign.steering.http.sse import EventReader

TRACE: ContextVar[Mapping[str, str] | None] = ContextVar("trace headers", default=None)
"""Headers that tell a server of the trace which a request belongs to; there may be none."""

_IDLE: Final = 4.0  # seconds that a connection is kept; servers give up after 5 (uvicorn) or more
_SOON: Final = 0.5  # seconds: a connection that ends by then may have been closed beforehand
_SHOWN: Final = 200  # characters of a wrong address in a message


class Transport:
    """Requests to one server. Connections are opened as they are needed, in the running loop.

    Args:
        url: Address of its OpenAI-compatible interface, such as ``http://127.0.0.1:8000/v1``;
            without a path, ``/v1`` is added.
        key: Sent as bearer token, and kept out of every message.
        timeouts: How long to wait.

    Attributes:
        api: The address, without a slash at its end.
        root: The address without ``/v1``, where servers keep what OpenAI's interface lacks.
        fingerprint: How the server last named itself and its settings; None if it does not.

    Raises:
        SteeringError: The address or the key cannot be one.
    """

    def __init__(self, url: str, key: str | None, timeouts: Timeouts) -> None:
        self.api = _address(url)
        self.root = self.api.removesuffix("/v1")
        self._timeouts = timeouts
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise SteeringError("the upstream's key has to be printable ASCII without spaces")
        self._key = key or None
        self._session: aiohttp.ClientSession | None = None
        self.fingerprint: str | None = None

    async def ask(self, path: str, body: Mapping[str, Any] | None = None, *, upstream: str) -> Any:
        """Return the JSON answer to a GET, or to a POST of `body`.

        Args:
            path: Below `api` if it begins with ``/v1/``, else below `root`.
            body: What to post.
            upstream: Name of the server for messages.

        Raises:
            UpstreamError: No answer, or none that is JSON.
        """
        async with self._exchange(path, body, upstream) as exchange:
            return exchange.json(await exchange.read(LARGEST_BODY))

    async def events(
        self, path: str, body: Mapping[str, Any], *, upstream: str
    ) -> AsyncGenerator[list[Any], None]:
        """Post `body` and yield the JSON values of the answer's events, without ``[DONE]``.

        Events that came together are yielded together, since each step of their reader costs more
        than an event. An answer that is plain JSON counts as one event. Closing the generator early
        ends the connection, which makes the server stop.

        Raises:
            UpstreamError: The exchange failed; what came before was yielded.
        """
        async with self._exchange(path, body, upstream) as exchange:
            if exchange.type.endswith("json"):
                yield [exchange.json(await exchange.read(LARGEST_BODY))]
                return
            if exchange.type == "text/html":
                page = await exchange.read(LARGEST_BODY)
                raise exchange.error(f"answered with a web page: {exchange.quoted(page)}")
            reader, ended = EventReader(), False
            while not ended:
                chunk = await exchange.more()
                values: list[Any] = []
                failed: UpstreamError | None = None
                try:
                    for event in reader.feed(chunk) if chunk else reader.close():
                        ended = event.data.strip() == b"[DONE]"
                        if ended:
                            break
                        values.append(exchange.json(event.data, event.name))
                except UpstreamError as error:
                    failed = error
                except ValueError as error:
                    failed = exchange.error(f"sent {error}")
                if values:
                    yield values
                if failed is not None:
                    raise failed
                if ended:
                    await exchange.finish()
                ended = ended or not chunk

    async def aclose(self) -> None:
        """Close every connection; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def connected(self) -> aiohttp.ClientSession:
        """The HTTP client, which sends the key; the same one until it is closed."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # what is small on the wire is small here
                trust_env=False,
                headers={"Accept-Encoding": "identity"}
                | ({"Authorization": f"Bearer {self._key}"} if self._key else {}),
            )
        return self._session

    async def _send(
        self, verb: str, url: str, data: bytes | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """Send a request, and once more where a kept connection breaks before any answer, at once.

        In that case the server had closed the connection, and has not seen the request: llama.cpp's
        does so after every stream, without a word.
        """
        session, began = self.connected(), time.monotonic()
        try:
            return await session.request(
                verb, url, data=data, headers=headers, allow_redirects=False
            )
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if time.monotonic() - began > _SOON:
                raise  # a server that worked on it, and died or gave up
            return await session.request(
                verb, url, data=data, headers=headers, allow_redirects=False
            )

    @asynccontextmanager
    async def _exchange(
        self, path: str, body: Mapping[str, Any] | None, upstream: str
    ) -> AsyncGenerator["Exchange", None]:
        """Send a request and yield the exchange once it is accepted; end the connection after."""
        url = self.api + path[3:] if path.startswith("/v1/") else self.root + path
        verb = "GET" if body is None else "POST"
        exchange = Exchange(f"{verb} {urlsplit(url).path}", upstream, self._key, self._timeouts)
        data = None if body is None else _encoded(body)
        headers = dict(TRACE.get() or {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        response = await exchange.begin(self._send(verb, url, data, headers))
        try:
            await exchange.check()
            yield exchange
        finally:
            response.release() if exchange.ended else response.close()


def _address(url: str) -> str:
    """Check an address and bring it into one form."""
    try:
        parts = urlsplit(url.strip())
        right = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        right = False
    if not right:
        raise SteeringError(
            "an upstream's address looks like http://127.0.0.1:8000/v1, not like"
            f" {url[:_SHOWN].rpartition('@')[2]!r}"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise SteeringError(
            f"the upstream's address at {parts.hostname} may hold no user, query or fragment;"
            " a key goes to api_key or GTALIGN_UPSTREAM_KEY"
        )
    path = parts.path.rstrip("/") or "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise SteeringError(f"the request cannot be written as JSON: {error}") from None
