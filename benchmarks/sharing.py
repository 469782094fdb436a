"""Requests a second that processes on one PostgreSQL let in together, against bare transactions.

    python benchmarks/sharing.py postgresql+asyncpg://... [--processes 2] [--seconds 5]

Each process lets requests of one key in, counts what they take under one policy, and lets them out,
with nothing between: all of them wait for the same two rows, which is the worst case. The limit is
the number of transactions a second that change one row, without any logic.
"""

import argparse
import asyncio
import multiprocessing
import time
from dataclasses import replace

from sqlalchemy import text

from gtalign.gateway.keys import ANYONE
from gtalign.gateway.model_settings import UpstreamSettings
from gtalign.gateway.settings import AuditSettings, GatewayConfig
from gtalign.gateway.sharing import SharedLimits
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.processes import beat, new_id

ROW = "policy:benchmark"


async def shared(url: str, seconds: float, at_once: int) -> tuple[int, list[float]]:
    """Requests that one process lets in, and the seconds that each waited."""
    engine = await open_store(AuditSettings(database=url))
    config = GatewayConfig(upstream=UpstreamSettings(address="none"))
    process, key, waits = new_id(), replace(ANYONE, id="benchmark"), []
    limits = SharedLimits(config, engine, process, tuple)
    await beat(engine, process)
    end = time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            async with limits.admitted(key):
                waits.append(time.perf_counter() - began)
                limits.spend(key, Spent(10, 0.001), "benchmark")

    await asyncio.gather(*(client() for _ in range(at_once)))
    await limits.aclose()
    await engine.dispose()
    return len(waits), sorted(waits)


async def bare(url: str, seconds: float) -> int:
    """Transactions of one connection that change one row."""
    engine = await open_store(AuditSettings(database=url))
    statement = text(f"UPDATE uses SET tokens = tokens + 1 WHERE owner = '{ROW}'")
    done, end = 0, time.perf_counter() + seconds
    async with engine.connect() as connection:
        while time.perf_counter() < end:
            async with connection.begin():
                await connection.execute(statement)
            done += 1
    await engine.dispose()
    return done


def work(given: tuple[str, float, int]) -> tuple[int, list[float]]:
    return asyncio.run(shared(*given))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of a database that is for this alone")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=32, help="requests of each process")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    work((given.url, 0.5, 1))  # makes the tables and the rows
    rate = asyncio.run(bare(given.url, given.seconds)) / given.seconds
    print(f"{'bare transactions':<40} {rate:8.0f} a second")
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for at_once in (1, given.at_once):
            each = [(given.url, given.seconds, at_once)] * given.processes
            found = pool.map(work, each)
            total = sum(count for count, _ in found) / given.seconds
            waits = sorted(wait for _, many in found for wait in many)
            median, late = (waits[int(len(waits) * q)] * 1000 for q in (0.5, 0.95))
            name = f"let in, {given.processes} processes x {at_once} at once"
            times = f"{total / rate:.2f}x; waited {median:.1f} ms, 95% {late:.1f} ms"
            print(f"{name:<40} {total:8.0f} a second, {times}")


if __name__ == "__main__":
    main()
