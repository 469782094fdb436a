"""A gateway as a process: killed under load, and ended gently."""

import asyncio
import re
import signal
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from forked import Forked, end_all
from gateway_parts import MESSAGES
from gtalign.gateway.dashboard.playground import SIDES
from standins import model
from standins.engines import VLLM
from standins.server import serving

pytestmark = pytest.mark.early

SCRIPT = "import runpy; runpy.run_module('gateway_process', run_name='__main__')"
ROUNDS = 5
CLIENTS = 6


async def start(folder: Path, *upstream: str) -> tuple[Forked, str]:
    process = await asyncio.to_thread(Forked, SCRIPT, folder, *upstream)
    return process, (await process.readline()).strip()


async def test_what_a_failed_test_leaves_is_ended(tmp_path: Path) -> None:
    process, _ = await start(tmp_path)
    reading = asyncio.create_task(process.readline())  # which would wait for ever
    await asyncio.to_thread(end_all)
    assert await reading == ""
    assert process.returncode == -signal.SIGKILL


async def ask(
    http: aiohttp.ClientSession,
    address: str,
    stream: bool,
    arrived: "asyncio.Queue[str]",
    **more: Any,
) -> None:
    """Ask once; names the decision as soon as any text of an answer is here."""
    body = {"model": "toy", "messages": MESSAGES, "stream": stream, **more}
    async with http.post(f"{address}/v1/chat/completions", json=body) as answer:
        assert answer.status == 200
        async for line in answer.content:
            text = line.replace(b'": "', b'":"')
            if b'"content":"' in text and b'"content":""' not in text:
                arrived.put_nowait(answer.headers["x-gtalign-decision"])
            if line.startswith(b"data: {"):
                assert "error" not in orjson.loads(line[6:])


@pytest.mark.parametrize("passed", [False, True], ids=["steered", "passed"])
async def test_no_client_holds_an_answer_without_its_decision(tmp_path: Path, passed: bool) -> None:
    """The process is killed while answers are on their way, many times over one store."""
    async with serving(VLLM()) as address:
        upstream = [address] if passed else []
        more = {"response_format": {"type": "structural_tag"}, "max_tokens": 200} if passed else {}
        rows, held = await _killed(tmp_path, upstream, more)
    assert len(held) >= ROUNDS
    assert held <= set(rows)
    assert all(bool(rows[id_]) is not passed for id_ in held)


async def _killed(
    folder: Path, upstream: list[str], more: dict[str, Any]
) -> tuple[dict[str, Any], set[str]]:
    """What is on record after the process was killed, and what clients hold text of."""
    arrived: asyncio.Queue[str] = asyncio.Queue()
    held: set[str] = set()

    async def client(http: aiohttp.ClientSession, address: str, stream: bool) -> None:
        with suppress(aiohttp.ClientError, ConnectionError):
            while True:
                await ask(http, address, stream or bool(more), arrived, **more)

    for round_ in range(ROUNDS):
        process, address = await start(folder, *upstream)
        async with aiohttp.ClientSession() as http:
            clients = [
                asyncio.create_task(client(http, address, number % 2 == 0))
                for number in range(CLIENTS)
            ]
            # At another instant each time: after so many pieces of text.
            for _ in range(3 + 7 * round_):
                held.add(await arrived.get())
            process.send_signal(signal.SIGKILL)
            await asyncio.gather(*clients)
            await process.wait()
        while not arrived.empty():
            held.add(arrived.get_nowait())
    connection = sqlite3.connect(folder / "audit.db")
    rows = dict(connection.execute("SELECT id, steered FROM decisions"))
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return rows, held


async def test_ending_gently_lets_answers_end(tmp_path: Path) -> None:
    process, address = await start(tmp_path)
    held: set[str] = set()
    async with aiohttp.ClientSession() as http:
        body = {"model": "toy", "messages": MESSAGES, "stream": True}
        async with http.post(f"{address}/v1/chat/completions", json=body) as answer:
            process.send_signal(signal.SIGTERM)
            text = (await answer.read()).decode()
            held.add(answer.headers["x-gtalign-decision"])
        assert text.rstrip().endswith("data: [DONE]")
        assert model.RESPONSES["DA"].split()[0] in text
    assert await process.wait() == 0
    connection = sqlite3.connect(tmp_path / "audit.db")
    rows = dict(connection.execute("SELECT id, status FROM decisions"))
    connection.close()
    assert rows == dict.fromkeys(held, "done")


async def test_ending_gently_lets_the_playground_end(tmp_path: Path) -> None:
    process, address = await start(tmp_path)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        async with http.get(f"{address}/dashboard/playground") as answer:
            found = re.search(r'"X-CSRF-Token": "(\w+)"', await answer.text())
            assert found is not None
        url = f"{address}/dashboard/playground/answer"
        asked = {"question": "x", **dict.fromkeys(SIDES, "costly")}
        async with http.post(url, data=asked, headers={"X-CSRF-Token": found[1]}) as answer:
            assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            events = [part for part in (await answer.text()).split("\n\n") if part]
    told = [orjson.loads(one.removeprefix("data: ")) for one in events]
    decided = {one["done"]["decision"] for one in told if "done" in one}
    assert await process.wait() == 0
    connection = sqlite3.connect(tmp_path / "audit.db")
    rows = dict(connection.execute("SELECT id, status FROM decisions"))
    connection.close()
    assert rows == dict.fromkeys(decided, "done") and len(rows) == len(SIDES)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
async def test_an_idle_gateway_ends_at_once(tmp_path: Path, sent: signal.Signals) -> None:
    process, address = await start(tmp_path)
    async with aiohttp.ClientSession() as http, http.get(f"{address}/healthz") as answer:
        assert answer.status == 200
    process.send_signal(sent)
    assert await process.wait() == 0
