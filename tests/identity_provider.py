"""A small identity provider on loopback, which signs real tokens and can be made to misbehave."""

import time
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from authlib.common.encoding import urlsafe_b64encode
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from standins.server import serving_app


class IdentityProvider:
    """Signs in whoever asks, as the person that its claims describe.

    Attributes:
        claims: Of the person, and whatever else a token is to say; None leaves a claim out.
        key: Signs tokens.
        keys: What it publishes.
        header: Of tokens.
        facts: What it says of itself, where that is not the truth.
        down: Whether it answers everything with 503.
        asked: Requests to sign in.
        token: A token to send in place of its own.
        way_back: The origin to which it sends a browser, if not the registered one: a test that
            has a browser knows its gateway's port only when it runs.
    """

    def __init__(self, secret: str | None = "s3cret:+") -> None:
        self.claims: dict[str, Any] = {"email": "ana@example.org", "email_verified": True}
        self.key: RSAKey | ECKey = ECKey.generate_key("P-256", auto_kid=True)
        self.keys = KeySet([self.key])
        self.header: dict[str, Any] = {"alg": "ES256"}
        self.facts: dict[str, Any] = {}
        self.down = False
        self.asked: list[dict[str, str]] = []
        self.token: str | None = None
        self.issuer = self.way_back = ""
        self._secret = secret
        self._codes: dict[str, dict[str, str]] = {}

    async def _configuration(self, request: web.Request) -> web.Response:
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return web.json_response(found | self.facts)

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        code = f"code-{len(self.asked)}"
        self._codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.issuer}
        address = asked["redirect_uri"]
        if self.way_back:
            address = self.way_back + urlsplit(address).path
        raise web.HTTPFound(f"{address}?{urlencode(back)}")

    async def _redeem(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self._codes.pop(str(form["code"]), None)  # good once
        if asked is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if self._secret is not None:
            sent = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
            assert sent == urlencode({asked["client_id"]: self._secret}).replace("=", ":")
        challenge = urlsafe_b64encode(sha256(str(form["code_verifier"]).encode()).digest())
        same = challenge.decode().rstrip("=") == asked["code_challenge"]
        if not same or form["redirect_uri"] != asked["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "7", "aud": asked["client_id"], "iat": now}
        claims |= {"exp": now + 300, "nonce": asked["nonce"]} | self.claims
        told = {name: value for name, value in claims.items() if value is not None}
        header = {"kid": self.key.kid, **self.header}
        token = self.token or jwt.encode(header, told, self.key)
        return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": token})

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response(self.keys.as_dict(private=False))

    @web.middleware
    async def _up(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503)
        answer: web.StreamResponse = await handler(request)
        return answer

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["IdentityProvider", None]:
        """Serve on loopback."""
        app = web.Application(middlewares=[self._up])
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._redeem)
        app.router.add_get("/keys", self._keys)
        async with serving_app(app) as self.issuer:
            yield self
