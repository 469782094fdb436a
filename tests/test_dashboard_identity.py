"""Signing in to the dashboard with an identity provider, and what attackers try there."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.common.encoding import json_b64encode, urlsafe_b64encode
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from browser import in_browser, needs_browser, window
from dashboard_parts import Answer, Visitor
from gateway_parts import Served, config_of, served
from gtalign.errors import ConfigError
from gtalign.gateway.dashboard.visit import SESSION, VISITOR
from gtalign.gateway.gateway import opened
from gtalign.gateway.served import Models
from identity_provider import IdentityProvider

ORIGIN = "http://localhost:9"  # as a browser would know the gateway
SECRET = "GTALIGN_TEST_OIDC_SECRET"
LISTS: Any = {"admin": ["Ana@Example.org", "group:ops"], "read": ["bo@example.org", "group:all"]}


@asynccontextmanager
async def behind(
    folder: Path, provider: IdentityProvider, root: str = "", **oidc: Any
) -> AsyncGenerator[Served, None]:
    """A gateway with a key, whose dashboard a provider signs people in to."""
    folder.mkdir(exist_ok=True)
    settings = {"issuer": provider.issuer, "client_id": "gate way", "secret": SECRET, **LISTS}
    dashboard = {"origin": ORIGIN, "oidc": settings | oidc}
    async with served(folder) as first:
        await first.key()
    async with served(folder, dashboard=dashboard, root_path=root) as gateway:
        yield gateway


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[IdentityProvider, None]:
    monkeypatch.setenv(SECRET, "s3cret:+")
    async with IdentityProvider().serving() as found:
        yield found


async def way_back(visitor: Visitor, path: str = "/sign-in/provider") -> str:
    """Sign in at the provider; returns the way back, as the provider sends the browser there."""
    there = await visitor.get(path, allow_redirects=False)
    assert there.status == 303, there.text
    async with visitor.http.get(there.headers["location"], allow_redirects=False) as answer:
        return str(answer.headers["location"]).removeprefix(ORIGIN)


async def sign_in(visitor: Visitor, **altered: str) -> Answer:
    """Sign in, coming back with some parameters altered."""
    path, _, query = (await way_back(visitor)).partition("?")
    params = {name: values[0] for name, values in parse_qs(query).items()} | altered
    return await visitor.send("GET", path, params=params, allow_redirects=False)


async def test_people_sign_in_and_out(tmp_path: Path, provider: IdentityProvider) -> None:
    async with behind(tmp_path, provider, name="Corp") as gateway, Visitor(gateway) as visitor:
        page = await visitor.get("/decisions?limit=7")
        assert "Sign in with Corp" in page.text and "next=%2Fdecisions%3Flimit%3D7" in page.text
        back = await way_back(visitor, "/sign-in/provider?next=/decisions%3Flimit%3D7")
        [asked] = provider.asked
        assert asked["redirect_uri"] == f"{ORIGIN}/dashboard/sign-in/back"
        assert (asked["response_type"], asked["scope"]) == ("code", "openid email")
        assert (asked["code_challenge_method"], asked["client_id"]) == ("S256", "gate way")
        answer = await visitor.send("GET", back, allow_redirects=False)
        assert (answer.status, answer.headers["location"]) == (303, "/dashboard/decisions?limit=7")
        cookie = answer.headers["set-cookie"]
        assert all(part in cookie for part in (SESSION, "HttpOnly", "SameSite=strict", "Max-Age"))
        assert "Keys" in (await visitor.get("/keys")).text
        assert (await visitor.get("/sign-in/provider", allow_redirects=False)).status == 303
        await visitor.post("/sign-out")
        assert visitor.cookie(SESSION) is None
        assert "Sign in" in (await visitor.get()).text


@needs_browser
@in_browser
async def test_a_person_signs_in_at_another_site_in_a_browser(
    tmp_path: Path, chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, "s3cret:+")
    async with (
        window(chromium) as view,
        IdentityProvider().serving() as provider,
        behind(tmp_path, provider, name="Corp") as gateway,
    ):
        # The provider's site is 127.0.0.1, the gateway's is localhost: the way back crosses sites.
        there = gateway.address.replace("127.0.0.1", "localhost")
        provider.way_back = there
        page = view.page
        await page.goto(f"{there}/dashboard/decisions?limit=7")
        await page.get_by_role("link", name="Sign in with Corp").click()
        await page.wait_for_url("**/dashboard/decisions?limit=7")
        await page.get_by_role("link", name="Keys").click()
        await page.wait_for_url("**/dashboard/keys")
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/sign-in")
        await page.goto(f"{there}/dashboard/decisions")
        await page.wait_for_url("**/sign-in?next=*")


async def test_it_works_below_a_path_and_over_https(
    tmp_path: Path, provider: IdentityProvider
) -> None:
    async with behind(tmp_path, provider, root="/llm") as gateway, Visitor(gateway) as visitor:
        https = {"X-Forwarded-Proto": "https"}
        there = await visitor.send(
            "GET", "/llm/dashboard/sign-in/provider", headers=https, allow_redirects=False
        )
        assert "Secure" in there.headers["set-cookie"] and VISITOR in there.headers["set-cookie"]
        asked = parse_qs(urlsplit(there.headers["location"]).query)
        assert asked["redirect_uri"] == [f"{ORIGIN}/llm/dashboard/sign-in/back"]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email": "ANA@example.org"}, 201),
        ({"email": "bo@example.org"}, 403),  # may read, and changes nothing
        ({"email": None, "groups": ["x", "ops"]}, 201),
        ({"email": None, "groups": "all"}, 403),
        ({"email": "bo@example.org", "groups": ["ops"]}, 201),
    ],
)
async def test_the_lists_say_who_may_do_what(
    tmp_path: Path, provider: IdentityProvider, claims: Any, status: int
) -> None:
    provider.claims |= claims
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        assert (await sign_in(visitor)).status == 303
        assert (await visitor.get("/decisions")).status == 200
        made = await visitor.post("/keys", {"name": "n", "scopes": "chat"})
        assert made.status == status


async def test_what_a_person_asks_in_the_playground_is_on_record(
    tmp_path: Path, provider: IdentityProvider
) -> None:
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        await sign_in(visitor)
        fields = {"question": "Where to?", "left": "costly", "right": "subscription"}
        assert (await visitor.post("/playground", fields)).status == 200
        records = await gateway.records()
        assert records and {record["key_id"][:5] for record in records} == {"oidc-"}
        for path in ("", "/decisions", f"/decisions/{records[0]['id']}", "/keys"):
            assert (await visitor.get(path)).status == 200


OTHERS: Any = [
    {"email": "eve@example.org"},
    {"email": "ana@example.org.evil.example"},
    {"email_verified": False},
    {"email_verified": None},
    {"email_verified": "true"},
    {"email": ["ana@example.org"]},
    {"email": "group:ops"},
    {"email": None},
    {"email": None, "groups": ["op", "group:ops"]},
    {"email": None, "groups": {"ops": 1}},
    {"email": None, "groups": [["ops"]]},
]


@pytest.mark.parametrize("claims", OTHERS)
async def test_whoever_is_on_no_list_is_refused(
    tmp_path: Path, provider: IdentityProvider, claims: Any
) -> None:
    provider.claims |= claims
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        answer = await sign_in(visitor)
        assert answer.status == 403 and "not on the list" in answer.text
        assert visitor.cookie(SESSION) is None


NOW = time.time()
FORGED: Any = {
    "issuer": {"iss": "http://evil.example"},
    "audience": {"aud": "other"},
    "many audiences": {"aud": ["gate way", "other"]},
    "other party": {"aud": ["gate way", "other"], "azp": "other"},
    "no audience": {"aud": None},
    "expired": {"exp": int(NOW) - 3600},
    "never expires": {"exp": None},
    "of tomorrow": {"nbf": int(NOW) + 86_400},
    "nonce": {"nonce": "n"},
    "no nonce": {"nonce": None},
    "nobody": {"sub": None},
    "exp as text": {"exp": "soon"},
}


@pytest.mark.parametrize("claims", FORGED.values(), ids=FORGED)
async def test_a_token_for_others_or_other_times_is_refused(
    tmp_path: Path, provider: IdentityProvider, claims: Any
) -> None:
    provider.claims |= claims
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        answer = await sign_in(visitor)
        assert answer.status == 403 and "ID token is not valid" in answer.text
        assert visitor.cookie(SESSION) is None


def _unsigned(provider: IdentityProvider) -> str:
    claims = {"iss": provider.issuer, "sub": "7", "aud": "gate way", "exp": NOW + 900, "iat": NOW}
    parts = ({"alg": "none"}, claims | provider.claims)
    return ".".join([*(json_b64encode(part).decode() for part in parts), ""])


def _by_a_stranger(provider: IdentityProvider) -> None:
    kid = provider.key.kid
    provider.key = ECKey.generate_key("P-256", {"kid": kid or ""})


def _by_the_public_key(provider: IdentityProvider) -> None:
    """HMAC with the published key as the secret."""
    public = provider.key.as_pem(private=False)
    key = OctKey.import_key(urlsafe_b64encode(public).decode())
    provider.token = jwt.encode({"alg": "HS256"}, {"sub": "7"}, key)


def _by_a_key_that_it_brings(provider: IdentityProvider) -> None:
    provider.key = ECKey.generate_key("P-256", auto_kid=True)
    provider.header["jwk"] = provider.key.as_dict(private=False)


TAMPERED: Any = {
    "none": lambda provider: setattr(provider, "token", _unsigned(provider)),
    "stranger": _by_a_stranger,
    "public key": _by_the_public_key,
    "own key": _by_a_key_that_it_brings,
    "no keys": lambda provider: setattr(provider, "keys", KeySet([])),
    "no token": lambda provider: setattr(provider, "token", "a.b"),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
async def test_a_token_that_the_provider_did_not_sign_is_refused(
    tmp_path: Path, provider: IdentityProvider, tamper: Any
) -> None:
    tamper(provider)
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        answer = await sign_in(visitor)
        assert answer.status == 403 and "ID token is not valid" in answer.text


async def test_keys_of_other_kinds_are_no_hindrance(
    tmp_path: Path, provider: IdentityProvider
) -> None:
    provider.key = RSAKey.generate_key(2048, auto_kid=True)
    provider.header["alg"] = "RS256"
    others: list[Any] = [
        ECKey.generate_key("P-256", auto_kid=True),
        OctKey.generate_key(256, auto_kid=True),
    ]
    provider.keys = KeySet([*others, provider.key])
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        assert (await sign_in(visitor)).status == 303


async def test_a_way_back_is_good_once_and_for_whoever_went(
    tmp_path: Path, provider: IdentityProvider
) -> None:
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        async with Visitor(gateway) as other:
            stolen = await way_back(other)
        await visitor.get("/sign-in")
        for wrong in (stolen, "/dashboard/sign-in/back?state=a.b.c&code=x"):
            answer = await visitor.send("GET", wrong)
            assert answer.status == 403 and "begun elsewhere" in answer.text
        for altered in ({"state": ""}, {"state": "\ud83d.x"}, {"iss": "http://evil.example"}):
            assert (await sign_in(visitor, **altered)).status == 403
        assert "vouches for nobody" in (await sign_in(visitor, code="", error="denied")).text
        back = await way_back(visitor)
        assert (await visitor.send("GET", back, allow_redirects=False)).status == 303
        await visitor.post("/sign-out")
        answer = await visitor.send("GET", back)
        assert answer.status == 403 and "used before" in answer.text
        again = parse_qs(urlsplit(back).query)["code"][0]
        assert "refused it" in (await sign_in(visitor, code=again)).text  # the provider knows too


async def test_a_sign_in_takes_so_long_and_fails_so_often(
    tmp_path: Path, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        back = await way_back(visitor)
        clock = time.time
        monkeypatch.setattr("gtalign.gateway.dashboard.identity.time", lambda: clock() + 601)
        assert "taken too long" in (await visitor.send("GET", back)).text
        statuses = [(await visitor.get("/sign-in/back?state=x")).status for _ in range(10)]
        assert statuses == [403] * 9 + [429]


async def test_where_the_provider_is_down_keys_work(
    tmp_path: Path, provider: IdentityProvider
) -> None:
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        back = await way_back(visitor)
        provider.down = True
        answer = await visitor.send("GET", back)
        assert answer.status == 503 and "sign in with a key" in answer.text
        _, secret = await gateway.key(name="other")
        assert (await visitor.sign_in(secret)).status == 200
        assert (await visitor.get("/decisions")).status == 200
    async with behind(tmp_path / "new", provider) as gateway, Visitor(gateway) as visitor:
        for _ in range(2):
            answer = await visitor.get("/sign-in/provider")
            assert answer.status == 503 and 'name="key"' in answer.text


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"issuer": "http://evil.example"}, "another name"),
        ({"token_endpoint": "http://evil.example/token"}, "token_endpoint"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"authorization_endpoint": ["http://localhost/"]}, "authorization_endpoint"),
    ],
)
async def test_a_provider_that_contradicts_itself_is_not_followed(
    tmp_path: Path, provider: IdentityProvider, facts: Any, told: str
) -> None:
    provider.facts = facts
    async with behind(tmp_path, provider) as gateway, Visitor(gateway) as visitor:
        answer = await visitor.get("/sign-in/provider", allow_redirects=False)
        assert answer.status == 403 and told in answer.text


async def test_without_one_there_is_none(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        assert (await visitor.get("/sign-in/provider")).status == 404
        await gateway.key()
        assert "Sign in with" not in (await visitor.get("/sign-in")).text
        for path in ("/sign-in/provider", "/sign-in/back?state=x&code=y"):
            assert (await visitor.get(path)).status == 404


@pytest.mark.parametrize(
    ("oidc", "origin", "told"),
    [
        ({"issuer": "http://login.example"}, ORIGIN, "https"),
        ({"issuer": "https://login.example?x=1"}, ORIGIN, "issuer"),
        ({"read": ["bo"]}, ORIGIN, "group:NAME"),
        ({"read": [], "admin": []}, ORIGIN, "nobody can sign in"),
        ({}, None, "oidc needs origin"),
        ({}, "http://gateway.example", "https"),
        ({"scopes": ["a b"]}, ORIGIN, "scopes"),
    ],
)
def test_what_is_unsafe_is_no_configuration(
    tmp_path: Path, oidc: Any, origin: str | None, told: str
) -> None:
    settings = {"issuer": "https://login.example", "client_id": "c", **LISTS, **oidc}
    with pytest.raises(ConfigError, match=told):
        config_of(tmp_path, dashboard={"origin": origin, "oidc": settings})


async def test_a_gateway_without_a_key_or_the_secret_does_not_start(tmp_path: Path) -> None:
    settings = {"issuer": "https://login.example", "client_id": "c", **LISTS}
    config = config_of(tmp_path, dashboard={"origin": ORIGIN, "oidc": settings})
    with pytest.raises(ConfigError, match="make one"):
        async with opened(config, Models((), 0.0)):
            pass
    with pytest.raises(ConfigError, match="GTALIGN_NOWHERE is not set"):
        provider = IdentityProvider()
        provider.issuer = "https://login.example"
        async with behind(tmp_path / "x", provider, secret="GTALIGN_NOWHERE"):
            pass
