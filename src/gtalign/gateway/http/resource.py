"""The handlers of one address, by method."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gtalign.gateway.errors import APIError
from gtalign.gateway.telemetry.request_log import RequestLog

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""The methods by which something is asked for; HEAD and OPTIONS go with them."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Resource:
    """The applications of one path, which requests are counted under.

    What answers GET answers HEAD, whose body the server leaves out; OPTIONS is answered here.

    Args:
        path: Path of the route, with its parameters unfilled.
        apps: Application for each method.
    """

    def __init__(self, path: str, apps: Mapping[str, App]) -> None:
        self._path = path
        self._apps = apps
        self._allowed = (*apps, *(("HEAD",) if "GET" in apps else ()), "OPTIONS")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            APIError: There is nothing for its method (405).
        """
        RequestLog.of(scope).path = self._path
        method = scope["method"]
        app = self._apps.get("GET" if method == "HEAD" else method)
        if app is not None:
            await app(scope, receive, send)
            return
        if method == "OPTIONS":
            await Response(status_code=204, headers={"Allow": ", ".join(self._allowed)})(
                scope, receive, send
            )
            return
        why = f"{scope['path'][:200]} takes {', '.join(self._allowed)}"
        raise APIError(405, why, code="method_not_allowed", allow=self._allowed)
