"""Requests that are passed through: on record first, whatever becomes of them."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway_parts import MESSAGES, Served, config_of, served
from gtalign.errors import ConfigError
from gtalign.gateway.http.reply import HTTPReply
from gtalign.gateway.served import Models
from gtalign.gateway.store.writer import CLEANING, RETRY
from small_lab import small_model, small_tokenizer
from standins.engines import VLLM
from test_gateway_store_audit import lock

BODY: Any = {"model": "toy", "messages": MESSAGES, "response_format": {"type": "structural_tag"}}
QUICK = {"busy_seconds": 0.01}


class Raw(VLLM):
    """Answers chats with given bytes, and waits before it does where it is told to."""

    def __init__(self, body: bytes, kind: str = "application/json") -> None:
        super().__init__()
        self.body = body
        self.kind = kind
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.asked = asyncio.Event()
        self.broken = False
        self.cut = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/v1/chat/completions":
            return await super().handle(request)
        self.asked.set()
        await self.go_on.wait()
        if self.broken:
            response = web.StreamResponse(headers={"Content-Type": self.kind})
            response.content_length = len(self.body) + 10
            await response.prepare(request)
            await response.write(self.body)
            await self.cut.wait()
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=self.body, content_type=self.kind)


def statuses(folder: Path) -> list[str]:
    """What stands on the disk, read beside the gateway."""
    connection = sqlite3.connect(folder / "audit.db")
    found = [status for (status,) in connection.execute("SELECT status FROM decisions")]
    connection.close()
    return found


async def test_it_is_on_record_before_the_engine_has_answered(tmp_path: Path) -> None:
    engine = Raw(b'{"usage": {"prompt_tokens": 3, "completion_tokens": 4}}')
    engine.go_on.clear()
    async with served(tmp_path, engine) as gateway:
        asking = asyncio.create_task(gateway.post(BODY))
        await engine.asked.wait()
        while statuses(tmp_path) != ["writing"]:
            await asyncio.sleep(0)
        engine.go_on.set()
        status, headers, _ = await asking
        assert (status, headers["x-gtalign-recorded"]) == (200, "true")
        [record] = await gateway.records()
        assert (record["status"], record["prompt_tokens"], record["written_tokens"]) == (
            *("passed", 3, 4),
        )


@pytest.mark.parametrize(
    "usage", [b"{oops}", b'{"prompt_tokens": -1, "completion_tokens": 1e99}', b"null"]
)
async def test_a_usage_that_is_none_is_not_known(tmp_path: Path, usage: bytes) -> None:
    engine = Raw(b'{"usage": ' + usage + b"}")
    async with served(tmp_path, engine) as gateway:
        url = f"{gateway.address}/v1/chat/completions"
        async with gateway.http.post(url, json=BODY) as answer:
            assert await answer.read() == engine.body
        [record] = await gateway.records()
        assert (record["status"], record["written_tokens"]) == ("passed", None)


async def test_while_the_store_is_down_it_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, Raw(b"{}"), audit=QUICK) as gateway:
        other = lock(tmp_path)
        for _ in range(2):  # found out on the way, and known before
            status, headers, body = await gateway.post(BODY)
            assert (status, body["error"]["code"]) == (503, "not_recorded")
            assert "retry-after" in headers
        other.close()


async def test_or_passed_without_a_record_where_it_is_configured(tmp_path: Path) -> None:
    audit = {**QUICK, "when_down": "pass"}
    async with served(tmp_path, Raw(b"{}"), audit=audit) as gateway:
        other = lock(tmp_path)
        for _ in range(2):
            status, headers, _ = await gateway.post(BODY)
            assert (status, headers["x-gtalign-recorded"]) == (200, "false")
        other.close()


async def test_a_client_that_goes_is_on_record(tmp_path: Path) -> None:
    engine = Raw(b"{}")
    engine.go_on.clear()
    async with served(tmp_path, engine) as gateway:
        asking = asyncio.create_task(gateway.post(BODY))
        await engine.asked.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await _last(gateway) == "gone"


async def test_an_answer_that_breaks_off_breaks_off(tmp_path: Path) -> None:
    engine = Raw(b'{"id": "x"', "application/json")
    engine.broken = True
    async with served(tmp_path, engine, steering={"instruct": "short"}) as gateway:
        url = f"{gateway.address}/v1/chat/completions"
        async with gateway.http.post(url, json=BODY) as answer:
            assert await answer.content.readany() == engine.body
            engine.cut.set()
            with pytest.raises(Exception, match=r"payload|disconnected|not completed"):
                await answer.read()
        assert await _last(gateway) == "failed"
    engine = Raw(b"data: {}\n\n", "text/event-stream")
    engine.broken = True
    async with served(tmp_path, engine) as gateway:
        url = f"{gateway.address}/v1/chat/completions"
        async with gateway.http.post(url, json=BODY | {"stream": True}) as answer:
            assert await answer.content.readany() == engine.body
            engine.cut.set()
            assert b'"upstream_failed"' in await answer.read()


async def _last(gateway: Served) -> str:
    while True:
        records = await gateway.records()
        if records and records[0]["status"] != "writing":
            return str(records[0]["status"])


async def test_a_checkpoint_is_opened_under_its_folders_name(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    small_model(tokenizer).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    models = Models.of(config_of(tmp_path, str(tmp_path / "model")))
    await models.open()
    upstream = models.first.route("").upstream
    assert (upstream.name, upstream.model, upstream.kind) == ("model", "model", "transformers")
    assert upstream.proxy is None and upstream.backend.can_resume
    await models.aclose()
    missing = Models.of(config_of(tmp_path, str(tmp_path)))
    with pytest.raises(ConfigError, match="no checkpoint"):
        await missing.open()
    await missing.aclose()


async def test_a_whole_answer_goes_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how long it is, and takes one head, one body and two records."""
    sent: list[str] = []
    whole = b'{"usage": {"prompt_tokens": 3, "completion_tokens": 4}}'
    begun = HTTPReply._out

    async def out(self: HTTPReply, message: dict[str, Any]) -> None:
        sent.append(message["type"])
        await begun(self, message)

    async with served(tmp_path, Raw(whole)) as gateway:
        await gateway.post(BODY)  # by then the connection is there
        await gateway.gateway.writer.settled()
        monkeypatch.setattr(HTTPReply, "_out", out)
        timers = []
        timeout = asyncio.timeout
        monkeypatch.setattr(asyncio, "timeout", lambda s: timers.append(s) or timeout(s))
        written = gateway.gateway.writer.written
        async with gateway.http.post(gateway.address + "/v1/chat/completions", json=BODY) as answer:
            assert (await answer.read(), answer.content_length) == (whole, len(whole))
        await gateway.gateway.writer.settled()
        assert sent == ["http.response.start", "http.response.body"]
        assert gateway.gateway.writer.written - written == 2
        # All of the request, and the engine's answer; the writer has its own.
        assert sum(seconds not in (RETRY, CLEANING) for seconds in timers) <= 3


