"""Two gateways on one database: what is changed at the one holds at the other."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert

from gateway_parts import MESSAGES, Served, served
from gtalign.gateway.keys import Keys
from gtalign.gateway.store.changes import changed, watch
from gtalign.gateway.store.tables import policies
from store_parts import last_admin_stays, stored

SOON = {"watch_seconds": 0.01}
BODY = {"model": "toy", "messages": MESSAGES}


@asynccontextmanager
async def two(folder: Path) -> AsyncGenerator[tuple[Served, Served], None]:
    async with served(folder, audit=SOON) as one, served(folder, audit=SOON) as other:
        yield one, other


async def until(seen: Callable[[], bool]) -> None:
    while not seen():
        await asyncio.sleep(0)


async def test_a_key_is_good_everywhere_and_dies_everywhere(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        assert (await other.post(BODY))[0] == 200  # nobody needs a key yet
        admin, secret = await one.key(name="admin")
        await until(lambda: other.gateway.keys.required)
        assert (await other.post(BODY))[0] == 401
        given = {"Authorization": f"Bearer {secret}"}
        assert (await other.post(BODY, **given))[0] == 200
        _, second = await other.key(name="second")
        await other.gateway.keys.revoke(admin.id)
        await until(lambda: one.gateway.keys.find(secret) is None)
        assert (await one.post(BODY, **given))[0] == 401
        assert (await one.post(BODY, Authorization=f"Bearer {second}"))[0] == 200


async def test_what_is_not_seen_yet_is_read_before_it_matters(tmp_path: Path) -> None:
    late = {"watch_seconds": 1000.0}
    async with served(tmp_path, audit=late) as one, served(tmp_path, audit=late) as other:
        await one.key(name="admin")
        # It is not the first key, which would have to be an admin's.
        await other.key(name="second", scopes=["chat"])
        assert [key.name for key in other.gateway.keys.all()] == ["admin", "second"]


async def test_the_last_admin_stays_whoever_else_revokes_another(tmp_path: Path) -> None:
    """Two are left, and two processes revoke one each at the same time."""
    async with stored(tmp_path) as one, stored(tmp_path) as two:
        await last_admin_stays(one, two)


async def test_a_policy_holds_everywhere(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        policies = one.gateway.policies
        before = policies.get("costly")
        changed = before.model_copy(update={"utility_of_money": 1.0})
        await policies.put(changed)
        await until(lambda: other.gateway.policies.get("costly") != before)
        _, headers, _ = await other.post(BODY)
        assert headers["x-gtalign-policy-hash"] == changed.hash
        assert headers["x-gtalign-after"] == "CQ"
        await policies.remove("subscription")
        await until(lambda: other.gateway.policies.names() == ("costly",))
        status, _, told = await other.post(BODY | {"model": "toy:subscription"})
        assert (status, told["error"]["code"]) == (404, "policy_not_found")


async def test_the_default_stays_where_another_process_removes_it(tmp_path: Path) -> None:
    async with (
        served(tmp_path, audit=SOON) as one,
        served(tmp_path, audit=SOON, default_policy="subscription") as other,
    ):
        await other.gateway.policies.remove("costly")
        await one.gateway.policies.put(one.gateway.policies.get("subscription"))
        await one.gateway.policies.reload()
        assert one.gateway.policies.names() == ("costly", "subscription")
        assert (await one.post(BODY))[0] == 200


async def test_a_store_that_cannot_be_read_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0

    def told() -> list[str]:
        messages = (record.getMessage() for record in caplog.records)
        return [m for m in messages if "changes of keys and policies cannot be seen" in m]

    async with stored(tmp_path) as engine:
        keys = await Keys.open(engine)
        async with engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE changes RENAME TO gone")

        @event.listens_for(engine.sync_engine, "before_execute")
        def look(*given: Any) -> None:
            nonlocal looks
            looks += 1

        task = asyncio.create_task(watch(engine, {"keys": keys.reload}, 0.0))
        await until(lambda: looks > 3)
        assert len(told()) == 1
        async with engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE gone RENAME TO changes")
        seen = looks
        await until(lambda: looks > seen + 3)  # it goes on
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(told()) == 1


async def test_a_key_dies_even_beside_a_policy_that_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one with a key of a later version: nothing else may be missed for it."""
    async with two(tmp_path) as (one, other):
        await one.key(name="admin")
        _, secret = await one.key(name="second")
        await until(lambda: other.gateway.keys.find(secret) is not None)
        body = '{"name": "later", "payer": "user", "new": 1}'
        row = {"name": "later", "hash": "h", "body": body, "origin": "admin", "created": 0}
        async with one.gateway.store.begin() as connection:
            await connection.execute(insert(policies).values(**row, active=True))
            await changed(connection, "policies")
        with pytest.raises(ValueError):
            await other.gateway.policies.reload()
        await until(lambda: "cannot be seen" in caplog.text)
        found = other.gateway.keys.find(secret)
        assert found is not None
        await one.gateway.keys.revoke(found.id)
        async with asyncio.timeout(5):
            await until(lambda: other.gateway.keys.find(secret) is None)
