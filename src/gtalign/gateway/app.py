"""The application: every route of the gateway."""

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gtalign.gateway.admin import admin_routes
from gtalign.gateway.asgi import App, Endpoint
from gtalign.gateway.chat import PATH as CHAT
from gtalign.gateway.chat import ChatEndpoint
from gtalign.gateway.completions import MODELS, CompletionsEndpoint, ModelsEndpoint
from gtalign.gateway.completions import PATH as COMPLETIONS
from gtalign.gateway.dashboard.site import dashboard_routes
from gtalign.gateway.edge import Edge
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.health import HealthEndpoint, MetricsEndpoint, ReadyEndpoint


def make_app(gateway: Gateway) -> ASGIApp:
    """Build the application of an open gateway."""
    models = ModelsEndpoint(gateway)
    table: list[tuple[str, str, App]] = [
        ("POST", CHAT, ChatEndpoint(gateway)),
        ("POST", COMPLETIONS, CompletionsEndpoint(gateway)),
        ("GET", MODELS, models),
        ("GET", f"{MODELS}/{{model:path}}", models),
        ("GET", "/metrics", MetricsEndpoint(gateway)),
    ]
    probes: dict[str, App] = {"/healthz": HealthEndpoint(), "/readyz": ReadyEndpoint(gateway)}
    routes = [Route(path, Endpoint(path, {method: app})) for method, path, app in table]
    for path, app in probes.items():  # uvicorn leaves the body out of what answers HEAD
        routes.append(Route(path, Endpoint(path, {"GET": app, "HEAD": app})))
    routes += [*admin_routes(gateway), *dashboard_routes(gateway)]
    router = Router(routes, redirect_slashes=False, default=_nothing)
    return Edge(router, gateway.metrics, quotes=gateway.config.log_prompts)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise APIError(404, "there is nothing at this address", code="not_found")
