"""Sign in with an identity provider: the way there, and the way back.

Nothing is kept of a sign-in that has only begun. Its state says when it ends and where it leads, is
signed for the visitor's cookie, and the other secrets follow from it.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from time import time
from typing import Final

from starlette.responses import RedirectResponse, Response

from gtalign.gateway.dashboard.signin import NEXT, ask, entered, sign_in_form
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.dashboard.vouching import AuthorizationRequest, IdentityProvider
from gtalign.gateway.errors import APIError

_SECONDS: Final = 600  # that a person has to sign in at the provider
_LONGEST: Final = 500  # characters of a page to go to afterwards, which the provider has to carry
_CODE: Final = 4096  # characters


async def begin(visit: Visit) -> Page | Response:
    """Send the browser to the provider.

    Raises:
        APIError: There is no provider (404).
    """
    provider = _provider(visit)
    if visit.key is not None:
        return visit.go("")
    path = visit.query_params.get(NEXT, "")
    path = path if len(path) <= _LONGEST else ""
    to = urlsafe_b64encode(path.encode("utf-8", "replace")).decode().rstrip("=")
    told = f"{int(time()) + _SECONDS}.{secrets.token_urlsafe(16)}.{to}"
    flow = _flow(visit, f"{told}.{visit.signed(f'state {told}')}")
    try:
        response = RedirectResponse(await provider.address(flow), 303)
    except APIError as error:
        return sign_in_form(visit, path, error.message, error.status)
    visit.keep(response)
    return response


async def back(visit: Visit) -> Page | Response:
    """Take a browser that comes back from the provider.

    Raises:
        APIError: There is no provider (404), or sign-ins from this address failed too often (429).
    """
    provider, given = _provider(visit), visit.query_params
    if visit.key is not None:
        return await ask(visit)
    try:
        path = _path(visit, given.get("state", ""))
        if not 0 < len(given.get("code", "")) <= _CODE:
            raise APIError(403, "this sign-in failed: the identity provider vouches for nobody")
        flow = _flow(visit, given["state"])
        await visit.sessions.redeem(flow.state, _SECONDS)
        person = await provider.person(given["code"], flow, given.get("iss"))
    except APIError as error:
        if error.status != 503:
            visit.gateway.attempts.failed(visit.address)
        return sign_in_form(visit, "", error.message, error.status)
    return await entered(visit, person, path)


def _provider(visit: Visit) -> IdentityProvider:
    if visit.provider is None or visit.keyless:
        raise APIError(404, "there is no such page", code="not_found")
    return visit.provider


def _flow(visit: Visit, state: str) -> AuthorizationRequest:
    nonce, verifier = (visit.signed(f"{what} {state}") for what in ("nonce", "verifier"))
    return AuthorizationRequest(state, nonce, verifier)


def _path(visit: Visit, state: str) -> str:
    """The page to go to after a sign-in that this visitor has begun.

    Raises:
        APIError: The visitor has begun no such sign-in, or it has taken too long (403).
    """
    told, _, signature = state.rpartition(".")
    right = visit.signed(f"state {told}")
    if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
        raise APIError(403, "this sign-in failed: it was begun elsewhere, begin it again here")
    until, _, to = told.split(".")
    if time() > int(until):
        raise APIError(403, "this sign-in failed: it has taken too long, begin it again")
    return urlsafe_b64decode(to + "=" * (-len(to) % 4)).decode()
