"""Check that a request comes from this machine; a gateway without keys answers no others."""

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from gtalign.gateway.errors import APIError

_FORWARDED: Final = re.compile(r"(?:^|[;,])\s*for\s*=\s*(\"[^\"]*\"|[^;,]*)", re.IGNORECASE)
_LONGEST: Final = 300  # characters: a name has 253 at most
_LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    name = host.strip("[]").lower()
    if name in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_local(headers: Headers, allowed: Collection[str] = ()) -> None:
    """Without keys, refuse what a web page elsewhere makes a browser on this machine send.

    Args:
        headers: Headers of the request.
        allowed: Sites whose pages may ask all the same. ``*`` is none of them: it opens a gateway
            that asks for keys.

    Raises:
        APIError: The request is for a name other than this machine's, from another site, or was
            forwarded from another machine (403).
    """
    named = [(name, headers[name]) for name in ("host", "origin") if name in headers]
    # Nobody's word is taken that a request is local; that it is not, is.
    for name, value in _forwarded(headers) + named:
        local = len(value) <= _LONGEST and _names_loopback(value)
        if not local and not (name == "origin" and value in allowed):
            raise APIError(
                403,
                f"without a key, only requests from this machine are answered, not {name}:"
                f" {value[:80]!r}",
                code="not_local",
            )


def _forwarded(headers: Headers) -> list[tuple[str, str]]:
    """Headers of proxies with the addresses that they say a request came from."""
    plain = [(n, v) for n in ("x-forwarded-for", "x-real-ip") for v in headers.getlist(n)]
    found = [(name, address.strip()) for name, value in plain for address in value.split(",")]
    for value in headers.getlist("forwarded"):
        found += [("forwarded", address.strip('" ')) for address in _FORWARDED.findall(value)]
    return found


@lru_cache(maxsize=256)  # clients send the same one with each request
def _names_loopback(value: str) -> bool:
    """Whether an origin, or an address with or without a port, is this machine's."""
    bare = value.count(":") > 1 and not value.startswith("[") and "://" not in value
    address = f"//[{value}]" if bare else value if "://" in value else f"//{value}"
    try:
        host = urlsplit(address).hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)
