"""Hundreds of requests of every kind, with failures on both sides and a restart in the middle.

Every one of them is accounted for: what its client got, what is on record, and that nothing is left
behind in the gateway or at the upstream.
"""

import asyncio
import io
import json
import os
import random
import signal
import sqlite3
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from forked import Forked
from gateway_parts import PASSED_SCHEMA
from standins import tokens
from standins.engines import VLLM
from standins.server import RefusedError, asked, rendered, serving

pytestmark = pytest.mark.early

SCRIPT = "import runpy; runpy.run_module('gateway_process', run_name='__main__')"
REQUESTS = 360
CLIENTS = 16
RESTART_AFTER = 80
WARM_AFTER = 160
GROWTH = 12 * 2**20  # bytes that the process may grow by from then to the end
TOOL = {"type": "function", "function": {"name": "f", "parameters": PASSED_SCHEMA}}


class Faulty(VLLM):
    """Does what the question says: refuses, is busy, breaks off, or falls silent.

    Attributes:
        running: Requests that are being answered.
        idle: Set while there are none.
        arrived: Set for a request by its name once it is here and gets no answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.idle = asyncio.Event()
        self.arrived: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.running += 1
        self.idle.clear()
        try:
            return await super().handle(request)
        except BreakOffError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        finally:
            self.requests.clear()  # so many are not needed
            self.running -= 1
            if not self.running:
                self.idle.set()

    async def chat(self, body: dict[str, Any]) -> Any:
        if "tools" not in body:
            return await super().chat(body)
        return await self._acts(rendered(body["messages"]), await super().chat(body))

    async def completions(self, body: dict[str, Any]) -> Any:
        prompt = body["prompt"]
        text = tokens.decode(prompt) if isinstance(prompt, list) else prompt
        return await self._acts(text, await super().completions(body))

    async def _acts(self, prompt: str, events: Iterator[Any]) -> Iterator[Any]:
        act, _, request = asked(prompt)[0].partition(" ")
        if act == "refuse":
            raise RefusedError(500, "out of memory")
        if act == "busy":
            raise RefusedError(429, "too many requests")
        if act == "silent":
            self.arrived[request].set()
            await asyncio.Event().wait()
        return broken(events) if act == "break" else events


class BreakOffError(Exception):
    """The connection ends in the middle of an answer."""


def broken(events: Iterator[Any]) -> Iterator[Any]:
    for _, event in zip(range(20), events, strict=False):
        yield event
    raise BreakOffError


@dataclass(frozen=True)
class Kind:
    """A kind of request.

    Args:
        share: Of all requests, as a weight.
        act: What the upstream does.
        outcomes: What its client may see.
        records: How its record may stand; none where there must be no record.
        body: Keys that depart from a steered chat.
        path: Where it is sent.
        leaves: The client goes: at the ``first`` text, or while it waits for ``any``.
    """

    share: int
    act: str = "answer"
    outcomes: tuple[Any, ...] = (200,)
    records: tuple[str, ...] = ("done",)
    body: Any = None
    path: str = "/v1/chat/completions"
    leaves: str | None = None


STREAM = {"stream": True, "stream_options": {"include_usage": True}}
LEFT = ("gone", "done", "failed", "writing")
KINDS = {
    "whole": Kind(20),
    "stream": Kind(22, body=STREAM),
    "other policy": Kind(6, body={"model": "toy:costly"} | STREAM),
    "tools": Kind(4, records=("passed",), body={"tools": [TOOL], "max_tokens": 9} | STREAM),
    "completions": Kind(
        4,
        records=("passed",),
        body={"messages": None, "prompt": "answer x", "max_tokens": 9} | STREAM,
        path="/v1/completions",
    ),
    "bad": Kind(4, outcomes=(400,), records=(), body={"temperature": "warm"}),
    "no policy": Kind(3, outcomes=(404,), records=(), body={"model": "toy:free"}),
    "too large": Kind(2, outcomes=(413,), records=(), body={"user": "x" * 5_000_000}),
    "refused": Kind(5, "refuse", (502,), ("failed",)),
    "refused stream": Kind(4, "refuse", (502, "error"), ("failed",), STREAM),
    "busy": Kind(4, "busy", (429,), ("failed",)),
    "broken": Kind(4, "break", (502,), ("failed",)),
    "broken stream": Kind(4, "break", (502, "error"), ("failed",), STREAM),
    "leaves a stream": Kind(8, outcomes=("left", 200), records=LEFT, body=STREAM, leaves="first"),
    "leaves a silence": Kind(3, "silent", ("left",), ("gone",), STREAM, leaves="any"),
    "leaves": Kind(3, "silent", ("left",), ("gone",), leaves="any"),
}


class Restarted:
    """A gateway before an upstream, which is ended gently once and started again."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self.upstream = upstream
        self.address = ""
        self.up = asyncio.Event()

    async def start(self) -> None:
        self.process = await asyncio.to_thread(Forked, SCRIPT, self.folder, self.upstream)
        self.address = (await self.process.readline()).strip()
        self.up.set()

    async def end(self) -> int:
        self.up.clear()
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def held(self) -> dict[str, int]:
        """Tasks and open files."""
        self.process.send_signal(signal.SIGUSR1)
        found: dict[str, int] = json.loads(await self.process.readline())
        return found

    def memory(self) -> int:
        """Bytes resident."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[tuple[Restarted, Faulty], None]:
    upstream = Faulty()
    async with serving(upstream) as url:
        gateway = Restarted(folder, url)
        await gateway.start()
        try:
            yield gateway, upstream
        finally:
            if gateway.process.returncode is None:
                await gateway.end()


async def attempt(
    http: aiohttp.ClientSession, address: str, kind: Kind, request: str, upstream: Faulty
) -> int | str:
    """What a client sees: a status, an ``error`` in a stream, or that it ``left``."""
    messages = [{"role": "user", "content": f"{kind.act} {request}"}]
    body = {"model": "toy", "messages": messages, **(kind.body or {})}
    headers = {"X-Request-Id": request, "Content-Type": "application/json"}
    url, data = address + kind.path, io.BytesIO(json.dumps(body).encode())
    if kind.leaves == "any":
        asking = asyncio.create_task(http.post(url, data=data, headers=headers).__aenter__())
        arriving = asyncio.create_task(upstream.arrived[request].wait())
        await asyncio.wait([asking, arriving], return_when=asyncio.FIRST_COMPLETED)
        arriving.cancel()
        if asking.done():
            return asking.result().status
        asking.cancel()
        await asyncio.wait([asking])
        return "left"
    async with http.post(url, data=data, headers=headers) as answer:
        text = b""
        async for chunk in answer.content.iter_any():
            text += chunk
            if kind.leaves and b'"content":"' in text.replace(b'"content":""', b""):
                return "left"
        if answer.status == 200 and answer.content_type == "text/event-stream":
            complete = text.rstrip().endswith(b"data: [DONE]")
            return 200 if complete else "error" if b'"error"' in text else "cut off"
        return answer.status


async def test_every_request_is_accounted_for(tmp_path: Path) -> None:
    rng = random.Random(0)
    names = rng.choices(list(KINDS), [kind.share for kind in KINDS.values()], k=REQUESTS)
    waiting = iter(list(enumerate(names)))
    outcomes: dict[str, Any] = {}  # by the request's id, of its last attempt
    tried: dict[str, str] = {}  # ids of attempts that the restart cut off
    done = asyncio.Condition()

    async with running(tmp_path) as (gateway, upstream):

        async def client() -> None:
            connector = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(connector=connector) as http:
                for number, name in waiting:
                    for again in range(10):
                        request = f"r{number}-{again}"
                        await gateway.up.wait()
                        try:
                            outcome = await attempt(
                                http, gateway.address, KINDS[name], request, upstream
                            )
                        except (aiohttp.ClientConnectionError, ConnectionError):
                            tried[request] = name
                            continue
                        if outcome == 503:  # it came while the gateway was ending
                            tried[request] = name
                            continue
                        outcomes[request] = (name, outcome)
                        break
                    else:
                        raise AssertionError(f"{name}: request {number} was never answered")
                    async with done:
                        done.notify_all()

        async def reached(count: int) -> None:
            async with done:
                await done.wait_for(lambda: len(outcomes) >= count)

        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(client())
            await reached(RESTART_AFTER)
            assert await gateway.end() == 0
            await gateway.start()
            before = await gateway.held()
            await reached(WARM_AFTER)
            warm = gateway.memory()
        grown = gateway.memory() - warm
        await upstream.idle.wait()
        async with aiohttp.ClientSession() as http:
            metrics = ""
            while "gtalign_requests_running 1\n" not in metrics:  # the one that asks
                async with http.get(f"{gateway.address}/metrics") as answer:
                    metrics = await answer.text()
        held = await gateway.held()
        while held["tasks"] > before["tasks"]:  # connections that clients have just closed
            held = await gateway.held()
        assert await gateway.end() == 0

    check_outcomes(outcomes, tried)
    check_records(tmp_path, outcomes, tried)
    assert upstream.running == 0
    assert held["tasks"] <= before["tasks"]
    # Connections to the upstream are kept open for the next request, as many as there were clients.
    assert held["files"] <= before["files"] + CLIENTS + 4
    assert grown < GROWTH


def check_outcomes(outcomes: dict[str, Any], tried: dict[str, str]) -> None:
    """Every request has one outcome, of those that its kind may have."""
    assert len(outcomes) == REQUESTS
    seen = Counter(outcomes.values())
    for (name, outcome), count in seen.items():
        assert outcome in KINDS[name].outcomes, f"{count} requests: {name}: {outcome}"
    assert {name for name, _ in seen} == set(KINDS)
    # The restart turns away at most what its clients had on their way.
    assert len(tried) <= 10 * CLIENTS


def check_records(folder: Path, outcomes: dict[str, Any], tried: dict[str, str]) -> None:
    """Every answer is on record once, as it went, and nothing else is."""
    connection = sqlite3.connect(folder / "audit.db")
    rows = connection.execute("SELECT request_id, status FROM decisions").fetchall()
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    records = dict(rows)
    assert len(records) == len(rows)
    for request, (name, outcome) in outcomes.items():
        status, kind = records.pop(request, None), KINDS[name]
        assert (status in kind.records) if kind.records else status is None, (name, outcome, status)
    assert set(records) <= set(tried)
