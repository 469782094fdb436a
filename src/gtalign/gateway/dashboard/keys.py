"""The page of keys: list, make and revoke them."""

import math
from typing import Any

from starlette.responses import Response

from gtalign.errors import ConfigError
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import SCOPES, Key, read_key_request

PATH = "/keys"


async def show(visit: Visit) -> Page:
    """All keys, and a form for another one."""
    return await _page(visit)


async def create(visit: Visit) -> Page:
    """Make a key, and show it this once."""
    sent, keys = visit.sent, visit.gateway.keys
    limits: dict[str, Any] = {
        name: int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text
        for name in ("concurrency", "requests_per_minute", "tokens_per_minute")
        if (text := sent.get(name, "").strip())
    }
    budget = {
        name: _amount(text)
        for name in ("tokens", "money")
        if (text := sent.get(f"monthly_{name}", "").strip())
    }
    if day := sent.get("expires", "").strip():
        limits["expires"] = f"{day}T00:00:00Z"
    table = {
        "name": sent.get("name", "").strip(),
        "scopes": sent.getlist("scopes"),
        "policy": sent.get("policy") or None,
        "group": sent.get("group") or None,
        "limits": {**limits, "budget": budget},
    }
    first, gateway = not keys.required, visit.gateway
    try:
        wanted = read_key_request(table, gateway.policies.names(), gateway.config.groups)
        key, secret = await keys.create(wanted)
    except ConfigError as error:
        return await _page(visit, status=400, problem=str(error)[:500])
    return await _page(visit, status=201, made=key, secret=secret, first=first)


async def confirm(visit: Visit) -> Page:
    """Ask whether a key is to be revoked."""
    return Page("key_revoke.jinja", {"key": _known(visit), "problem": ""})


async def revoke(visit: Visit) -> Page | Response:
    """Revoke a key."""
    key = _known(visit)
    try:
        await visit.gateway.keys.revoke(key.id)
    except ConfigError as error:
        return Page("key_revoke.jinja", {"key": key, "problem": str(error)}, 400)
    return visit.go(PATH)


async def _page(
    visit: Visit,
    *,
    status: int = 200,
    problem: str = "",
    made: Key | None = None,
    secret: str = "",
    first: bool = False,
) -> Page:
    gateway = visit.gateway
    found = gateway.keys.all()
    shown = {
        "keys": sorted(found, key=lambda key: key.revoked is not None),
        "answered": await gateway.reader.latest([key.id for key in found]),
        "policies": gateway.policies.names(),
        "groups": gateway.config.groups,
        "scopes": SCOPES,
        "problem": problem,
        "made": made,
        "secret": secret,
        "first": first,
        "sent": visit.sent if problem else {},
        "chosen": visit.sent.getlist("scopes") if problem else ["chat"],
        "required": gateway.keys.required,
        "spent": {key.id: gateway.limits.spent(key) for key in found},
    }
    return Page("keys.jinja", shown, status)


def _amount(text: str) -> float | str:
    """The number that a text is, or the text, which is refused then."""
    try:
        number = float(text) if len(text) < 20 else math.inf
    except ValueError:
        return text
    return int(number) if math.isfinite(number) and number.is_integer() else number


def _known(visit: Visit) -> Key:
    key = visit.gateway.keys.get(visit.path_params["id"])
    if key is None:
        raise APIError(404, f"there is no key {visit.path_params['id'][:80]!r}", code="not_found")
    return key
