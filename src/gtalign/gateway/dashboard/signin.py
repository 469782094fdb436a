"""Sign in with a key that may read, and sign out; the form leads to an identity provider too."""

from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from gtalign.gateway.dashboard.visit import PREFIX, SESSION, Page, Visit
from gtalign.gateway.keys import Key
from gtalign.gateway.telemetry.request_log import RequestLog

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
EVERYBODY: Final = "/sign-out/everybody"
BODY: Final = 16_384
"""Most bytes that anybody at all may have read here, 16 KiB."""

PROVIDER: Final = "/sign-in/provider"
"""Where a sign-in with the identity provider begins."""

NEXT: Final = "next"
"""Parameter that names the page to go to afterwards."""


async def ask(visit: Visit) -> Page | Response:
    """The form that asks for a key; nobody who is in is asked."""
    if visit.key is not None:
        return visit.go("")
    return sign_in_form(visit, visit.query_params.get(NEXT, ""))


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
            wrong = "This key is wrong or was revoked, or it has expired."
            return sign_in_form(visit, path, wrong, 401)
        lacking = "This key is good, but has neither the scope read nor admin."
        return sign_in_form(visit, path, lacking, 403)
    return await entered(visit, key, path)


async def entered(visit: Visit, key: Key, path: str) -> Response:
    """Begin the session of a key or a person, and go on to a page."""
    RequestLog.of(visit.scope).key = key
    response = visit.go(path if _is_ours(path) else "")
    session = await visit.sessions.begin(key)
    visit.set_cookie(response, SESSION, session, visit.sessions.seconds)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    await visit.sessions.end(visit.cookies.get(SESSION, ""))
    response = visit.go(SIGN_IN)
    visit.set_cookie(response, SESSION, "", 0)
    return response


async def sign_everybody_out(visit: Visit) -> Response:
    """End all sessions, this one too."""
    await visit.sessions.end_all()
    return visit.go(SIGN_IN)


def sign_in_form(visit: Visit, path: str, problem: str = "", status: int = 200) -> Page:
    """The page to sign in, with what was wrong so far.

    Args:
        visit: The visit.
        path: The page to go to afterwards.
        problem: What was wrong.
        status: HTTP status.
    """
    path = path if _is_ours(path) else ""
    shown: dict[str, str | None] = {
        "next": path,
        "problem": problem[:1].upper() + problem[1:],
        "provider": None,
    }
    if visit.provider is not None:
        begin = f"{visit.root}{PREFIX}{PROVIDER}?{NEXT}={quote(path, safe='')}"
        shown |= {"provider": visit.provider.name, "begin": begin}
    return Page("sign_in.jinja", shown, status)


def _is_ours(path: str) -> bool:
    """Whether what follows `PREFIX` is a page of the dashboard, and cannot lead out of it."""
    whole = PREFIX + path
    plain = path.isascii() and path.isprintable() and not any(c in path for c in '\\ "<>')
    return plain and len(whole) <= 2000 and path[:1] in ("/", "?")
