"""An identity provider: the client of OpenID Connect that signs people in to the dashboard."""

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from time import monotonic
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote_plus

from aiohttp import ClientError, ClientSession, ClientTimeout
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gtalign.errors import ConfigError
from gtalign.gateway.dashboard.session import VOUCHED
from gtalign.gateway.dashboard.vouching import AuthorizationRequest
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import Key
from gtalign.gateway.oidc import GROUP, OIDCSettings, safe_address

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384")
"""Signatures of tokens. None is symmetric, so that no key of the provider's can be mistaken for a
secret, and none is missing."""

_ADMIN: Final = frozenset({"read", "chat", "admin"})
_SECONDS: Final = 10.0  # for one request to the provider
_FRESH: Final = 3600.0  # seconds for which what the provider says of itself is kept
_PAUSE: Final = 5.0  # seconds after a failure before it is asked again
_LEEWAY: Final = 60  # seconds by which clocks may differ
_LARGEST: Final = 1 << 20  # bytes of an answer


class Provider:
    """An identity provider.

    Args:
        settings: How to reach it, and who may sign in.
        back: Address to which it sends people back.

    Raises:
        ConfigError: The environment variable of the secret is not set.
    """

    def __init__(self, settings: OIDCSettings, back: str) -> None:
        self.name = settings.name
        self._settings = settings
        self._back = back
        self._secret = None if settings.secret is None else os.environ.get(settings.secret, "")
        if self._secret == "":
            raise ConfigError(
                f"dashboard.oidc.secret: the environment variable {settings.secret} is not set"
            )
        self._facts: Mapping[str, Any] = {}
        self._fresh_until = self._down_until = 0.0
        self._asking = asyncio.Lock()

    async def address(self, flow: AuthorizationRequest) -> str:
        """The address at the provider to which a browser goes to sign in.

        Raises:
            APIError: The provider does not answer (503).
        """
        facts = await self._known()
        address: str = prepare_grant_uri(
            facts["authorization_endpoint"],
            self._settings.client_id,
            "code",
            redirect_uri=self._back,
            scope=" ".join(("openid", *self._settings.scopes)),
            state=flow.state,
            nonce=flow.nonce,
            code_challenge=create_s256_code_challenge(flow.verifier),
            code_challenge_method="S256",
        )
        return address

    async def person(self, code: str, flow: AuthorizationRequest, issuer: str | None) -> Key:
        """Who has signed in, as a key with the scopes of that person.

        Args:
            code: The code with which the browser came back.
            flow: The sign-in.
            issuer: Who sent the browser back, if it says so.

        Raises:
            APIError: The provider does not answer (503), vouches for nobody, or for a person who
                is on no list (403).
        """
        if issuer is not None and issuer != self._settings.issuer:
            raise _refused("another identity provider has answered")
        facts = await self._known()
        async with self._session() as http:
            token = await self._redeemed(http, facts, code, flow.verifier)
            keys = await _fetched(http, facts["jwks_uri"])
        return self._allowed(self._checked(token, keys, flow.nonce))

    async def _known(self) -> Mapping[str, Any]:
        """What the provider says of itself."""
        async with self._asking:
            now = monotonic()
            if now < self._fresh_until:
                return self._facts
            if now < self._down_until:
                raise _silent()
            self._down_until = now + _PAUSE  # unless it answers
            issuer = self._settings.issuer
            address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            async with self._session() as http:
                facts = await _fetched(http, address)
            if facts.get("issuer") != issuer:
                raise _refused("the identity provider calls itself by another name")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                try:
                    safe_address(str(facts.get(name)))
                except ValueError:
                    raise _refused(f"the identity provider has no safe {name!r}") from None
            self._facts, self._fresh_until = facts, now + _FRESH
            self._down_until = 0.0
            return facts

    async def _redeemed(
        self, http: ClientSession, facts: Mapping[str, Any], code: str, verifier: str
    ) -> str:
        """The ID token that a code is worth."""
        client, secret = self._settings.client_id, self._secret
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._back}
        form |= {"client_id": client, "code_verifier": verifier}
        headers = {}
        if secret is not None:
            ways = facts.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if "client_secret_basic" in ways:
                both = f"{quote_plus(client)}:{quote_plus(secret)}"
                headers["Authorization"] = f"Basic {b64encode(both.encode()).decode()}"
            else:
                form["client_secret"] = secret
        answer = await _fetched(http, facts["token_endpoint"], form, headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refused("the identity provider sent no ID token")
        return token

    def _checked(self, token: str, keys: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that is the provider's, for this gateway, and of now."""
        settings, given = self._settings, keys.get("keys")
        usable = [
            key
            for key in (given if isinstance(given, list) else [])
            if isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use") != "enc"
        ]
        options = {"iss": settings.issuer, "aud": settings.client_id}
        try:
            found = jwt.decode(token, KeySet.import_key_set({"keys": usable}), _ALGORITHMS)
            claims = CodeIDToken(
                found.claims,
                found.header,
                {name: {"essential": True, "value": value} for name, value in options.items()},
                {"nonce": nonce, "client_id": settings.client_id},
            )
            claims.validate(leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            raise _refused(f"its ID token is not valid ({type(error).__name__})") from None
        return found.claims

    def _allowed(self, claims: Mapping[str, Any]) -> Key:
        """The key of the person that these claims describe."""
        settings, email = self._settings, claims.get("email")
        groups = claims.get(settings.groups)
        known = {f"{GROUP}{name}" for name in (groups if isinstance(groups, list) else [groups])}
        verified = claims.get("email_verified") is True
        if isinstance(email, str) and verified and not email.startswith(GROUP):
            known.add(email.casefold())  # an address that looks like a group is none
        if not known & {*settings.admin, *settings.read}:
            raise _refused("you are not on the list of this gateway")
        scopes = _ADMIN if known & {*settings.admin} else frozenset({"read"})
        subject = str(claims["sub"])
        id_ = sha256(f"{settings.issuer}\n{subject}".encode("utf-8", "replace")).hexdigest()
        name = email if isinstance(email, str) and email.isprintable() else subject
        return Key(VOUCHED + id_[:16], name[:80], scopes)

    def _session(self) -> ClientSession:
        return ClientSession(timeout=ClientTimeout(total=_SECONDS))


async def _fetched(
    http: ClientSession,
    address: str,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The JSON object at an address; a form is posted there.

    Raises:
        APIError: Nothing answers there (503), or with something else (403).
    """
    verb, given = "GET" if form is None else "POST", {"Accept": "application/json", **headers}
    options: dict[str, Any] = {"data": form, "headers": given, "allow_redirects": False}
    try:
        async with http.request(verb, address, **options) as answer:
            raw = bytearray()
            async for chunk in answer.content.iter_any():
                raw += chunk
                if len(raw) > _LARGEST:
                    raise _silent()
    except (ClientError, OSError, TimeoutError):
        raise _silent() from None
    if answer.status >= 500 or answer.status == 429:
        raise _silent()
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if answer.status != 200 or not isinstance(value, dict):
        raise _refused("the identity provider refused it")
    return value


def _silent() -> APIError:
    told = "the identity provider does not answer: sign in with a key, or try again in a moment"
    return APIError(503, told, code="provider_unavailable", wait=_PAUSE)


def _refused(why: str) -> APIError:
    return APIError(403, f"this sign-in failed: {why}", code="not_signed_in")
