"""A gateway as a process that gets signals: it drains, and it reads its configuration again."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from forked import COMMAND, Forked
from gateway_parts import COSTLY, MESSAGES
from standins.engines import VLLM
from standins.server import serving
from test_gateway_process import start

pytestmark = pytest.mark.early

CHAT: Any = {"model": "toy", "messages": MESSAGES}


class Gated(VLLM):
    """Answers requests for text only while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if "completions" in request.path and not self.gate.is_set():
            self.reached.set()
            await self.gate.wait()
        return await super().handle(request)


async def asked(http: aiohttp.ClientSession, address: str, **more: Any) -> tuple[int, Any, Any]:
    async with http.post(f"{address}/v1/chat/completions", json={**CHAT, **more}) as answer:
        return answer.status, answer.headers, await answer.json()


async def got(http: aiohttp.ClientSession, address: str, path: str) -> tuple[int, Any]:
    async with http.get(address + path) as answer:
        return answer.status, await answer.json()


async def test_a_gateway_that_ends_refuses_what_is_new_and_answers_what_is_begun(
    tmp_path: Path,
) -> None:
    engine = Gated()
    async with serving(engine) as upstream, aiohttp.ClientSession() as http:
        process, address = await start(tmp_path, upstream)
        engine.gate.clear()
        begun = asyncio.create_task(asked(http, address))
        await engine.reached.wait()
        process.send_signal(signal.SIGTERM)
        while (await got(http, address, "/readyz"))[0] == 200:
            pass
        assert "draining" in (await got(http, address, "/readyz"))[1]["problems"]
        assert (await got(http, address, "/healthz"))[0] == 200
        bodies: list[dict[str, Any]] = [{}, {"stream": True}, {"tools": [{}]}]
        for body in bodies:
            status, headers, said = await asked(http, address, **body)
            assert (status, said["error"]["code"]) == (503, "draining")
            assert int(headers["Retry-After"]) > 0 and headers["Connection"] == "close"
        engine.gate.set()
        status, _, answer = await begun
        assert status == 200 and answer["choices"][0]["finish_reason"] == "stop"
        assert await process.wait() == 0


async def test_a_second_signal_breaks_off_what_is_begun(tmp_path: Path) -> None:
    engine = Gated()
    async with serving(engine) as upstream, aiohttp.ClientSession() as http:
        process, address = await start(tmp_path, upstream)
        engine.gate.clear()
        begun = asyncio.create_task(asked(http, address))
        await engine.reached.wait()
        process.send_signal(signal.SIGTERM)
        while (await got(http, address, "/readyz"))[0] == 200:
            pass
        process.send_signal(signal.SIGTERM)
        status, _, said = await begun
        assert (status, said["error"]["code"]) == (503, "draining")
        assert await process.wait() == 0
        engine.gate.set()


@asynccontextmanager
async def configured(folder: Path, text: str) -> AsyncGenerator[tuple[Forked, str], None]:
    """A gateway as a user starts it, with a configuration of its own."""
    (folder / "costly.toml").write_text(COSTLY)
    (folder / "gateway.toml").write_text(text)
    process = await asyncio.to_thread(
        Forked, COMMAND, "serve", "--bare", "--config", folder / "gateway.toml", "--port", "0"
    )
    try:
        line = await said(process, "gateway at ")
        yield process, line.split("gateway at ")[1].split(",")[0]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        process.kill()


async def said(process: Forked, wanted: str) -> str:
    """Wait for a line on standard error."""
    while line := await process.readline(error=True):
        if wanted in line:
            return line
    raise AssertionError(f"it ended without {wanted!r}")


async def test_the_configuration_is_read_again(tmp_path: Path) -> None:
    old, new = Gated(), Gated()
    file = tmp_path / "gateway.toml"
    store = f'[audit]\ndatabase = "{tmp_path / "audit.db"}"\n'

    def text(policies: str, engines: str, more: str = "") -> str:
        models = f"[models.toy]\nengines = [{engines}]\n"
        return f"policies = [{policies}]\n{more}\n{models}\n{store}"

    async with (
        serving(old) as first,
        serving(new) as second,
        aiohttp.ClientSession() as http,
        configured(tmp_path, text('"subscription"', f'{{address = "{first}"}}')) as (
            process,
            address,
        ),
    ):
        assert (await asked(http, address, model="toy:free"))[0] == 404
        old.gate.clear()
        begun = asyncio.create_task(asked(http, address))
        await old.reached.wait()

        # Another engine, another default, one more policy and a limit; and what needs a restart.
        engines = f'{{address = "{second}", name = "b"}}'
        limits = "limits = {max_tokens = 700}\nhost = '127.0.0.2'"
        file.write_text(text('"free", "subscription"', engines, limits))
        process.send_signal(signal.SIGHUP)
        line = await said(process, "was read again")
        assert all(name in line for name in ("models", "policies", "limits")), line
        assert "host" in await said(process, "need a restart")
        status, headers, _ = await asked(http, address)
        assert status == 200 and headers["x-gtalign-policy"] == "free"
        assert (await asked(http, address, max_tokens=701))[0] == 400
        assert len(new.bodies("/v1/completions")) > 2
        assert (await got(http, address, "/readyz"))[1]["engines"] == [
            {"model": "toy", "engine": "b", "up": True}
        ]
        old.gate.set()  # what was begun before is written by the engine of then
        status, headers, _ = await begun
        assert status == 200 and headers["x-gtalign-policy"] == "subscription"

        # Whatever is wrong, nothing of it is used.
        right = text('"free"', engines, "show = 'raw'")
        for wrong, why in (
            ("policies = [", "not valid TOML"),
            (right.replace("show", "shwo"), "did you mean"),
            (right.replace('"free"', '"fre"'), "did you mean"),
            (right.replace("show", "default_policy = 'x'\nshow"), "no policy 'x'"),
            (right.replace('name = "b"', 'key = "NO_SUCH_KEY"'), "NO_SUCH_KEY"),
        ):
            file.write_text(wrong)
            process.send_signal(signal.SIGHUP)
            assert why in await said(process, "is refused")
            status, headers, answer = await asked(http, address)
            assert status == 200 and headers["x-gtalign-policy"] == "free"
            assert "<thinking>" not in answer["choices"][0]["message"]["content"]
        file.unlink()
        process.send_signal(signal.SIGHUP)
        assert "gateway.toml" in await said(process, "is refused")
        assert (await asked(http, address))[0] == 200
