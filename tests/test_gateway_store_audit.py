"""The audit store: group commit, what happens while it is down, reading and exporting."""

import asyncio
import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, select

from gateway_parts import MESSAGES, served
from gtalign.errors import ConfigError, DataError, StorageError
from gtalign.gateway.keys import Keys
from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.database import VERSION, open_store
from gtalign.gateway.store.hours import HOUR, keep_rolling, roll_up
from gtalign.gateway.store.reader import Filter, Reader
from gtalign.gateway.store.record import AnswerLog, record_of
from gtalign.gateway.store.sums import Overview
from gtalign.gateway.store.tables import decisions, hours, metadata
from gtalign.gateway.store.writer import AuditWriter, Record
from gtalign.steering import Decision
from gtalign.transcripts import Transcript
from standins import model
from store_parts import POLICY, decided, record, stored


def lock(folder: Path) -> sqlite3.Connection:
    """Lock the database, as another process may."""
    connection = sqlite3.connect(folder / "audit.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def test_records_that_come_together_share_a_transaction(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine, batch=64)
        commits = 0
        commit = writer._commit

        async def counted(records: Any) -> None:
            nonlocal commits
            commits += 1
            await commit(records)

        writer._commit = counted  # type: ignore[method-assign]
        await asyncio.gather(*(writer.put(record(decision, f"a-{n}")) for n in range(200)))
        assert commits <= 5
        assert (writer.written, writer.waiting, writer.down) == (200, 0, None)
        await writer.close()
        page = await Reader(engine).page(Filter(), limit=500)
        assert len(page.rows) == 200
        with pytest.raises(StorageError, match="closed"):
            await writer.put(record(decision, "late"))


async def test_a_later_record_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine)
        first = writer.put(record(decision, "a", key_id="one"))
        await writer.put(record(decision, "a", key_id="two"))
        assert first.done()
        await writer.close()
        found = await Reader(engine).decision("a")
        assert found is not None and found["key_id"] == "two"
        assert await Reader(engine).decision("b") is None


async def test_what_has_to_be_kept_is_written_when_the_store_is_back(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path, busy_seconds=0.01) as engine:
        writer = AuditWriter(engine, retry=0.01)
        await writer.put(record(decision, "before"))
        other = lock(tmp_path)
        with pytest.raises(StorageError, match="locked"):
            await writer.put(record(decision, "lost"))
        with pytest.raises(StorageError, match="locked"):
            await writer.put(record(decision, "kept"), keep=True)
        assert writer.down is not None and writer.waiting == 1
        other.close()
        while writer.down is not None or writer.waiting:
            await asyncio.sleep(0)
        assert await Reader(engine).decision("kept") is not None
        assert await Reader(engine).decision("lost") is None
        other = lock(tmp_path)
        with pytest.raises(StorageError):
            await writer.put(record(decision, "dropped"), keep=True)
        await writer.close()
        assert writer.dropped == 1
        other.close()


async def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine, batch=3)
        for number in range(10):
            writer.put(record(decision, str(number)))
        await writer.close()
        assert len((await Reader(engine).page(Filter())).rows) == 10


async def test_texts_are_deleted_when_their_time_is_over(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine)
        for id_, until in (("old", 1), ("new", 2**60)):
            kept = AnswerLog(id_, 1, "r", "", POLICY, False, prompt="[]", until=until)
            kept.status, kept.answer = "done", "text \ud800\x00"
            await writer.put(record_of(decision, kept))
        writer._cleaned = -1e9
        await writer._clean()
        await writer.close()
        old, new = [await Reader(engine).decision(id_) for id_ in ("old", "new")]
        assert old is not None and old["answer"] is None
        assert new is not None and new["answer"] == "text ?\N{REPLACEMENT CHARACTER}"


