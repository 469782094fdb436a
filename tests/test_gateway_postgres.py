"""The audit store in PostgreSQL: everything that the gateway does with one."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gateway_parts import COSTLY, MESSAGES, served
from gtalign.errors import ConfigError, StorageError
from gtalign.gateway.keys import KeyRequest, Keys
from gtalign.gateway.policies import Policies
from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.database import VERSION, open_store
from gtalign.gateway.store.export import jsonl, parquet
from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.hours import HOUR, roll_up
from gtalign.gateway.store.reader import Reader
from gtalign.gateway.store.record import now
from gtalign.gateway.store.writer import AuditWriter, Record
from gtalign.steering import Decision
from postgres_cluster import Cluster, database, needs_postgres, server
from standins import model
from store_parts import POLICY, decided, last_admin_stays, record, stored

__all__ = ["database", "server"]
pytestmark = needs_postgres


async def test_a_store_is_made_and_one_of_another_version_is_refused(database: str) -> None:
    async with stored(database) as engine, engine.begin() as connection:
        found = await connection.exec_driver_sql("SELECT indexname FROM pg_indexes")
        assert "decisions_sieve" in set(found.scalars())
        await connection.exec_driver_sql(f"UPDATE store SET version = {VERSION + 1}")
    with pytest.raises(ConfigError, match="install a later one"):
        await open_store(AuditSettings(database=database))


async def test_a_new_store_may_be_opened_by_several_at_once(database: str) -> None:
    async def opening() -> None:
        async with stored(database):
            pass

    await asyncio.gather(*(opening() for _ in range(4)))


async def test_decisions_are_written_found_and_exported(database: str) -> None:
    decision = await decided()
    async with stored(database) as engine:
        writer, reader, start = AuditWriter(engine), Reader(engine), now()
        texts = {"prompt": '[{"role": "user", "content": "50% of \\u0000 it?"}]', "until": 2**60}
        for number in range(120):
            more = {"key_id": f"k{number % 3}", **(texts if number == 7 else {})}
            row = record(decision, f"a-{number:03}", start + number, **more)
            plain = dict(row.row) | {"flipped": number % 2 == 0, "status": "done"}
            if number % 2:
                spent = {"spent_tokens": 7, "spent_money": 0.5, "estimated": number == 1}
                plain |= spent
            writer.put(Record(plain, row.texts))
        await writer.put(Record(plain | {"status": "failed"}))  # in the place of the last
        first = await reader.page(Filter())
        second = await reader.page(Filter(), cursor=first.next)
        assert [r["id"] for r in (*first.rows, *second.rows)] == [
            f"a-{n:03}" for n in reversed(range(20, 120))
        ]

        async def ids(**which: Any) -> list[str]:
            return [r["id"] for r in (await reader.page(Filter(**which), limit=200)).rows]

        assert len(await ids(key_id="k1")) == len(await ids(key_id="k1", mode="advise")) == 40
        assert len(await ids(key_id="k1", flipped=True, policy="per-token")) == 20
        assert await ids(status="failed") == ["a-119"]
        assert await ids(since=start + 118, policy_hash=POLICY.hash) == ["a-119", "a-118"]
        assert await ids(before="AQ", steered=True) == await ids(acted="AQ") == []
        assert await ids(search="50% of") == ["a-007"]
        assert await ids(search="a-01", flipped=False) == [f"a-01{n}" for n in (9, 7, 5, 3, 1)]
        lines = [json.loads(x) async for x in jsonl(reader, Filter(), transcripts=False)]
        assert len(lines) == 120
        assert Decision.from_json(lines[0]["decision"]).edited == decision.edited
        [kept] = [json.loads(x) async for x in jsonl(reader, Filter(), transcripts=True)]
        assert kept["completion"] == "It is."
        file = b"".join([chunk async for chunk in parquet(reader, Filter())])
        assert pq.read_table(io.BytesIO(file)).num_rows == 120
        assert {key: found for key, _, found in await reader.spent(start)} == {
            f"k{n}": Spent(140, 10.0, int(n == 1)) for n in range(3)
        }
        unknown = await reader.open(start, before=now())
        assert {(one.key_id, one.answers, one.read) for one in unknown} == {
            (f"k{n}", 20, 20 * lines[1]["prompt_tokens"]) for n in range(3)
        }
        await writer.close()


async def test_sums_and_hours(database: str) -> None:
    decision = await decided()
    async with stored(database) as engine:
        writer, reader = AuditWriter(engine), Reader(engine)
        base = now() // HOUR * HOUR - 100 * HOUR
        for number in range(40):
            row = dict(record(decision, f"a-{number}", base + number * HOUR // 10).row)
            writer.put(Record(row | {"saved_money": 0.5, "user_payoff": 1.5}))
        await writer.settled()
        plain = await reader.overview(Filter(policy="per-token"))
        assert plain.answers == {"done": 40} and plain.saved_money == 20.0
        assert await roll_up(engine, now=base + 3 * HOUR) == 2
        assert await reader.overview(Filter(policy="per-token")) == plain
        await writer.put(record(decision, "late", base + 1))
        assert (await reader.overview(Filter())).answers == {"done": 41}
        await writer.close()


async def test_texts_are_deleted_when_their_time_is_over(database: str) -> None:
    decision = await decided()
    async with stored(database) as engine:
        writer = AuditWriter(engine)
        for id_, until in (("old", 1), ("new", 2**60)):
            await writer.put(record(decision, id_, now(), prompt="[]", until=until))
        writer._cleaned = -1e9
        await writer._clean()
        await writer.close()
        old, new = [await Reader(engine).decision(id_) for id_ in ("old", "new")]
        assert old is not None and old["answer"] is None
        assert new is not None and new["answer"] == "It is."


async def test_what_has_to_be_kept_waits_for_the_server(server: Cluster, database: str) -> None:
    decision = await decided()
    async with stored(database) as engine:
        writer = AuditWriter(engine, retry=0.01)
        await writer.put(record(decision, "before", 1))
        server.stop()
        try:
            with pytest.raises(StorageError, match="could not be written"):
                await writer.put(record(decision, "kept", 2), keep=True)
            assert writer.down is not None and writer.waiting == 1
        finally:
            server.start()
        while writer.down is not None or writer.waiting:
            await asyncio.sleep(0)
        await writer.close()
        page = await Reader(engine).page(Filter())
        assert [row["id"] for row in page.rows] == ["kept", "before"]


async def test_keys_and_policies(database: str, tmp_path: Path) -> None:
    costly = tmp_path / "costly.toml"
    costly.write_text(COSTLY)
    async with stored(database) as engine:
        keys = await Keys.open(engine)
        key, secret = await keys.create(KeyRequest(name="k", scopes=("chat", "admin")))
        other, _ = await keys.create(KeyRequest(name="other"))
        await keys.revoke(other.id)
        policies = await Policies.open(engine, [str(costly), "subscription"], None)
        await policies.put(policies.get("costly").model_copy(update={"payer": "nobody"}))
        await policies.remove("subscription")
        again = await Keys.open(engine)
        assert again.find(secret) == key and len(again.all()) == 2
        found = await Policies.open(engine, [str(costly)], None)
        assert found.names() == ("costly",) and found.get("costly").payer == "nobody"
        assert await found.version(POLICY.hash) is None


async def test_the_last_admin_stays_whoever_else_revokes_another(database: str) -> None:
    async with stored(database) as one, stored(database) as two:
        await last_admin_stays(one, two)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_chat(database: str, tmp_path: Path, stream: bool) -> None:
    async with served(tmp_path, audit={"database": database, "texts": True}) as gateway:
        answer = await gateway.ask(stream=stream)
        if stream:
            text = "".join([c.choices[0].delta.content or "" async for c in answer])
        else:
            text = answer.choices[0].message.content
        assert text == model.RESPONSES["DA"]
        [found] = await gateway.records()
        assert (found["status"], found["flipped"], found["prompt"]) == ("done", True, MESSAGES)
        status, told = await gateway.get(f"/v1/decisions/{found['id']}")
        assert status == 200 and told["decision"]["after"]["action"] == "DA"
        assert (await gateway.get("/admin/overview"))[1]["answers"] == {"done": 1}
