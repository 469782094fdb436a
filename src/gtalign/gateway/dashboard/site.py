"""The routes of the dashboard: who may see a page, and what a browser may do with it."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gtalign.errors import StorageError
from gtalign.gateway.dashboard import static
from gtalign.gateway.dashboard.pages import VIEWS
from gtalign.gateway.dashboard.render import render
from gtalign.gateway.dashboard.session import Sessions
from gtalign.gateway.dashboard.signin import NEXT, SIGN_IN
from gtalign.gateway.dashboard.visit import BACK, PREFIX, Page, View, Visit
from gtalign.gateway.dashboard.vouching import IdentityProvider
from gtalign.gateway.errors import APIError, explained
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import ClientGone
from gtalign.gateway.http.resource import Resource
from gtalign.gateway.keys import lacking
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.telemetry.request_log import RequestLog

log = logging.getLogger(__name__)

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms would come from origin null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer under `PREFIX`, errors and files too."""

_PAGE: Final = {"Cache-Control": "no-store"}
_TITLES: Final = {
    400: "That cannot be read",
    403: "Not allowed",
    404: "Nothing here",
    405: "Wrong method",
    408: "Too slow",
    413: "Too much",
    415: "Not a form",
    429: "Too often",
    500: "Something broke",
    503: "Not now",
}
_METHODS: Final = {"GET": "get", "HEAD": "get", "POST": "post"}
_SHOWN: Final = 1000  # characters of a message, which may quote what was sent


def dashboard_routes(gateway: Gateway, views: Sequence[View] = VIEWS) -> list[Route]:
    """The routes of all pages, of the files that they fetch, and of what there is not."""
    site = Site(gateway, views)
    welcome = partial(_welcome, gateway.config.root_path)
    routes = [Route("/", Resource("/", {"GET": welcome}))]
    routes += [Route(PREFIX + view.path, _Endpoint(site, view)) for view in views]
    routes.append(Route(PREFIX + static.PATH, _Endpoint(site, View(static.PATH, _file, open=True))))
    routes.append(Route(PREFIX + "/{rest:path}", _Endpoint(site, View("/...", _nothing))))
    return routes


class Site:
    """Answers visits.

    Args:
        gateway: Gateway that the pages show.
        views: All pages.

    Raises:
        ConfigError: The identity provider cannot be used as it is configured.
    """

    def __init__(self, gateway: Gateway, views: Sequence[View]) -> None:
        self.gateway = gateway
        self.views = views
        dashboard = gateway.config.dashboard
        seconds = dashboard.hours * 3600
        self.sessions = Sessions(gateway.store, gateway.keys, seconds, dashboard.oidc)
        self.provider = _provider(gateway.config)

    async def answer(self, scope: Scope, receive: Receive, view: View) -> Response:
        """The answer to one visit; what goes wrong is a page as well."""
        visit = Visit(scope, receive, self.gateway, self.sessions, self.provider)
        try:
            found = await self._answer(visit, view)
            response = found if isinstance(found, Response) else self._html(visit, found)
        except ClientGone:
            raise
        except Exception as error:
            response = self._html(visit, _problem(visit, error))
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response

    async def _answer(self, visit: Visit, view: View) -> Page | Response:
        handler = getattr(view, _METHODS.get(visit.method, ""), None)
        if view.path != static.PATH:  # files are the same for all, and sessions are in the store
            await visit.enter()
        if visit.from_elsewhere and visit.method == "GET" and not visit.fragment:
            return Page("again.jinja")  # its refresh comes from here, and brings the cookies
        if visit.key is None and not view.open:
            return _to_sign_in(visit)
        if visit.key is not None:
            RequestLog.of(visit.scope).key = visit.key
        if handler is None:
            message = f"this address does not take {visit.method[:20]}"
            allow = [method for method, name in _METHODS.items() if getattr(view, name)]
            raise APIError(405, message, code="method_not_allowed", allow=allow)
        if _METHODS[visit.method] != "get":
            if visit.key is not None and not visit.key.may(view.needs):
                raise lacking(view.needs)
            await visit.read(view.body)
        answer: Page | Response = await handler(visit)
        return answer

    def _html(self, visit: Visit, page: Page) -> Response:
        body = render(visit, page, self.views)
        response = HTMLResponse(body, page.status, headers=_PAGE | dict(page.headers))
        visit.keep(response)
        return response


def _provider(config: GatewayConfig) -> IdentityProvider | None:
    """The identity provider of a gateway; None if it has none.

    Raises:
        ConfigError: The environment variable of its secret is not set.
    """
    settings = config.dashboard.oidc
    if settings is None:
        return None
    from gtalign.gateway.dashboard.provider import Provider  # of an extra of its own

    return Provider(settings, f"{config.dashboard.origin}{config.root_path}{PREFIX}{BACK}")


class _Endpoint:
    """One view as an application."""

    def __init__(self, site: Site, view: View) -> None:
        self._site = site
        self._view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        RequestLog.of(scope).path = PREFIX + self._view.path
        response = await self._site.answer(scope, receive, self._view)
        await response(scope, receive, send)


def _problem(visit: Visit, error: Exception) -> Page:
    """The page that says what went wrong, or its one sentence where htmx asked for a part."""
    if isinstance(error, StorageError):
        log.warning("a page cannot be shown: %s", error)
        told = APIError(503, "the audit store does not answer now: try again in a moment")
    else:
        told = explained(error)
    template = "problem_part.jinja" if visit.fragment else "problem.jinja"
    title = _TITLES.get(told.status, _TITLES[500])
    message = told.message[:_SHOWN]
    message = message[:1].upper() + message[1:]
    return Page(template, {"title": title, "message": message}, told.status, told.headers())


def _to_sign_in(visit: Visit) -> Response:
    """The sign-in page, which leads back to this page afterwards."""
    if visit.fragment:
        return Response(
            status_code=401, headers={"HX-Redirect": visit.root + PREFIX + SIGN_IN} | _PAGE
        )
    if visit.method != "GET":
        return visit.go(SIGN_IN)
    path = visit.url.path.removeprefix(PREFIX)
    query = f"?{visit.url.query}" if visit.url.query else ""
    return visit.go(f"{SIGN_IN}?{NEXT}={quote(path + query, safe='')}")


async def _file(visit: Visit) -> Response:
    return await static.serve_static(visit)


async def _nothing(visit: Visit) -> Response:
    raise APIError(404, "there is no such page", code="not_found")


async def _welcome(root: str, scope: Scope, receive: Receive, send: Send) -> None:
    """The root: people are sent to the dashboard."""
    if "text/html" not in Headers(scope=scope).get("accept", ""):
        raise APIError(404, "there is nothing at this address", code="not_found")
    await RedirectResponse(root + PREFIX, 303)(scope, receive, send)
