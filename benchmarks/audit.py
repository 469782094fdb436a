"""How many decisions a second the audit store takes.

    python benchmarks/audit.py [--records 20000]

The limit is the same rows written by sqlite3 itself in transactions of the same size, in one run.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.record import AnswerLog, record_of
from gtalign.gateway.store.writer import AuditWriter, Record
from gtalign.steering import Ask, Decision, FakeBackend, Session, Steering, load_policy

POLICY = load_policy("per-token", ["utility_of_money=700"])
OPENING = (
    "<thinking>It is vague.</thinking><payoff>{"
    '"DQ_AQ":{"LLM":3,"user":3},"DQ_CQ":{"LLM":1,"user":1},'
    '"DQ_DA":{"LLM":2,"user":2},"VQ_AQ":{"LLM":1,"user":1},"VQ_CQ":{"LLM":4,"user":3.5},'
    '"VQ_DA":{"LLM":1,"user":1}}</payoff>'
)
REST = "<analyze>choose DQ_DA.</analyze><response>It is 42.</response>"
BATCH = 512


async def decided() -> Decision:
    backend = FakeBackend(lambda messages, text: "It is.</analyze>" if text else OPENING + REST)
    ask = Ask(({"role": "user", "content": "How many?"},))
    return (await Session(Steering(backend, POLICY), ask).answer()).decision


def record(decision: Decision, number: int) -> Record:
    log = AnswerLog(f"chatcmpl-{number:032x}", number, "r", "", POLICY, True, status="done")
    log.finish, log.first_ms, log.total_ms, log.added_ms = "stop", 1.0, 2.0, 0.5
    return record_of(decision, log)


async def through_the_writer(folder: Path, decision: Decision, count: int) -> float:
    engine = await open_store(AuditSettings(database=str(folder / "writer.db")))
    writer = AuditWriter(engine, batch=BATCH)
    began = time.perf_counter()
    for start in range(0, count, 2 * BATCH):  # as if so many were answered at once
        numbers = range(start, min(start + 2 * BATCH, count))
        await asyncio.gather(*(writer.put(record(decision, number)) for number in numbers))
    spent = time.perf_counter() - began
    await writer.close()
    await engine.dispose()
    return count / spent


async def by_hand(folder: Path, decision: Decision, count: int) -> float:
    path = folder / "hand.db"
    await (await open_store(AuditSettings(database=str(path)))).dispose()
    rows = [tuple(record(decision, number).row.values()) for number in range(count)]
    marks = ", ".join("?" * len(rows[0]))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = FULL")
    began = time.perf_counter()
    for start in range(0, count, BATCH):
        with connection:
            connection.executemany(
                f"INSERT INTO decisions VALUES ({marks})", rows[start : start + BATCH]
            )
    spent = time.perf_counter() - began
    connection.close()
    return count / spent


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=20_000)
    given = parser.parse_args()
    decision = await decided()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limit = await by_hand(folder, decision, given.records)
        rate = await through_the_writer(folder, decision, given.records)
        print(f"sqlite3 by hand    {limit:9.0f} decisions a second")
        print(f"through the writer {rate:9.0f} decisions a second ({rate / limit:.2f} of that)")


if __name__ == "__main__":
    asyncio.run(main())
