"""Health, readiness and metrics of the gateway."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import address_of
from gtalign.gateway.http.reply import HTTPReply
from gtalign.gateway.telemetry.metrics import CONTENT_TYPE
from gtalign.gateway.telemetry.together import together
from gtalign.gateway.text import to_json

_PATIENCE: Final = 30.0


class HealthEndpoint:
    """``GET /healthz``: the process answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await HTTPReply(send, {}, patience=_PATIENCE).whole(200, b'{"status":"ok"}')


class ReadyEndpoint:
    """``GET /readyz``: requests are answered as configured; says why not, and which engines are up.

    ``/health`` is the same, since engines are checked there: who checked one before asks on.
    A gateway is ready as long as one of its models can answer. It does not say where engines are:
    no key is needed here.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway = self._gateway
        problems = []
        if gateway.draining:
            problems.append("draining")
        if gateway.writer.down is not None and gateway.config.audit.when_down == "fail":
            problems.append("decisions cannot be written")
        if not any(model.up for model in gateway.models):
            problems.append("no engine is up")
        engines = [
            {"model": model.name, "engine": engine.name, "up": engine.problem is None}
            for model in gateway.models
            for engine in model.engines
        ]
        said = "not ready" if problems else "ready"
        body = {"status": said, "problems": problems, "engines": engines}
        status = 503 if problems else 200
        await HTTPReply(send, {}, patience=_PATIENCE).whole(status, to_json(body))


class MetricsEndpoint:
    """``GET /metrics``: numbers for Prometheus; once there are keys, for those with ``metrics``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway = self._gateway
        gateway.caller(Headers(scope=scope), "metrics", address_of(scope))
        body = together(gateway.measured(), gateway.beside()).text().encode()
        await HTTPReply(send, {}, patience=_PATIENCE).whole(200, body, CONTENT_TYPE)
