"""Bring addresses into one form before anything reads them, and let pages elsewhere ask."""

import re
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gtalign.errors import ConfigError
from gtalign.gateway.http.resource import METHODS
from gtalign.gateway.settings import GatewayConfig

_SLASHES: Final = re.compile("//+")
_TWICE: Final = re.compile("^/v1(?=/v1/)")
_API: Final = "/v1/"
_FAMILIES: Final = re.compile(
    "/(chat/completions|completions|models|responses|messages|embeddings|moderations|audio|images"
    "|files|batches|rerank|score)(/|$)"
)
"""What clients ask for below ``/v1``, and some without it."""

_READABLE: Final = (
    *("X-Request-Id", "Retry-After", "Retry-After-Ms", "X-GTAlign-Decision", "X-GTAlign-Policy"),
    *("X-GTAlign-Policy-Hash", "X-GTAlign-Recorded", "X-GTAlign-Steered", "X-GTAlign-Before"),
    *("X-GTAlign-After", "X-GTAlign-Obeyed", "X-GTAlign-Served", "X-GTAlign-Added-Ms"),
    *("X-GTAlign-Passed", "X-GTAlign-Budget", "X-GTAlign-Policy-Budget", "Request-Id"),
)
_AGAIN: Final = 600  # seconds for which a browser need not ask again whether it may


class Addresses:
    """The outermost layer: the application sees plain paths below the root.

    The path may begin with the prefix under which a proxy shows the gateway, or the proxy has cut
    it off. Doubled slashes and one at the end count as a client's slip, and so do ``/v1`` twice and
    a missing ``/v1``.

    Args:
        app: The application.
        config: Names the prefix, and the sites whose pages may ask.
    """

    def __init__(self, app: ASGIApp, config: GatewayConfig) -> None:
        self._app = app
        self._root = config.root_path
        self._shared = app
        if config.cors:
            self._shared = CORSMiddleware(
                app,
                allow_origins=config.cors,
                allow_methods=(*METHODS, "HEAD", "OPTIONS"),
                allow_headers=("*",),
                expose_headers=_READABLE,
                max_age=_AGAIN,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = plain_path(scope["path"], self._root)
        app = self._shared if path.startswith(_API) else self._app
        await app({**scope, "path": path, "root_path": ""}, receive, send)


def plain_path(path: str, root: str) -> str:
    """A path as the application knows it.

    Args:
        path: Path of the request.
        root: The prefix of the gateway; empty for none.
    """
    path = _SLASHES.sub("/", path)
    if root and (path + "/").startswith(root + "/"):
        path = path[len(root) :]
    path = path.rstrip("/") or "/"
    while (shorter := _TWICE.sub("", path)) != path:
        path = shorter
    return f"/v1{path}" if _FAMILIES.match(path) else path


def check_passes(config: GatewayConfig) -> None:
    """Refuse an address in ``passes`` under which no request comes.

    Raises:
        ConfigError: The gateway knows it by another path; the message gives that.
    """
    for pattern in config.passes:
        plain = plain_path(pattern, config.root_path)
        if plain != pattern:
            raise ConfigError(f"passes: no request comes as {pattern}; the gateway reads {plain}")
