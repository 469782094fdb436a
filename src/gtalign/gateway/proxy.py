"""Pass requests to the model server, and its answers back, byte by byte."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from gtalign.errors import RefusedError, UpstreamError
from gtalign.gateway.errors import WAITS, EngineRefusal
from gtalign.steering.http import Timeouts
from gtalign.steering.http.exchange import LARGEST_REFUSAL, Exchange, named_wait
from gtalign.steering.http.transport import TRACE, Transport

_TYPES: Final = ("application/json", "text/event-stream")
_TOLD: Final = (400, 404, 409, 413, 422, 429, 500, 503)  # what a client can make use of


@dataclass(frozen=True)
class Passed:
    """The answer of the model server, as it comes.

    Args:
        status: Its HTTP status.
        kind: Its media type: JSON or events.
        exchange: Reads it.
    """

    status: int
    kind: str
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
            UpstreamError: No answer came, or one that is neither JSON nor events.
            EngineRefusal: The server refused the request.
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
                raise await self._refused(exchange, response)
            if kind not in _TYPES:
                raise exchange.error(f"answered with {exchange.quoted(kind.encode())}")
            yield Passed(response.status, kind, exchange)
        finally:
            response.release() if exchange.ended else response.close()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _refused(
        self, exchange: Exchange, response: aiohttp.ClientResponse
    ) -> EngineRefusal | UpstreamError:
        text = exchange.quoted((await exchange.read(LARGEST_REFUSAL)).strip())
        said = f"answered {response.status}: {text}"
        if response.status not in _TOLD:
            return exchange.quoting(RefusedError(self.api, said))
        wait = named_wait(response)
        refused = EngineRefusal(
            502 if response.status == 500 else response.status,
            f"{self.api} {said}",
            code="upstream_refused",
            wait=WAITS.get(response.status) if wait is None else wait,
        )
        refused.quotes = exchange.quotes
        return refused
