"""Sessions of the dashboard: how they end, and that all processes on one store know them."""

import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from dashboard_parts import Visitor
from forked import Forked
from gateway_parts import Served
from gtalign.errors import StorageError
from gtalign.gateway.dashboard.session import SESSIONS, Sessions, matches, token
from gtalign.gateway.dashboard.visit import SESSION
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import Key, KeyRequest, Keys
from gtalign.gateway.oidc import OIDCSettings
from identity_provider import IdentityProvider
from postgres_cluster import database, needs_postgres, server
from scale_parts import begin, configuration
from store_parts import stored
from test_dashboard_identity import LISTS, ORIGIN, SECRET, provider, way_back

__all__ = ["database", "provider", "server"]
ROOT = KeyRequest(name="root", scopes=("admin",))
ANA = Key("oidc-1", "ana@example.org", frozenset({"read"}))
SECONDS = 10.0


class Clock:
    """The time, in seconds."""

    now = 0.0

    def __call__(self) -> int:
        return int(self.now * 1e6)


def listed(*people: str) -> OIDCSettings:
    return OIDCSettings(issuer="https://login.example", client_id="c", read=people)


async def sides(
    engine: AsyncEngine, clock: Clock, *settings: OIDCSettings | None
) -> list[tuple[Keys, Sessions]]:
    """The keys and the sessions of several processes on a store."""
    found = []
    for oidc in settings or (None, None):
        keys = await Keys.open(engine)
        found.append((keys, Sessions(engine, keys, SECONDS, oidc, clock)))
    return found


async def test_sessions_end_in_time_and_are_not_kept_without_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    async with stored(tmp_path) as engine:
        [(keys, sessions), (_, other)] = await sides(engine, clock)
        key, _ = await keys.create(ROOT)
        one = await sessions.begin(key)
        clock.now = 9.0
        two = await sessions.begin(key)
        assert await sessions.find(one) == await other.find(two) == key
        clock.now = SECONDS
        assert (await other.find(one), await sessions.find(two)) == (None, key)
        monkeypatch.setattr("gtalign.gateway.dashboard.session.SESSIONS", 2)
        clock.now = 11.0
        three = await other.begin(key)
        clock.now = 12.0
        four = await sessions.begin(key)
        assert [await other.find(id_) for id_ in (two, three, four)] == [None, key, key]
        assert SESSIONS > 2
        await other.end(three)
        assert [await sessions.find(id_) for id_ in (three, four)] == [None, key]
        await other.end_all()
        assert await sessions.find(four) is None


async def test_a_session_is_as_good_as_its_key_wherever_that_was_changed(tmp_path: Path) -> None:
    async with stored(tmp_path) as engine:
        [(keys, sessions), (others, other)] = await sides(engine, Clock())
        await keys.create(ROOT)
        read, _ = await keys.create(KeyRequest(name="read", scopes=("read",)))
        chat, _ = await keys.create(KeyRequest(name="chat", scopes=("chat",)))
        one, two = await sessions.begin(read), await sessions.begin(chat)
        assert await other.find(one) == read  # which was made after its process had begun
        assert await sessions.find(two) is None
        await keys.revoke(read.id)
        assert others.get(read.id) == read  # it has not heard of that
        assert await other.find(one) is None
        gone = await other.begin(Key("none", "none", frozenset({"admin"})))
        assert await sessions.find(gone) is None


async def test_who_is_vouched_for_is_in_while_the_lists_are_the_same(tmp_path: Path) -> None:
    before, after = listed("ana@example.org", "bo@example.org"), listed("bo@example.org")
    async with stored(tmp_path) as engine:
        found = await sides(engine, Clock(), before, before, after, None)
        id_ = await found[0][1].begin(ANA)
        assert [await sessions.find(id_) for _, sessions in found] == [ANA, ANA, None, None]


