"""Sign in with a key that may read, and sign out."""

from typing import Final

from starlette.responses import Response

from gtalign.gateway.dashboard.visit import PREFIX, SESSION, Page, Visit
from gtalign.gateway.telemetry.request_log import RequestLog

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
BODY: Final = 16_384
"""Most bytes that anybody at all may have read here, 16 KiB."""

NEXT: Final = "next"
"""Parameter that names the page to go to afterwards."""


async def ask(visit: Visit) -> Page | Response:
    """The form that asks for a key; nobody who is in is asked."""
    if visit.key is not None:
        return visit.go("")
    return _form(visit.query_params.get(NEXT, ""))


async def sign_in(visit: Visit) -> Page | Response:
    """Begin a session for a good key.

    Raises:
        APIError: It is none, and this address has tried too many of those (429).
    """
    if visit.keyless:
        return visit.go("")
    path = visit.sent.get(NEXT, "")
    key = visit.gateway.keys.find(visit.sent.get("key", "").strip())
    if key is None or not key.may("read"):
        visit.gateway.attempts.failed(visit.address)
        if key is None:
            return _form(path, "This key is wrong or was revoked, or it has expired.", 401)
        return _form(path, "This key is good, but has neither the scope read nor admin.", 403)
    RequestLog.of(visit.scope).key = key
    response = visit.go(path if _is_ours(path) else "")
    visit.set_cookie(response, SESSION, visit.sessions.begin(key), visit.sessions.seconds)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    visit.sessions.end(visit.cookies.get(SESSION, ""))
    response = visit.go(SIGN_IN)
    visit.set_cookie(response, SESSION, "", 0)
    return response


def _form(path: str, problem: str = "", status: int = 200) -> Page:
    return Page(
        "sign_in.jinja", {"next": path if _is_ours(path) else "", "problem": problem}, status
    )


def _is_ours(path: str) -> bool:
    """Whether what follows `PREFIX` is a page of the dashboard, and cannot lead out of it."""
    whole = PREFIX + path
    plain = path.isascii() and path.isprintable() and not any(c in path for c in '\\ "<>')
    return plain and len(whole) <= 2000 and path[:1] in ("/", "?")
