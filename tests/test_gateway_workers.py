"""A gateway of several processes: started, killed, told to read again, and ended."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from forked import run_forked
from gtalign.errors import ConfigError
from gtalign.gateway.program import load_gateway
from gtalign.gateway.telemetry.metrics import Metrics
from gtalign.gateway.telemetry.together import leave, together
from postgres_cluster import database, needs_postgres, server
from scale_parts import account, ask_all, begin, children, configuration, outlive
from standins.engines import VLLM
from standins.server import serving
from test_gateway_signals import said

__all__ = ["database", "server"]
pytestmark = pytest.mark.early
POSTGRES = "postgresql+asyncpg://user@host/name"


@needs_postgres
async def test_fifty_requests_and_a_killed_worker(database: str, tmp_path: Path) -> None:
    async with serving(VLLM()) as upstream, aiohttp.ClientSession() as http:
        settings = {"port": 0, "admin": "{port = 0}", "workers": 2}
        file = configuration(tmp_path, upstream, database, **settings)
        process, address = await begin(file)
        while len(children(process.pid)) < 2:
            await asyncio.sleep(0)
        victim = children(process.pid)[1]

        async def kill(number: int) -> None:
            if number == 30:
                os.kill(victim, signal.SIGKILL)

        ends = await ask_all(address, 50, 10, kill)
        assert sum(end == "broken" for end in ends.values()) <= 10  # those that it had
        assert "ended by signal 9" in await said(process, "is started again")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        # It ends gently: what is in flight is answered, and the workers end before their parent.
        assert await process.wait() == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(f"{address}/healthz")
    # A worker that was killed just now is dealt with by whoever starts next on the database.
    async with serving(VLLM()) as upstream:
        file = configuration(tmp_path, upstream, database, port=0)
        process, _ = await begin(file)
        await outlive(database)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    await account(database, ends)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"audit": {"database": "x.db"}}, "in PostgreSQL alone"),
        ({"audit": {"database": "sqlite+aiosqlite:///x.db"}}, "in PostgreSQL alone"),
        ({"admin": None}, "a port of their own"),
        ({"upstream": {"address": "gguf:x.gguf"}}, "would load gguf:x.gguf for itself"),
        ({"workers": 0}, "workers"),
        ({"workers": 257}, "workers"),
    ],
)
def test_where_several_processes_are_refused(settings: dict[str, Any], told: str) -> None:
    table = {
        "upstream": {"address": "http://127.0.0.1:9/v1"},
        "workers": 2,
        "admin": {"port": 0},
        "audit": {"database": POSTGRES},
        **settings,
    }
    options = {name: (name, value) for name, value in table.items() if value is not None}
    with pytest.raises(ConfigError, match=told):
        load_gateway(None, (), {"upstream.address": ("x", "http://a"), **options})


def test_a_gateway_that_cannot_begin_says_so_once(tmp_path: Path) -> None:
    """The first worker says why, and the others are not started."""
    file = configuration(
        tmp_path,
        "http://127.0.0.1:9/v1",
        "postgresql+asyncpg://nobody@127.0.0.1:9/x",
        port=0,
        admin="{port = 0}",
        workers=4,
    )
    ended = run_forked(
        "import sys; from gtalign.cli import main; sys.exit(main(sys.argv[1:]))",
        *("serve", "--config", file),
    )
    assert ended.returncode == 2
    assert ended.stderr.count("cannot be opened") == 1


def test_the_numbers_of_workers_are_those_of_one_gateway(tmp_path: Path) -> None:
    own, other, over = Metrics(), Metrics(), Metrics()
    for number, metrics in enumerate((own, other, over), 1):
        metrics.requests.add(number, "/v1", "200")
        metrics.requests.add(1, f"/{number}", "200")
        metrics.running.set(number)
        metrics.down.set(number == 2)
        metrics.up.values["toy", "a"] = float(number != 2)
        metrics.budgets.values["k", "tokens"] = 0.25
        metrics.seconds.add(number)
    leave(other, tmp_path / "b.json")
    leave(over, tmp_path / "c.json")
    (tmp_path / "c.json").rename(tmp_path / "c.ended")
    (tmp_path / "torn.json").write_text('{"gtalign_')
    files = [tmp_path / name for name in ("b.json", "c.ended", "torn.json", "gone.json")]
    text = together(own, files).text()
    for line in (
        'gtalign_requests_total{path="/v1",status="200"} 6',
        'gtalign_requests_total{path="/3",status="200"} 1',
        "gtalign_requests_running 3",  # what has ended runs nothing
        "gtalign_processes 2",
        "gtalign_process_starts_total 3",
        "gtalign_audit_down 1",
        'gtalign_engine_up{model="toy",engine="a"} 0',
        'gtalign_budget_spent_ratio{key="k",unit="tokens"} 0.25',
        "gtalign_answer_seconds_count 3",
        "gtalign_answer_seconds_sum 6",
    ):
        assert f"{line}\n" in text, line
    assert together(own, []).text() == own.text()
