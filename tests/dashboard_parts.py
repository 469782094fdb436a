"""A visitor of the dashboard, as a browser without scripts would be one."""

import re
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, CookieJar

from gateway_parts import Served

PREFIX = "/dashboard"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    text: str
    url: str

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.text)
        found = found or re.search(r'"X-CSRF-Token": "(\w+)"', self.text)
        assert found is not None
        return found[1]


class Visitor:
    """Keeps cookies, and sends what its forms are given."""

    def __init__(self, gateway: Served) -> None:
        self.gateway = gateway
        self.http = ClientSession(cookie_jar=CookieJar(unsafe=True))

    async def __aenter__(self) -> "Visitor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        url = self.gateway.address + path
        async with self.http.request(method, url, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.text(), str(answer.url))

    async def get(self, path: str = "", **options: Any) -> Answer:
        return await self.send("GET", PREFIX + path, **options)

    async def post(self, path: str, fields: Any = (), token: str | None = None, **o: Any) -> Answer:
        """Send a form, with the token of the page that it is on unless another is given."""
        if token is None:
            token = (await self.get()).token
        pairs = [*(fields.items() if isinstance(fields, dict) else fields), ("csrf", token)]
        return await self.send("POST", PREFIX + path, data=pairs, **o)

    async def sign_in(self, secret: str) -> Answer:
        return await self.post("/sign-in", {"key": secret})

    def cookie(self, name: str) -> Any:
        return next((c for c in self.http.cookie_jar if c.key == name), None)