async def test_while_the_store_is_down_nothing_is_answered_unless_configured(
    tmp_path: Path,
) -> None:
    audit = {"busy_seconds": 0.01}
    async with served(tmp_path, audit=audit) as gateway:
        other = lock(tmp_path)
        for stream in (False, True, False):
            with pytest.raises(openai.InternalServerError) as caught:
                await gateway.ask(stream=stream)
            assert caught.value.status_code == 503
            assert caught.value.response.headers["retry-after"]
        assert (await gateway.get("/readyz"))[0] == 503
        other.close()
        while gateway.gateway.writer.down is not None:
            await asyncio.sleep(0.01)
        assert (await gateway.get("/readyz"))[0] == 200
        await gateway.ask()
        # Those that failed while it was down are on record, too.
        statuses = [record["status"] for record in await gateway.records()]
        assert statuses[0] == "done" and set(statuses[1:]) == {"failed"}


async def test_what_an_admin_wants_of_a_store_that_is_down_is_told(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"busy_seconds": 0.01}) as gateway:
        wanted = {"name": "root", "scopes": ["admin"]}
        with closing(lock(tmp_path)):
            status, headers, told = await gateway.post(wanted, "/admin/keys")
            assert (status, told["error"]["code"]) == (503, "store_unavailable")
            assert told["error"]["message"].startswith("a key could not be written: ")
            assert headers["retry-after"]
            policy = f"{gateway.address}/admin/policies/subscription"
            async with gateway.http.delete(policy) as answer:
                assert answer.status == 503
                assert "a policy could not be removed" in await answer.text()
        assert (await gateway.post(wanted, "/admin/keys"))[0] == 201


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_without_a_record_are_unsteered_and_say_so(
    tmp_path: Path, stream: bool
) -> None:
    audit = {"busy_seconds": 0.01, "when_down": "pass"}
    async with served(tmp_path, audit=audit) as gateway:
        other = lock(tmp_path)
        for _ in range(2):  # found out on the way, then known before
            answer = await gateway.ask(stream=stream)
            if stream:
                chunks = [chunk async for chunk in answer]
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
                about = chunks[-1].gtalign
            else:
                text, about = answer.choices[0].message.content, answer.gtalign
            assert text == model.RESPONSES["CQ"]
            assert (about["recorded"], about["steered"]) == (False, False)
        assert gateway.gateway.writer.down is not None
        assert (await gateway.get("/readyz"))[0] == 200  # requests are answered as configured
        other.close()


async def test_pages_filters_and_sums(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway:
        for number in range(5):
            name = "toy:subscription" if number % 2 else "toy"
            content = f"50%_ of <b>{number}</b>"
            await gateway.ask(model=name, messages=[{"role": "user", "content": content}])
        reader = gateway.gateway.reader
        seen: list[str] = []
        cursor = None
        while True:
            page = await reader.page(Filter(), limit=2, cursor=cursor)
            seen += [row["id"] for row in page.rows]
            cursor = page.next
            if cursor is None:
                break
        records = await gateway.records()
        assert seen == [record["id"] for record in records]
        assert [r["at"] for r in records] == sorted((r["at"] for r in records), reverse=True)

        async def count(**which: Any) -> int:
            return len((await reader.page(Filter(**which))).rows)

        assert await count(flipped=True) == await count(policy="costly") == 3
        assert await count(before="CQ") == 5
        assert await count(after="DA", acted="DA", steered=True, status="done") == 3
        assert await count(since=records[1]["at"]) == 2
        assert await count(until=records[1]["at"]) == 3
        assert await count(search="<b>3</b>") == 1
        assert await count(search="50%_") == 5
        assert await count(search="' OR 1=1 --") == await count(search="%%") == 0
        assert await count(key_id="'; DROP TABLE decisions; --") == 0
        with pytest.raises(DataError, match="cursor"):
            await reader.page(Filter(), cursor="1-x' OR ''='")
        sums = await reader.overview(Filter(since=0))
        assert sums.answers == {"done": 5}
        assert sums.actions == {("costly", "CQ", "DA"): 3, ("subscription", "CQ", "CQ"): 2}
        assert sums.flips == {"costly": 3, "subscription": 0}
        assert sums.acted == {"DA": 3, "CQ": 2}
        assert sums.saved_tokens > 0 and sums.written_tokens and sums.added_ms is not None
        assert (await reader.overview(Filter(policy="none"))).user_payoff is None


async def test_exports(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway:
        await gateway.ask()
        await gateway.ask(model="toy:subscription")
        await gateway.gateway.writer.settled()
        url = f"{gateway.address}/admin/export"
        async with gateway.http.get(url, params={"flipped": "true"}) as answer:
            lines = (await answer.text()).splitlines()
            [record] = [json.loads(line) for line in lines]
        assert Decision.from_json(record["decision"]).flipped
        async with gateway.http.get(url, params={"transcripts": "true"}) as answer:
            transcripts = [
                Transcript.from_json(json.loads(line))
                for line in (await answer.text()).splitlines()
            ]
        assert [t.decision["policy"] for t in transcripts if t.decision] == [
            "subscription",
            "costly",
        ]
        assert list(transcripts[0].prompt) == MESSAGES
        assert {(t.chain, t.unscored) for t in transcripts} == {(None, "not judged")}
        async with gateway.http.get(url, params={"format": "parquet"}) as answer:
            table = pq.read_table(io.BytesIO(await answer.read()))
        assert table.num_rows == 2
        assert json.loads(table["decision"][0].as_py())["policy"] == "subscription"
        for query in ({"format": "csv"}, {"transcripts": "1"}, {"nothing": "x"}):
            async with gateway.http.get(url, params=query) as answer:
                assert answer.status == 400


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (VERSION + 1, "has version 9; this gtalign knows 8: install a later one"),
        (7, "has version 7, which no release of gtalign wrote; this one knows 8: move"),
        (0, "has version 0"),
    ],
)
async def test_a_store_of_another_version_is_refused_and_left_alone(
    tmp_path: Path, version: int, told: str
) -> None:
    async with stored(tmp_path):
        pass
    path = tmp_path / "audit.db"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version FROM store").fetchall() == [(VERSION,)]
        connection.execute("UPDATE store SET version = ?", [version])
        connection.execute("DROP TABLE rolled")
        connection.commit()
    with pytest.raises(ConfigError, match=told) as caught:
        await open_store(AuditSettings(database=str(path)))
    assert str(path) in str(caught.value)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version FROM store").fetchall() == [(version,)]
        assert not connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'rolled'"
        ).fetchall()


