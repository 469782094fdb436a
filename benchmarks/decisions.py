"""How long a page of decisions takes among a million, and sums over a month of them.

    python benchmarks/decisions.py [--rows 1000000]

The limit is 100 ms a page. Rows are as large as the gateway's own, and spread over thirty days; the
prompts and answers of the latest tenth are kept. Each time is the median of several, on a store
that the machine has just written and so holds in memory as far as it can. It takes about 5 GiB of
the disk for some minutes.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from audit import decided, record

from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.hours import roll_up
from gtalign.gateway.store.reader import Reader
from gtalign.gateway.store.tables import decisions

LIMIT = 100.0  # ms
HOUR = 3600 * 1_000_000
MONTH = 30 * 24 * HOUR


def rows(sample: dict[str, Any], count: int) -> Iterator[tuple[Any, ...]]:
    for number in range(count):
        failed = number % 1000 == 0
        flipped = number % 10 == 0
        yield tuple(
            {
                **sample,
                "id": f"chatcmpl-{number * 2654435761 % 2**32:08x}{number:024x}",
                "at": MONTH * number // count,
                "key_id": f"key-{number % 20}" if number % 5000 else "rare",
                "policy": ("per-token", "subscription")[number % 2],
                "policy_hash": f"{number % 4:016x}",
                "status": "failed" if failed else "done",
                "error": "the engine broke off" if failed else None,
                "before_action": ("CQ", "DA", "AQ")[number % 3],
                "after_action": "DA" if flipped else ("CQ", "DA", "AQ")[number % 3],
                "acted": ("CQ", "DA", "AQ")[number // 3 % 3],
                "flipped": flipped,
                "steered": number % 50 != 0,
            }.values()
        )


def fill(path: Path, sample: dict[str, Any], count: int) -> None:
    """Write the rows by hand, the indexes at the end."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
    indexes = {name: sql for name, sql in found if sql and name.startswith("decisions_")}
    for name in indexes:
        connection.execute(f"DROP INDEX {name}")
    marks = ", ".join("?" * len(decisions.c))
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO decisions VALUES ({marks})", rows(sample, count))
    kept = 'SELECT id, at, \'[{"role":"user","content":"\' || id || \'"}]\', \'It is.\''
    connection.execute(f"INSERT INTO texts {kept} FROM decisions WHERE rowid > {count * 9 // 10}")
    connection.execute("COMMIT")
    for sql in indexes.values():
        connection.execute(sql)
    connection.close()


async def median(ask: Callable[[], Awaitable[Any]], times: int = 5) -> tuple[float, Any]:
    """Milliseconds of asking, and what came of it."""
    spent, answer = [], None
    for _ in range(times):
        began = time.perf_counter()
        answer = await ask()
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent), answer


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    sample = dict(record(await decided(), 0).row)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "decisions.db"
        engine = await open_store(AuditSettings(database=str(path)))
        fill(path, sample, count)
        print(f"{count:,} decisions, {path.stat().st_size / 2**30:.1f} GiB\n")
        reader = Reader(engine)
        began = time.perf_counter()
        rolled = 0
        while more := await roll_up(engine, now=MONTH):
            rolled += more
        print(f"{rolled} hours rolled up in {time.perf_counter() - began:.1f} s\n")

        middle = (await reader.page(Filter(until=MONTH // 2), limit=1)).next
        pages: dict[str, tuple[Filter, str | None]] = {
            "first page": (Filter(), None),
            "page in the middle": (Filter(), middle),
            "a day": (Filter(since=MONTH // 2, until=MONTH // 2 + 24 * HOUR), None),
            "key": (Filter(key_id="key-3"), None),
            "key with 200": (Filter(key_id="rare"), None),
            "policy": (Filter(policy="per-token"), None),
            "hash": (Filter(policy_hash=f"{1:016x}"), None),
            "status failed": (Filter(status="failed"), None),
            "mode": (Filter(mode="advise"), None),
            "mode of none": (Filter(mode="observe"), None),
            "before": (Filter(before="AQ"), None),
            "after": (Filter(after="AQ"), None),
            "acted": (Filter(acted="AQ"), None),
            "flipped": (Filter(flipped=True), None),
            "not steered": (Filter(steered=False), None),
            "several": (Filter(key_id="key-3", acted="DA", policy="subscription"), None),
            "several, in the middle": (Filter(key_id="key-3", acted="DA"), middle),
            "several that none passes": (Filter(key_id="key-1", policy="per-token"), None),
            "several without a key, of none": (Filter(status="failed", flipped=False), None),
            "several of a day that none passes": (
                Filter(since=MONTH // 2, until=MONTH // 2 + 24 * HOUR, key_id="a", acted="DA"),
                None,
            ),
            "search, in many": (Filter(search="user"), None),
            "search, in none": (Filter(search="no such text"), None),
            "search, filtered": (Filter(search="broke off", status="failed"), None),
            "search of an id": (Filter(search=middle.partition("-")[2] if middle else ""), None),
        }
        print(f"{'page of 50':<36} {'ms':>8} {'of the limit':>13} {'rows':>6}")
        for kind, (which, cursor) in pages.items():
            spent, page = await median(lambda w=which, c=cursor: reader.page(w, cursor=c))
            print(f"{kind:<36} {spent:8.1f} {spent / LIMIT:12.2f}x {len(page.rows):6}")

        print(f"\n{'sums':<36} {'ms':>8} {'of the limit':>13}")
        for kind, which in {
            "last hour": Filter(since=MONTH - HOUR),
            "last day": Filter(since=MONTH - 24 * HOUR),
            "last month": Filter(since=1),
            "last month of a key": Filter(since=1, key_id="key-3"),
        }.items():
            spent, _ = await median(lambda w=which: reader.overview(w))
            print(f"{kind:<36} {spent:8.1f} {spent / LIMIT:12.2f}x")
            spent, _ = await median(lambda w=which: reader.series(w, now=MONTH))
            print(f"{kind + ', over time':<36} {spent:8.1f} {spent / LIMIT:12.2f}x")
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
