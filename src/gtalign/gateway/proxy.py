"""Pass requests to the model server, and its answers back, byte by byte."""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson
from yarl import URL

from gtalign.gateway.http.reply import EVENTS
from gtalign.steering.http import Timeouts
from gtalign.steering.http.exchange import Exchange
from gtalign.steering.http.transport import TRACE, Transport

_TYPES: Final = ("application/json", EVENTS)
_PLAIN: Final = "/:@!$&'()*+,;=~"  # characters that a path may hold as they are


@dataclass(frozen=True)
class Passed:
    """The answer of the model server, as it comes.

    Args:
        status: Its HTTP status.
        kind: Its media type: JSON or events.
        encoding: How it is compressed; empty if it is not.
        exchange: Reads it.
        bare: Whether it has no body by its nature.
    """

    status: int
    kind: str
    encoding: str
    exchange: Exchange
    bare: bool = False


@dataclass(frozen=True)
class Call:
    """A request to any address of a model server.

    Args:
        method: The HTTP method.
        path: The path: below ``/v1`` of the interface, and others beside it.
        query: The query, as it came.
        headers: What the server has to know of the body, and of what the client accepts.
        body: Its bytes, whole or as they come; JSON whose model is named as the server names it; or
            none.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | bytes | AsyncIterable[bytes] | None


class Proxy:
    """Passes requests on to a model server; nothing but the model's name is changed in them.

    Args:
        address: The address of its OpenAI-compatible interface.
        key: The server's key; clients never see it.
        model: The model's name there.
        timeouts: How long to wait.
    """

    def __init__(self, address: str, key: str | None, model: str, timeouts: Timeouts) -> None:
        self._transport = Transport(address, key, timeouts)
        self.api = self._transport.api
        self._key = key
        self._model = model
        self._timeouts = timeouts

    @asynccontextmanager
    async def exchange(
        self, path: str, raw: bytes, body: Mapping[str, Any]
    ) -> AsyncGenerator[Passed, None]:
        """Send a request and hand over the answer; leaving early ends the connection.

        Args:
            path: Below the address, such as ``/v1/completions``.
            raw: The request's body as it came.
            body: The same, read.

        Raises:
            UpstreamError: No answer came, or one that is neither JSON nor events, or the server
                refused the request.
        """
        if body.get("model") != self._model:
            raw = orjson.dumps({**body, "model": self._model})
        exchange = Exchange(f"POST {path}", self.api, self._key, self._timeouts)
        response = await exchange.begin(
            self._transport.connected().post(
                self.api + path.removeprefix("/v1"),
                data=raw,
                headers={"Content-Type": "application/json", **(TRACE.get() or {})},
                allow_redirects=False,
            )
        )
        try:
            kind = response.content_type
            if response.status != 200:
                raise await exchange.refused()
            if kind not in _TYPES:
                raise exchange.error(f"answered with {exchange.quoted(kind.encode())}")
            encoding = response.headers.get("Content-Encoding", "")
            yield Passed(response.status, kind, encoding, exchange)
        finally:
            response.release() if exchange.ended else response.close()

    @asynccontextmanager
    async def relay(self, call: Call) -> AsyncGenerator[Passed, None]:
        """Send a request to any address, and hand over the answer, of whatever kind it is.

        Raises:
            UpstreamError: No answer came, or the server refused the request.
        """
        exchange = Exchange(f"{call.method} {call.path}", self.api, self._key, self._timeouts)
        below = call.path.startswith("/v1/")
        path = quote(call.path.removeprefix("/v1") if below else call.path, safe=_PLAIN)
        address = f"{self.api if below else self._transport.root}{path}"
        data: Any = call.body
        if isinstance(call.body, Mapping):
            data = orjson.dumps({**call.body, "model": self._model})
        response = await exchange.begin(
            self._transport.connected().request(
                call.method,
                URL(f"{address}?{call.query}" if call.query else address, encoded=True),
                data=data,
                headers={**call.headers, **(TRACE.get() or {})},
                allow_redirects=False,
            )
        )
        try:
            if not 200 <= response.status < 300:
                raise await exchange.refused()
            kind = response.content_type
            if kind != EVENTS:  # with its parameters, such as a boundary
                kind = response.headers.get("Content-Type", "application/octet-stream")
            encoding = response.headers.get("Content-Encoding", "")
            bare = call.method == "HEAD" or response.status in (204, 205)
            yield Passed(response.status, kind, encoding, exchange, bare)
        finally:
            response.release() if exchange.ended else response.close()

    async def check(self) -> None:
        """Check that the server is there and well: it answers, and not with a failure of its own.

        Servers tell of their health at this address; one that has no such page is well if it says
        so (404).

        Raises:
            UpstreamError: It is not.
        """
        seconds = self._timeouts.connect
        patience = Timeouts(seconds, seconds, seconds, seconds)
        exchange = Exchange("GET /health", self.api, self._key, patience)
        asked = self._transport.connected().get(
            f"{self._transport.root}/health", allow_redirects=False
        )
        response = await exchange.begin(asked)
        response.close()
        if response.status >= 500:
            raise exchange.error(f"answered {response.status}")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()
