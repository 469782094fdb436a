"""Pass requests to the model server, and its answers back, byte by byte."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gtalign.steering.http import Timeouts
from gtalign.steering.http.exchange import Exchange
from gtalign.steering.http.transport import TRACE, Transport

_TYPES: Final = ("application/json", "text/event-stream")


@dataclass(frozen=True)
class Passed:
    """The answer of the model server, as it comes.

    Args:
        status: Its HTTP status.
        kind: Its media type: JSON or events.
        encoding: How it is compressed; empty if it is not.
        exchange: Reads it.
    """

    status: int
    kind: str
    encoding: str
    exchange: Exchange


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