class Silent(VLLM):
    """Answers everything that it is asked with a stream of these bytes, or of none."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body
        self.silent = False  # while it is looked at first

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not self.silent:
            return await super().handle(request)
        return web.Response(body=self.body, content_type="text/event-stream")


SILENT: list[tuple[str, Any]] = [
    ("/v1/chat/completions", {**BODY, "stream": True}),
    ("/v1/chat/completions", BODY),
    ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
    ("/v1/completions", {"prompt": "x", "stream": True}),
    ("/v1/embeddings", {"input": "x"}),
    ("/v1/responses", {"input": "x", "stream": True, "min_tokens": 1}),
    ("/v1/messages", {"messages": MESSAGES, "max_tokens": 9, "stream": True, "min_tokens": 1}),
]


@pytest.mark.parametrize("steering", [{"instruct": "short"}, {"mode": "observe"}, {}])
async def test_a_stream_of_nothing_is_a_failure_of_the_engine(
    tmp_path: Path, steering: Any
) -> None:
    engine = Silent(b"")
    async with served(tmp_path, engine, steering=steering) as gateway:
        engine.silent = True
        for path, body in SILENT:
            status, _, told = await gateway.post(body, path)
            assert status == 502, (path, told)
            assert "upstream_failed" in str(told)
        assert {record["status"] for record in await gateway.records()} == {"failed"}
        async with gateway.http.head(f"{gateway.address}/v1/embeddings") as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")


async def test_and_so_is_one_that_shows_a_chain_s_client_nothing(tmp_path: Path) -> None:
    engine = Silent(b": well\n\n")
    async with served(tmp_path, engine) as gateway:
        engine.silent = True
        status, _, told = await gateway.post({**BODY, "stream": True})
        assert (status, told["error"]["code"]) == (502, "upstream_failed")
