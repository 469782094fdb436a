"""The application: every route of the gateway."""

from typing import Final, Literal

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gtalign.gateway.answers.elsewhere import ElsewhereEndpoint
from gtalign.gateway.answers.endpoint import INTERFACES, AnswersEndpoint
from gtalign.gateway.dashboard.site import dashboard_routes
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.addresses import Addresses
from gtalign.gateway.http.admin import admin_routes
from gtalign.gateway.http.edge import Edge
from gtalign.gateway.http.health import HealthEndpoint, MetricsEndpoint, ReadyEndpoint
from gtalign.gateway.http.models import MODELS, ModelsEndpoint
from gtalign.gateway.http.resource import METHODS, App, Resource

Part = Literal["all", "clients", "admin"]
"""What is served at a port: the whole gateway, what clients ask for, or the rest."""

_PROBES: Final = ("/healthz", "/readyz", "/health")
_SERVER: Final = "*"  # in the place of a path: OPTIONS asks what the server as such takes


def make_app(gateway: Gateway, part: Part = "all") -> ASGIApp:
    """Build the application of an open gateway, or a part of it."""
    models = ModelsEndpoint(gateway)
    table: list[tuple[str, str, App]] = [
        *(("POST", one.path, AnswersEndpoint(gateway, one)) for one in INTERFACES),
        ("GET", MODELS, models),
        ("GET", f"{MODELS}/{{model:path}}", models),
        ("GET", "/metrics", MetricsEndpoint(gateway)),
        ("GET", "/healthz", HealthEndpoint()),
        *(("GET", path, ReadyEndpoint(gateway)) for path in ("/readyz", "/health")),
    ]
    routes = [Route(path, Resource(path, {method: app})) for method, path, app in table]
    routes += [*admin_routes(gateway), *dashboard_routes(gateway)]
    if part != "all":
        for_clients = part == "clients"
        routes = [
            route
            for route in routes
            if route.path in _PROBES or route.path.startswith("/v1/") == for_clients
        ]
    others = _nothing if part == "admin" else ElsewhereEndpoint(gateway)
    server = Resource(_SERVER, dict.fromkeys(METHODS, _nothing))

    async def rest(scope: Scope, receive: Receive, send: Send) -> None:
        await (server if scope["path"] == _SERVER else others)(scope, receive, send)

    router = Router(routes, redirect_slashes=False, default=rest)
    edge = Edge(router, gateway.metrics, quotes=gateway.config.log_prompts)
    return Addresses(edge, gateway.config)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise APIError(404, "there is nothing at this address", code="not_found")
