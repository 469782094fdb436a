"""What the gateway adds to a call: against the direct call of a mock upstream, in one run.

    python benchmarks/gateway.py [--latency 0.02] [--calls 300] [--peer http://127.0.0.1:4000/v1]

The upstream answers after a fixed time and runs in a process of its own, as the gateway does; the
limit is the direct call. ``--peer`` names another proxy before the same upstream, such as LiteLLM
in its own environment; start the upstream for it with ``--upstream PORT``.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

SELF = Path(__file__)
MATRIX = (
    '{"DQ_AQ":{"LLM":3,"user":3},"DQ_CQ":{"LLM":1,"user":1},"DQ_DA":{"LLM":2,"user":2},'
    '"VQ_AQ":{"LLM":1,"user":1},"VQ_CQ":{"LLM":4,"user":3.5},"VQ_DA":{"LLM":1,"user":1}}'
)
ASKED = {"model": "mock", "messages": [{"role": "user", "content": "How many?"}]}
PASSED = {**ASKED, "response_format": {"type": "json_object"}}
ANSWER = {
    **{"id": "x", "object": "chat.completion", "created": 1, "model": "mock"},
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


async def upstream(port: int, latency: float) -> None:
    """Serve the mock until the process is ended."""

    async def chat(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(latency)
        return web.json_response(ANSWER)

    async def models(request: web.Request) -> web.StreamResponse:
        return web.json_response({"data": [{"id": "mock", "owned_by": "mock"}]})

    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", chat), web.get("/v1/models", models)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


async def gateway(url: str) -> None:
    """Serve a gateway before the mock, with a backend that writes chains at once."""
    from gtalign.config import load_table
    from gtalign.gateway.passthrough import Proxy
    from gtalign.gateway.server import serve
    from gtalign.gateway.settings import GatewayConfig
    from gtalign.gateway.upstream import Upstream
    from gtalign.steering import FakeBackend
    from gtalign.steering.http import Timeouts

    def script(messages: Any, text: str) -> str:
        if text:
            return "choose DQ_DA.</analyze><response>It is 42.</response>"
        return f"<thinking>It is vague.</thinking><payoff>{MATRIX}</payoff>"

    with tempfile.TemporaryDirectory() as folder:
        table = {
            "upstream": {"address": url},
            "port": 0,
            "audit": {"database": f"{folder}/audit.db"},
        }
        upstream = Upstream(
            FakeBackend(script, size=32), "mock", "mock", Proxy(url, None, "mock", Timeouts())
        )
        config = load_table(GatewayConfig, table, "benchmark")
        await serve(config, upstream, lambda gateway, address: print(f"{address}/v1", flush=True))


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(SELF), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def calls(url: str, body: Any, count: int, at_once: int) -> tuple[list[float], float]:
    """Seconds of each call, and calls a second."""
    spent: list[float] = []
    left = iter(range(count))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def client() -> None:
            for _ in left:
                began = time.perf_counter()
                async with http.post(f"{url}/chat/completions", json=body) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()
                spent.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(at_once)))
        return spent, count / (time.perf_counter() - began)


async def measure(ways: dict[str, tuple[str, Any, float]], count: int) -> None:
    limit: float | None = None
    print(f"{'':<22} {'median':>10} {'p95':>10} {'added':>10} {'calls/s':>10}")
    for name, (url, body, fixed) in ways.items():
        await calls(url, body, 20, 1)  # warms up
        spent, _ = await calls(url, body, count, 1)
        _, rate = await calls(url, body, 4 * count, 64)
        median = statistics.median(spent) * 1000
        p95 = statistics.quantiles(spent, n=20)[-1] * 1000
        limit = median if limit is None else limit
        added = median - (limit if fixed else 0.0)
        print(f"{name:<22} {median:8.2f}ms {p95:8.2f}ms {added:8.2f}ms {rate:10.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--peer")
    parser.add_argument("--upstream", type=int)
    parser.add_argument("--gateway")
    given = parser.parse_args()
    if given.upstream is not None:
        asyncio.run(upstream(given.upstream, given.latency))
        return
    if given.gateway is not None:
        from gtalign.gateway.server import run

        run(gateway(given.gateway))
        return
    latency = ("--latency", str(given.latency))
    mock, direct = start("--upstream", "0", *latency)
    own, through = start("--gateway", direct)
    try:
        ways = {
            "direct": (direct, PASSED, given.latency),
            "gateway, passed": (through, PASSED, given.latency),
            # Its text comes at once: what it takes is the gateway's own.
            "gateway, steered": (through, ASKED, 0.0),
        }
        if given.peer:
            ways["peer"] = (given.peer, PASSED, given.latency)
        asyncio.run(measure(ways, given.calls))
    finally:
        for process in (own, mock):
            process.terminate()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


if __name__ == "__main__":
    main()