async def test_a_store_whose_making_was_cut_off_is_made_whole(tmp_path: Path) -> None:
    async with stored(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "audit.db")
    connection.executescript("DELETE FROM store; DROP TABLE texts;")
    connection.close()
    async with stored(tmp_path) as engine:
        assert (await Reader(engine).page(Filter())).rows == []
    async with stored(tmp_path) as engine:
        assert await Reader(engine).decision("a") is None


async def test_a_new_store_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    async def opening(number: int) -> None:
        async with stored(tmp_path / str(number // 4)) as engine:
            await Keys.open(engine)

    await asyncio.gather(*(opening(number) for number in range(40)))


async def test_databases_that_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.db").write_text("no database" * 200)
    with pytest.raises(StorageError, match="not a database"):
        await open_store(AuditSettings(database=str(tmp_path / "text.db")))
    with pytest.raises(ConfigError, match="mysql"):
        await open_store(AuditSettings(database="mysql://x:secret@127.0.0.1/x"))
    for wrong in ("://", "postgresql+asyncpg://h:port/d"):
        with pytest.raises(ConfigError, match=r"audit\.database: no address of a database"):
            await open_store(AuditSettings(database=wrong))
    for driver in ("psycopg", "psycopg2"):  # either may be what SQLAlchemy takes unasked
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ConfigError) as caught:
        await open_store(AuditSettings(database="postgresql://x:secret@127.0.0.1/x"))
    told = str(caught.value)
    assert "reached by postgresql+asyncpg://..., with gtalign[serve,postgres] installed" in told
    assert "secret" not in told and "\n" not in told
    with pytest.raises(ConfigError, match=r"sqlite is reached by sqlite\+aiosqlite://\.\.\."):
        await open_store(AuditSettings(database=f"sqlite:///{tmp_path}/x.db"))


WHICH: tuple[dict[str, Any], ...] = (
    *({}, {"policy": "p1"}, {"acted": "CQ", "flipped": True}),
    *({"key_id": "k"}, {"mode": "advise"}),
)
WHEN = [(None, None), (HOUR // 2, 4 * HOUR + 7), (5, 6)]
ASKED = [Filter(since=since, until=until, **which) for since, until in WHEN for which in WHICH]


async def test_sums_of_hours_are_those_of_their_decisions(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine)
        for number in range(60):
            row = dict(record(decision, f"a-{number}", at=number * HOUR // 10).row)
            row |= {"policy": f"p{number % 2}", "flipped": number % 3 == 0, "saved_money": 0.5}
            row["key_id"] = ("k", "l", "m")[number % 3]
            row |= {
                "acted": ("CQ", "DA")[number % 2],
                "user_payoff": number if number % 5 else None,
            }
            await writer.put(Record(row))
        reader = Reader(engine)

        async def overviews() -> list[Overview]:
            return [await reader.overview(asked) for asked in ASKED]

        plain = await overviews()
        assert await roll_up(engine, now=4 * HOUR) == 3  # the last is not settled
        assert await roll_up(engine, now=4 * HOUR) == 0
        assert await overviews() == plain
        # One that comes late undoes its hour, which is then summed anew.
        await writer.put(Record(row | {"id": "late", "at": HOUR, "acted": "CQ"}))
        more = await overviews()
        for before, after in zip(plain, more, strict=True):
            assert sum(after.answers.values()) - sum(before.answers.values()) in (0, 1)
        assert await roll_up(engine, now=9 * HOUR) == 4
        while await roll_up(engine, now=9 * HOUR):
            pass
        assert await overviews() == more
        await writer.close()


async def test_two_processes_may_roll_up_the_same_hours(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path) as engine, stored(tmp_path) as other:
        writer = AuditWriter(engine)
        await writer.put(record(decision, "a"))
        await asyncio.gather(*(roll_up(one, now=9 * HOUR) for one in (engine, other, engine)))
        assert (await Reader(other).overview(Filter())).answers == {"done": 1}
        await writer.close()


async def test_a_search_goes_on_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtalign.gateway.store.reader.SEARCHED", 10)
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine)
        for number in range(25):
            asker = "needle" if number in (3, 24) else "hay"
            await writer.put(record(decision, f"a-{number}", at=number, request_id=asker))
        reader = Reader(engine)
        pages, cursor = [], None
        while True:
            page = await reader.page(Filter(search="needle"), cursor=cursor)
            pages.append([row["id"] for row in page.rows])
            cursor = page.next
            if cursor is None:
                break
        assert pages == [["a-24"], [], ["a-3"]]
        named = await reader.page(Filter(search="a-2"))
        assert [row["id"] for row in named.rows] == ["a-2"] and named.next is None
        assert len([r async for r in reader.all(Filter(search="needle"))]) == 2
        await writer.close()


async def test_a_new_store_has_every_table_and_index(tmp_path: Path) -> None:
    async with stored(tmp_path) as engine, engine.connect() as connection:
        found = set((await connection.exec_driver_sql("SELECT name FROM sqlite_master")).scalars())
        counts = await connection.exec_driver_sql("SELECT what, count FROM changes ORDER BY what")
        assert counts.all() == [("keys", 0), ("policies", 0)]
    assert {*metadata.tables, "decisions_sieve"} <= found


async def test_hours_without_decisions_are_passed_over_at_once(tmp_path: Path) -> None:
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine)
        for number in (0, 1, 1000, 1001):
            await writer.put(record(decision, f"a-{number}", at=number * HOUR + 5))
        assert await roll_up(engine, now=1004 * HOUR) == 1002  # four of them hold decisions
        assert await roll_up(engine, now=1004 * HOUR) == 1
        async with engine.connect() as connection:
            held = set((await connection.execute(select(hours.c.hour))).scalars())
        assert held == {number * HOUR for number in (0, 1, 1000, 1001)}
        assert (await Reader(engine).overview(Filter())).answers == {"done": 4}
        await writer.close()


async def test_hours_that_cannot_be_rolled_up_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stored(tmp_path) as engine:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("DROP TABLE rolled")
        async with engine.begin() as connection:
            await connection.execute(insert(decisions), dict(record(await decided(), "a").row))
        task = asyncio.create_task(keep_rolling(engine))
        while "hours could not be rolled up" not in caplog.text:
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
