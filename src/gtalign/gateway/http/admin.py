"""The admin interface: keys, policies and decisions."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gtalign.errors import ConfigError
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import address_of, read_body, read_object
from gtalign.gateway.http.parameters import read_filter, read_flag, read_limit, read_once
from gtalign.gateway.http.resource import App, Resource
from gtalign.gateway.keys import KeyScope, read_key_request
from gtalign.gateway.policies import read_policy, read_toml
from gtalign.gateway.store.export import export_response
from gtalign.gateway.telemetry.request_log import RequestLog
from gtalign.gateway.text import to_json

BODY: Final = 65_536
"""Most bytes of a body here, 64 KiB."""

Handler = Callable[[Request], Awaitable[Response]]


def admin_routes(gateway: Gateway) -> list[Route]:
    """The routes of the admin interface, and of a client's own decisions."""
    admin = _Admin(gateway)
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/admin/keys", admin.keys),
        ("POST", "/admin/keys", admin.create_key),
        ("DELETE", "/admin/keys/{id}", admin.revoke_key),
        ("GET", "/admin/policies", admin.policies),
        ("GET", "/admin/policies/{name}", admin.policy),
        ("PUT", "/admin/policies/{name}", admin.put_policy),
        ("DELETE", "/admin/policies/{name}", admin.remove_policy),
        ("GET", "/admin/decisions", admin.decisions),
        ("GET", "/admin/decisions/{id}", admin.decision),
        ("GET", "/admin/overview", admin.overview),
        ("GET", "/admin/export", admin.export),
        ("GET", "/v1/decisions/{id}", admin.own_decision),
    ]
    paths: dict[str, dict[str, App]] = {}
    for method, path, handler in table:
        paths.setdefault(path, {})[method] = _app(handler)
    return [Route(path, Resource(path, apps)) for path, apps in paths.items()]


def _app(handler: Handler) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)

    return app


class _Admin:
    """Handlers; who reads needs a key with the scope ``read``, who changes something ``admin``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def keys(self, request: Request) -> Response:
        self._check(request)
        return _json({"data": [key.to_json() for key in self._gateway.keys.all()]})

    async def create_key(self, request: Request) -> Response:
        self._check(request)
        table = await self._body(request)
        groups = self._gateway.config.groups
        wanted = read_key_request(table, self._gateway.policies.names(), groups)
        key, secret = await self._gateway.keys.create(wanted)
        return _json({**key.to_json(), "key": secret}, 201)

    async def revoke_key(self, request: Request) -> Response:
        self._check(request)
        id_ = request.path_params["id"]
        if all(key.id != id_ for key in self._gateway.keys.all()):
            raise _nothing("key", id_)
        return _json((await self._gateway.keys.revoke(id_)).to_json())

    async def policies(self, request: Request) -> Response:
        self._check(request)
        policies = self._gateway.policies
        return _json(
            {"default": policies.default, "data": [self._policy(name) for name in policies.names()]}
        )

    async def policy(self, request: Request) -> Response:
        self._check(request)
        return _json(self._policy(self._known(request)))

    async def put_policy(self, request: Request) -> Response:
        self._check(request)
        policy = read_policy(request.path_params["name"], await self._body(request))
        await self._gateway.policies.put(policy)
        return _json(self._policy(policy.name))

    async def remove_policy(self, request: Request) -> Response:
        self._check(request)
        await self._gateway.policies.remove(self._known(request), self._gateway.config)
        return Response(status_code=204)

    async def decisions(self, request: Request) -> Response:
        self._check(request)
        query = read_once(request.query_params)
        cursor = query.pop("cursor", None)
        limit = read_limit(query.pop("limit", "50"))
        page = await self._gateway.reader.page(read_filter(query), limit=limit, cursor=cursor)
        return _json({"data": page.rows, "next": page.next})

    async def decision(self, request: Request) -> Response:
        self._check(request)
        id_ = request.path_params["id"]
        found = await self._gateway.decision(id_)
        if found is None:
            raise _nothing("decision", id_)
        return _json(found)

    async def own_decision(self, request: Request) -> Response:
        key = self._gateway.caller(request.headers, "chat", address_of(request.scope))
        id_ = request.path_params["id"]
        found = await self._gateway.decision(id_)
        if found is None or found["key_id"] != key.id:  # of another key: the same answer as none
            raise _nothing("decision", id_)
        return _json(found if key.may("read") else _outside(found))

    async def overview(self, request: Request) -> Response:
        self._check(request)
        which = read_filter(read_once(request.query_params))
        found = await self._gateway.reader.overview(which)
        told = asdict(found)
        told["dry_runs"] = [one.to_json() for one in await self._gateway.reader.trials(which)]
        told["actions"] = [
            {"policy": policy, "before": before, "after": after, "count": count}
            for (policy, before, after), count in found.actions.items()
        ]
        return _json(told)

    async def export(self, request: Request) -> Response:
        self._check(request)
        query = read_once(request.query_params)
        format_ = query.pop("format", "jsonl")
        transcripts = read_flag("transcripts", query.pop("transcripts", "false"))
        which = read_filter(query)
        patience = self._gateway.config.timeouts.idle
        return export_response(
            self._gateway.reader,
            which,
            format_=format_,
            transcripts=transcripts,
            patience=patience,
        )

    def _check(self, request: Request) -> None:
        wanted: KeyScope = "read" if request.method == "GET" else "admin"
        key = self._gateway.caller(request.headers, wanted, address_of(request.scope))
        RequestLog.of(request.scope).key = key

    async def _body(self, request: Request) -> dict[str, Any]:
        """The JSON or TOML table of a request."""
        seconds = self._gateway.config.timeouts.body
        raw = await read_body(request.scope, request.receive, limit=BODY, seconds=seconds)
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
        if kind == "application/toml":
            try:
                return read_toml(raw.decode("utf-8"))
            except (ConfigError, UnicodeDecodeError) as error:
                raise APIError(400, f"the body is not TOML: {error}", code="not_toml") from None
        if kind != "application/json":
            raise APIError(415, "Content-Type has to be application/json or application/toml")
        return read_object(raw)

    def _policy(self, name: str) -> dict[str, Any]:
        policy = self._gateway.policies.get(name)
        return {**policy.model_dump(mode="json"), "hash": policy.hash}

    def _known(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in self._gateway.policies.names():
            raise _nothing("policy", name)
        return name


def _outside(record: dict[str, Any]) -> dict[str, Any]:
    """A record for a client, without what names the engine's address."""
    unnamed = {"backend": "engine"}
    error = None if record["error"] is None else "the answer failed"
    return {**record, **unnamed, "decision": record["decision"] | unnamed, "error": error}


def _nothing(kind: str, name: str) -> APIError:
    return APIError(404, f"there is no {kind} {name[:80]!r}", code="not_found")


def _json(value: Any, status: int = 200) -> Response:
    return Response(to_json(value), status, media_type="application/json")
