"""What goes wrong around a gateway: full disks, wrong clocks, slow readers, a neighbour."""

import asyncio
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import MESSAGES, Served, served
from gtalign.errors import StorageError
from gtalign.gateway.store import sink
from gtalign.gateway.store.database import prepare
from gtalign.gateway.store.expiry import JUMP, LASTING, WallTime
from gtalign.gateway.store.reader import Reader
from gtalign.gateway.store.sink import sink_of
from gtalign.gateway.store.writer import AuditWriter
from gtalign.steering import FakeBackend
from standins import model
from store_parts import decided, record, stored

CHAT: Any = {"model": "toy", "messages": MESSAGES}
LONG: Any = {"model": "toy", "messages": [{"role": "user", "content": "x" * 200_000}]}


class Disk:
    """What SQLite is given of the disk, in pages; None for all of it."""

    pages: int | None = None

    def prepare(self, connection: sqlite3.Connection) -> None:
        prepare(connection)
        if self.pages is not None:
            connection.execute(f"PRAGMA max_page_count = {self.pages}")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("when_down", ["fail", "pass"])
async def test_a_full_disk_is_told_and_recovered_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when_down: str, stream: bool
) -> None:
    disk = Disk()
    disk.pages = 1  # SQLite takes no fewer than there are
    monkeypatch.setattr(sink, "prepare", disk.prepare)
    audit = {"texts": True, "when_down": when_down}
    async with served(tmp_path, audit=audit) as gateway:
        url = f"{gateway.address}/v1/chat/completions"
        async with gateway.http.post(url, json=LONG | {"stream": stream}) as answer:
            assert b"full" not in await answer.read()
            if when_down == "fail":
                assert answer.status == 503
            else:
                assert (answer.status, answer.headers["x-gtalign-recorded"]) == (200, "false")
        disk.pages = None
        while True:
            status, headers, _ = await gateway.post(LONG)
            if (status, headers.get("x-gtalign-recorded")) == (200, "true"):
                break
            assert status == 503 if when_down == "fail" else status == 200
            await asyncio.sleep(0.01)
        while gateway.gateway.writer.waiting:  # what was kept meanwhile
            await asyncio.sleep(0)
        statuses = [found["status"] for found in await gateway.records()]
        assert statuses[0] == "done"
        assert set(statuses[1:]) == ({"failed"} if when_down == "fail" else set())


@contextmanager
def no_more_room() -> Iterator[None]:
    """Let no file grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_without_room_does_not_count_as_writable(tmp_path: Path) -> None:
    async with stored(tmp_path) as engine:
        found = sink_of(engine)
        with no_more_room(), pytest.raises(StorageError):
            await found.write([], [])
        await found.write([], [])
        await found.aclose()


async def test_texts_outlive_a_clock_that_jumps_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 0

    def wrong() -> int:
        return time.time_ns() + ahead

    monkeypatch.setattr("gtalign.gateway.store.writer.CLEANING", 0.0)
    decision = await decided()
    async with stored(tmp_path) as engine:
        writer = AuditWriter(engine)
        writer._wall = WallTime(wrong)
        until = time.time_ns() // 1000 + 60 * JUMP
        await writer.put(record(decision, "kept", prompt="[]", until=until))
        ahead = 10**18
        await writer._clean()
        found = await Reader(engine).decision("kept")
        assert found is not None and found["answer"] == "It is."
        await writer.close()


def test_a_jump_is_believed_once_it_has_lasted() -> None:
    now = steady = 10**18
    clock = WallTime(lambda: now, lambda: steady)

    def later(micro: int, jump: int = 0) -> int:
        nonlocal now, steady
        now, steady = now + (micro + jump) * 1000, steady + micro * 1000
        return clock()

    start = clock()
    assert later(5) == start + 5
    assert later(0, JUMP) == start + 5 + JUMP  # set right
    start = clock()
    for jump in (10**15, -(10**15)):
        assert later(7, jump) == start + 7
        assert later(LASTING - 1) == start + 6 + LASTING
        assert later(0, -jump) == start + 6 + LASTING  # it was wrong, and is right again
        start = clock()
        assert later(0, jump) == start
        assert later(LASTING) == start + LASTING + jump
        start = clock()


async def test_two_gateways_share_a_file_under_load(tmp_path: Path) -> None:
    async with served(tmp_path) as one, served(tmp_path) as two:

        async def asked(gateway: Served, number: int) -> str:
            url = f"{gateway.address}/v1/chat/completions"
            body = CHAT | {"stream": number % 2 == 0}
            async with gateway.http.post(url, json=body) as answer:
                assert (answer.status, answer.headers["x-gtalign-recorded"]) == (200, "true")
                assert b'"error"' not in await answer.read()
                return str(answer.headers["x-gtalign-decision"])

        asking = [asked((one, two)[n % 3 == 0], n) for n in range(150)]
        ids = await asyncio.gather(*asking)
        await two.gateway.writer.settled()
        records = await one.records()
        assert {found["id"] for found in records} == set(ids)
        assert {found["status"] for found in records} == {"done"}
        assert one.gateway.writer.down is two.gateway.writer.down is None


async def test_who_reads_slowly_holds_up_nobody_and_is_left(tmp_path: Path) -> None:
    def script(messages: Any, begun: str) -> str | list[str]:
        whole = model.continuation(messages[0]["content"], begun)
        if messages[0]["content"] != "more" or not begun:
            return whole
        return [whole.partition("<response>")[0] + "<response>", *["It is. " * 10_000] * 100]

    readers = 6
    async with served(tmp_path, FakeBackend(script), timeouts={"idle": 0.3}) as gateway:
        host, _, port = gateway.address.removeprefix("http://").partition(":")
        body = b'{"model":"toy","stream":true,"messages":[{"role":"user","content":"more"}]}'
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        )
        writers = []
        for _ in range(readers):
            _, writer = await asyncio.open_connection(host, int(port), limit=1024)
            writer.write(head % len(body) + body)
            writers.append(writer)
        assert (await gateway.post(CHAT))[0] == 200
        requests = gateway.gateway.metrics.requests.values
        async with asyncio.timeout(30):
            while sum(requests.values()) <= readers:
                await asyncio.sleep(0.01)
        assert gateway.gateway.limits.running == 0
        statuses = [found["status"] for found in await gateway.records()]
        assert statuses.count("gone") == readers and statuses.count("done") == 1
        for writer in writers:
            writer.close()
