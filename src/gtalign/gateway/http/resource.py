"""The handlers of one address, by method."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.types import Receive, Scope, Send

from gtalign.gateway.errors import APIError
from gtalign.gateway.telemetry.request_log import RequestLog

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Resource:
    """The applications of one path, which requests are counted under.

    Args:
        path: Path of the route, with its parameters unfilled.
        apps: Application for each method.
    """

    def __init__(self, path: str, apps: Mapping[str, App]) -> None:
        self._path = path
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            APIError: There is nothing for its method (405).
        """
        RequestLog.of(scope).path = self._path
        app = self._apps.get(scope["method"])
        if app is None:
            known = ", ".join(self._apps)
            why = f"{self._path} takes {known}"
            raise APIError(405, why, code="method_not_allowed", allow=self._apps)
        await app(scope, receive, send)
