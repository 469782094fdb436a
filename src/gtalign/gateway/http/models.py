"""``GET /v1/models``: the models, and the names that each has under each policy."""

import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import address_of
from gtalign.gateway.http.reply import HTTPReply
from gtalign.gateway.text import to_json

MODELS = "/v1/models"


class ModelsEndpoint:
    """The models, and the names that each has under each policy: all, or the one asked for.

    Raises:
        APIError: There is no model of that name, or none for this key (404).
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._created = int(time.time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = self._gateway.caller(Headers(scope=scope), "chat", address_of(scope))
        names = self._gateway.policies.names()
        own = self._gateway.group_of(key)
        if own is not None and "admin" not in key.scopes:
            names = tuple(name for name in names if own.allows(name))
        known = [
            named
            for model in self._gateway.models.names
            for named in (model, *(f"{model}:{name}" for name in names))
        ]
        wanted = scope["path_params"].get("model")
        if wanted is not None and wanted not in known:
            raise APIError(
                404,
                f"the model {wanted[:200]!r} does not exist; there are {', '.join(known)}",
                code="model_not_found",
                param="model",
            )
        body = {"object": "list", "data": [self._card(name) for name in known]}
        if wanted is not None:
            body = self._card(wanted)
        await HTTPReply(send, {}, patience=30.0).whole(200, to_json(body))

    def _card(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "gtalign"}