async def test_a_sign_in_comes_back_once_to_whichever_process(tmp_path: Path) -> None:
    clock = Clock()
    async with stored(tmp_path) as engine:
        [(_, one), (_, two)] = await sides(engine, clock)
        await one.redeem("state", SECONDS)
        await two.redeem("other", SECONDS)
        for sessions in (one, two):
            with pytest.raises(APIError, match="used before"):
                await sessions.redeem("state", SECONDS)
        clock.now = SECONDS  # it is good no more, and forgotten
        await two.redeem("state", SECONDS)


async def test_a_token_belongs_to_one_cookie_and_to_no_process() -> None:
    one, two = "a" * 43, "b" * 43
    assert matches(one, token(one)) and not matches(two, token(one))
    assert not matches("", "\ud83d") and one not in token(one)


async def test_where_the_store_is_gone_nobody_is_taken_for_signed_out(tmp_path: Path) -> None:
    async with stored(tmp_path) as engine:
        [(_, sessions), _] = await sides(engine, Clock())
        async with engine.begin() as connection:
            await connection.exec_driver_sql("DROP TABLE sessions")
        for call in (sessions.find("x"), sessions.end("x"), sessions.begin(ANA)):
            with pytest.raises(StorageError, match="session"):
                await call


def at(address: str) -> Served:
    """What a visitor needs to know of a gateway."""
    return cast(Served, SimpleNamespace(address=address))


@asynccontextmanager
async def two_processes(
    folder: Path, database: str, issuer: str
) -> AsyncGenerator[list[tuple[Path, Forked, str]], None]:
    """Two gateways on one PostgreSQL that sign people in with a provider."""
    names = ", ".join(f"{name} = {json.dumps(people)}" for name, people in LISTS.items())
    oidc = f'{{issuer = "{issuer}", client_id = "gate way", secret = "{SECRET}", {names}}}'
    dashboard = f'{{origin = "{ORIGIN}", oidc = {oidc}}}'
    found = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        file = configuration(folder / name, "http://127.0.0.1:9/v1", database, port=0)
        file.write_text(f"dashboard = {dashboard}\n{file.read_text()}")
        found.append((file, *(await begin(file))))
    yield found
    for _, process, _ in found:
        os.kill(process.pid, signal.SIGTERM)
        assert await process.wait() == 0


@needs_postgres
async def test_processes_on_one_store_have_their_sessions_in_common(
    database: str, tmp_path: Path, provider: IdentityProvider
) -> None:
    async with stored(database) as engine:
        _, secret = await (await Keys.open(engine)).create(ROOT)
    async with two_processes(tmp_path, database, provider.issuer) as both:
        one, two = (at(address) for _, _, address in both)
        async with Visitor(one) as visitor:

            async def is_in(gateway: Any) -> bool:
                visitor.gateway = gateway
                return "Sign out" in (await visitor.get()).text

            # The way to the provider begins at one process and comes back to the other, once.
            back = await way_back(visitor)
            visitor.gateway = two
            assert (await visitor.send("GET", back, allow_redirects=False)).status == 303
            assert await is_in(two) and await is_in(one)
            session = visitor.cookie(SESSION).value
            # A page of the first, and its form at the other.
            form = (await visitor.get()).token
            visitor.gateway = two
            made = await visitor.post("/keys", {"name": "n", "scopes": "chat"}, form)
            assert made.status == 201
            # One restarts, and nobody is signed out here or there.
            file, process, _ = both[0]
            os.kill(process.pid, signal.SIGTERM)
            assert await process.wait() == 0
            assert await is_in(two)
            both[0] = (file, *(await begin(file)))
            one = at(both[0][2])
            assert await is_in(one)
            # Signed out here is signed out there, even with the old cookie.
            visitor.gateway = one
            await visitor.post("/sign-out")
            visitor.http.cookie_jar.update_cookies({SESSION: session})
            assert not await is_in(two) and not await is_in(one)
            visitor.gateway = two
            again = await visitor.send("GET", back)
            assert again.status == 403 and "used before" in again.text
            assert "Sign out" in (await visitor.sign_in(secret)).text
            assert await is_in(one)
