"""``POST /v1/completions``, which is passed through, and ``GET /v1/models``."""

import asyncio
from typing import Any
from uuid import uuid4

import orjson
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gtalign.gateway.answers.answer import seconds
from gtalign.gateway.answers.forward import Forwarding
from gtalign.gateway.answers.request import check_amount, read_model, read_object
from gtalign.gateway.answers.terms import terms_of
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import read_body, unless_gone
from gtalign.gateway.http.reply import Reply
from gtalign.gateway.telemetry.tracing import current

PATH = "/v1/completions"
MODELS = "/v1/models"
_OPERATION = "text_completion"


class CompletionsEndpoint:
    """Passes requests for plain completions through: there is no turn that could be steered."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        with self._gateway.tracing.request(_OPERATION, headers):
            await self._answer(scope, headers, receive, send)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        gateway, about = self._gateway, scope["gtalign"]
        limits, timeouts = gateway.config.limits, gateway.config.timeouts
        key = gateway.caller(headers, "chat")
        about["key"] = key.id
        with gateway.limits.admitted(key):
            raw = await read_body(scope, receive, limit=limits.body_bytes, seconds=timeouts.body)
            body = read_object(raw)
            model = read_model(body)
            check_amount(body, max_tokens=limits.max_tokens, choices=limits.choices)
            id_ = f"cmpl-{uuid4().hex}"
            terms = terms_of(gateway, headers, key, model, id=id_, request_id=about["request"])
            about |= {"decision": id_, "policy": terms.policy.name, "model": model}
            if gateway.config.log_prompts:
                about["messages"] = body.get("prompt")
            current().named(f"{_OPERATION} {terms.model}")
            current().about(terms.traced(gateway.upstream))
            response = Reply(send, terms.headers(), patience=timeouts.idle)
            about["response"] = response
            why = "completions"
            async with asyncio.timeout(timeouts.total):
                work = Forwarding(gateway, terms, PATH, raw, body, why, response).run()
                await unless_gone(receive, work)


class ModelsEndpoint:
    """The model, and the names under which it answers under each policy: all, or the one asked for.

    Raises:
        APIError: There is no model of that name, or none for this key (404).
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._created = seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = self._gateway.caller(Headers(scope=scope), "chat")
        names = self._gateway.policies.names()
        if key.policy is not None and "admin" not in key.scopes:
            names = (key.policy,)
        model = self._gateway.upstream.name
        known = (model, *(f"{model}:{name}" for name in names))
        wanted = scope["path_params"].get("model")
        if wanted is not None and wanted not in known:
            raise APIError(
                404,
                f"there is no model {wanted[:80]!r}; there are {', '.join(known)}",
                code="model_not_found",
                param="model",
            )
        body = {"object": "list", "data": [self._card(name) for name in known]}
        if wanted is not None:
            body = self._card(wanted)
        await Reply(send, {}, patience=30.0).whole(200, orjson.dumps(body))

    def _card(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "gtalign"}
