"""Mixed requests at a gateway of several processes, each of which is accounted for afterwards."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select, update

from forked import COMMAND, Forked
from gateway_parts import COSTLY, MESSAGES
from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.tables import decisions, processes, uses

CHAT: Any = {"model": "toy", "messages": MESSAGES}
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "stream": True}),
    ("/v1/chat/completions", {**CHAT, "response_format": {"type": "json_object"}}),
    ("/v1/completions", {"model": "toy", "prompt": "x", "stream": True, "max_tokens": 20}),
    ("/v1/responses", {"model": "toy", "input": "Where to?"}),
    ("/v1/messages", {"model": "toy:subscription", "messages": MESSAGES, "max_tokens": 200}),
]
"""Steered and passed through, whole and as streams, by three interfaces."""

ENDED = {"done", "passed"}
UNENDED = {"lost", "gone", "failed"}


def configuration(folder: Path, upstream: str, database: str, **settings: Any) -> Path:
    """Write the configuration of a gateway."""
    (folder / "costly.toml").write_text(COSTLY)
    file = folder / f"gateway-{settings.get('port', 0)}.toml"
    top = "".join(f"{name} = {value}\n" for name, value in settings.items())
    file.write_text(
        f'policies = ["costly.toml", "subscription"]\n{top}'
        f'upstream = {{address = "{upstream}"}}\nsteering = {{instruct = false}}\n'
        f'audit = {{database = "{database}"}}\n'
    )
    return file


async def begin(file: Path, *options: object) -> tuple[Forked, str]:
    """Start a gateway as a user does; returns it and its address."""
    process = await asyncio.to_thread(Forked, COMMAND, "serve", "--config", file, *options)
    address = ""
    while line := await process.readline(error=True):
        address = address or line.partition("gateway at ")[2].partition(",")[0]
        if "dashboard at" in line:
            return process, address
    raise AssertionError("it ended before it took requests")


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]


async def ask_all(
    address: str, count: int, at_once: int, event: Callable[[int], Awaitable[None]]
) -> dict[str, str]:
    """Ask for many answers; returns how each request ended, by its id.

    Args:
        address: Of a gateway, or of a proxy before several.
        count: Number of requests.
        at_once: Number in flight.
        event: Awaited before each request with its number: restarts and kills.
    """
    ends: dict[str, str] = {}
    left: Iterator[int] = iter(range(count))
    limits = aiohttp.ClientTimeout(total=120)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=limits) as http:

        async def client() -> None:
            for number in left:
                await event(number)
                path, body = KINDS[number % len(KINDS)]
                id_ = f"r{number}"
                try:
                    async with http.post(
                        address + path, json=body, headers={"X-Request-Id": id_}
                    ) as answer:
                        text = (await answer.read()).decode()
                        ends[id_] = str(answer.status)
                        if answer.status != 200:
                            ends[id_] += f" {text}"
                        elif body.get("stream") and "[DONE]" not in text:
                            ends[id_] = "broken"
                except (aiohttp.ClientError, ConnectionError):
                    ends[id_] = "broken"

        await asyncio.gather(*(client() for _ in range(at_once)))
    return ends


async def outlive(database: str) -> None:
    """Wait until a gateway that has begun has given up those processes on a database that were
    killed.

    It does so once it has not heard of them for a while, which is over here. A gateway takes
    requests before it is on the list itself, so the length of the list does not say that it has.
    """
    engine = await open_store(AuditSettings(database=database))
    long_ago = update(processes).values(beat=0.0)  # the gateway's own is soon another
    try:
        async with engine.begin() as connection:
            await connection.execute(long_ago)
        while True:
            async with engine.connect() as connection:
                silent = select(processes.c.id).where(processes.c.beat == 0.0)
                if not (await connection.execute(silent)).all():
                    return
            await asyncio.sleep(0.05)
    finally:
        await engine.dispose()


async def account(database: str, ends: dict[str, str], *, sent_again: bool = False) -> Counter[str]:
    """Check that each request is on record as its client saw it; returns how many ended in each
    way: its end for the client, and the statuses of its records.

    Args:
        database: Address of the database.
        ends: How the requests ended, by their ids.
        sent_again: Whether a proxy may have sent a request to a second process.
    """
    engine = await open_store(AuditSettings(database=database))
    try:
        async with engine.connect() as connection:
            c = decisions.c
            rows = (await connection.execute(select(c.request_id, c.status))).all()
            taken = (await connection.execute(select(uses).where(uses.c.owner == "key:"))).one()
            known = select(func.sum(c.spent_tokens))
            spent = (await connection.execute(known)).scalar() or 0
            left = (await connection.execute(select(processes.c.id))).all()
    finally:
        await engine.dispose()
    by_request: dict[str, list[str]] = {id_: [] for id_ in ends}
    for id_, status in rows:
        by_request[id_].append(status)  # a record that nobody asked for is a KeyError
    told: Counter[str] = Counter()
    for id_, end in ends.items():
        statuses = sorted(by_request[id_])
        told[f"{end}: {', '.join(statuses) or 'no record'}"] += 1
        assert set(statuses) <= ENDED | UNENDED, (id_, statuses)
        assert len(statuses) <= 1 + sent_again, (id_, statuses)
        if end == "200":  # a process may be killed between the end of an answer and its record
            complete = [status for status in statuses if status in ENDED]
            assert len(complete) == 1 or "lost" in statuses, (id_, statuses)
        elif end != "broken":  # the engine, which is in a busy process, may have been too slow
            assert "failed" in statuses, (id_, end, statuses)
    assert not left
    assert taken.running == "{}"
    assert taken.tokens >= spent > 0
    return told
