"""The application: every route of the gateway."""

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from gtalign.gateway.answers.elsewhere import ElsewhereEndpoint
from gtalign.gateway.answers.endpoint import INTERFACES, AnswersEndpoint
from gtalign.gateway.dashboard.site import dashboard_routes
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.addresses import Addresses
from gtalign.gateway.http.admin import admin_routes
from gtalign.gateway.http.edge import Edge
from gtalign.gateway.http.health import HealthEndpoint, MetricsEndpoint, ReadyEndpoint
from gtalign.gateway.http.models import MODELS, ModelsEndpoint
from gtalign.gateway.http.resource import App, Resource


def make_app(gateway: Gateway) -> ASGIApp:
    """Build the application of an open gateway."""
    models = ModelsEndpoint(gateway)
    table: list[tuple[str, str, App]] = [
        *(("POST", one.path, AnswersEndpoint(gateway, one)) for one in INTERFACES),
        ("GET", MODELS, models),
        ("GET", f"{MODELS}/{{model:path}}", models),
        ("GET", "/metrics", MetricsEndpoint(gateway)),
        ("GET", "/healthz", HealthEndpoint()),
        ("GET", "/readyz", ReadyEndpoint(gateway)),
    ]
    routes = [Route(path, Resource(path, {method: app})) for method, path, app in table]
    routes += [*admin_routes(gateway), *dashboard_routes(gateway)]
    router = Router(routes, redirect_slashes=False, default=ElsewhereEndpoint(gateway))
    edge = Edge(router, gateway.metrics, quotes=gateway.config.log_prompts)
    return Addresses(edge, gateway.config)
