"""Rolled-up hours: what they say is what the decisions say, whoever writes at the same time."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.gateway.store import hours
from gtalign.gateway.store.hours import HOUR, roll_up
from gtalign.gateway.store.reader import Filter, Reader
from gtalign.gateway.store.sink import EngineSink
from gtalign.gateway.store.writer import AuditWriter, Record
from postgres_cluster import cluster, programs
from store_parts import decided, record, stored

POSTGRES = programs()
needs_postgres = pytest.mark.skipif(POSTGRES is None, reason="no PostgreSQL here (initdb, pg_ctl)")
SEEDS = range(4)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        yield tmp_path
        return
    assert POSTGRES is not None
    with cluster(POSTGRES) as server:
        yield server.url("postgres")


async def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Decisions of some hours, of which few pass several filters."""
    drawn = random.Random(seed)
    sample = dict(record(await decided(), "x").row)
    found = []
    for number in range(count):
        found.append(
            sample
            | {
                "id": f"a-{number:04}",
                "at": drawn.randrange(12) * HOUR + drawn.choice((0, 1, HOUR // 2, HOUR - 1)),
                "key_id": drawn.choice(("k", "k", "k", "l")),
                "policy": drawn.choice("pq"),
                "mode": drawn.choice(("advise", "advise", "enforce")),
                "acted": drawn.choice(("CQ", "DA", None)),
                "status": drawn.choice(("done", "done", "done", "failed")),
            }
        )
    return found


async def put(engine: AsyncEngine, *found: dict[str, Any]) -> None:
    writer = AuditWriter(engine)
    await asyncio.gather(*(writer.put(Record(row)) for row in found))
    await writer.close()


async def paged(reader: Reader, which: Filter, limit: int) -> list[str]:
    ids, cursor = [], None
    while True:
        page = await reader.page(which, limit=limit, cursor=cursor)
        assert len(page.rows) == limit or page.next is None
        ids += [row["id"] for row in page.rows]
        cursor = page.next
        if cursor is None:
            return ids


@pytest.mark.parametrize("seed", SEEDS)
async def test_pages_hold_what_passes_whatever_is_rolled_up(tmp_path: Path, seed: int) -> None:
    drawn = random.Random(seed)
    made = await rows(200, seed)
    made.sort(key=lambda row: (row["at"], row["id"]), reverse=True)
    async with stored(tmp_path) as engine:
        await put(engine, *made[20:])
        await roll_up(engine, now=drawn.randrange(2, 16) * HOUR)
        await put(engine, *made[:20])  # some of them late
        reader = Reader(engine)
        filters = [
            Filter(key_id="l", policy="p"),
            Filter(key_id="l", mode="enforce", acted="CQ"),
            Filter(mode="enforce"),
            Filter(mode="observe"),
            Filter(status="failed", policy="q", acted="DA"),
        ]
        for which in filters:
            for since, until in ((None, None), (HOUR // 2, 7 * HOUR + 1), (3 * HOUR, 3 * HOUR)):
                asked = replace(which, since=since, until=until)
                passing = [
                    row["id"]
                    for row in made
                    if (since or 0) <= row["at"] < (until or 99 * HOUR)
                    and all(row[n] == v for n, v in wanted(which).items())
                ]
                for limit in (1, 3, 500):
                    assert await paged(reader, asked, limit) == passing
                found = await reader.overview(asked)
                assert sum(found.answers.values()) == len(passing)


def wanted(which: Filter) -> dict[str, Any]:
    names = ("key_id", "policy", "mode", "acted", "status")
    return {name: getattr(which, name) for name in names if getattr(which, name) is not None}


@asynccontextmanager
async def hooked(
    monkeypatch: pytest.MonkeyPatch, name: str, meanwhile: Callable[[], Any]
) -> AsyncGenerator[None, None]:
    """Do something at one point of a roll-up."""
    done = getattr(hours, name)

    async def with_it(*given: Any) -> Any:
        found = await done(*given)
        await meanwhile()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(hours, name, with_it)
        yield


async def test_a_decision_that_comes_while_its_hour_is_chosen_is_summed(
    where: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last, between = (await rows(3, 0))[:3]
    async with stored(where) as engine:
        await put(engine, first | {"at": 0}, last | {"at": 5 * HOUR})

        async def late() -> None:
            await put(engine, between | {"at": 2 * HOUR})

        async with hooked(monkeypatch, "_chosen", late):
            assert await roll_up(engine, now=9 * HOUR) == 8
        assert sum((await Reader(engine).overview(Filter())).answers.values()) == 3


async def test_a_decision_that_comes_while_its_hour_is_summed_undoes_that(
    where: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = (await rows(2, 0))[:2]
    async with stored(where) as engine, stored(where) as other:
        await put(engine, first | {"at": 0})
        writing: list[asyncio.Task[None]] = []

        async def late() -> None:
            """Write until that is done, or waits for the roll-up."""
            sink = EngineSink(other)
            writing.append(asyncio.create_task(sink.write([last | {"at": 1}], [])))
            lite = engine.dialect.name == "sqlite"
            while not (lite or writing[0].done()):
                async with engine.connect() as connection:
                    if await waits(connection):
                        break

        async with hooked(monkeypatch, "_sum_up", late):
            assert await roll_up(engine, now=9 * HOUR) > 0
        await asyncio.gather(*writing)
        reader = Reader(engine)
        for _ in range(2):
            for which in (Filter(), Filter(key_id="k"), Filter(key_id="l")):
                keys = [r["key_id"] for r in (first, last) if which.key_id in (None, r["key_id"])]
                assert sum((await reader.overview(which)).answers.values()) == len(keys)
            while await roll_up(engine, now=9 * HOUR):
                pass


async def waits(connection: AsyncConnection) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    return bool((await connection.execute(text(query))).scalar())


async def test_a_clock_that_was_wrong_leaves_no_wrong_sums(where: Any) -> None:
    """It jumps ahead, hours are rolled up that are not over, and it jumps back."""
    made = await rows(40, 0)
    async with stored(where) as engine:
        await put(engine, *made[:20])
        while await roll_up(engine, now=99 * HOUR):
            pass
        await put(engine, *made[20:])
        found = await Reader(engine).overview(Filter())
        assert sum(found.answers.values()) == len(made)
