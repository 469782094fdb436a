"""What becomes of an answer that fails: what its client is told, the log and the record."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway_parts import MESSAGES, Held, Served, served
from gtalign.gateway.telemetry.logs import JSONFormatter
from standins.engines import VLLM
from test_gateway_store_audit import lock

CHAT: Any = {"model": "toy", "messages": MESSAGES}
PASSED: Any = {**CHAT, "response_format": {"type": "structural_tag"}}
COMPLETION: Any = {"model": "toy", "prompt": "PRIVATE"}
PLAIN: Any = {"model": "toy", "messages": [{"role": "user", "content": "PRIVATE"}]}


class Failing(VLLM):
    """Once the gateway is open, it fails as it is told to, and then it answers JSON."""

    def __init__(self, *failures: str) -> None:
        super().__init__()
        self.failures = list(failures)
        self.posted = 0
        self.open = False
        self.headers: dict[str, str] = {}  # of a failure

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not self.open:
            return await super().handle(request)
        self.posted += 1
        if not self.failures:
            return web.json_response({"usage": {"prompt_tokens": 3, "completion_tokens": 4}})
        failure = self.failures.pop(0)
        if failure == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if failure == "stall":
            await asyncio.sleep(60)
        said = {"error": {"message": f"cannot answer {await request.text()}"}}
        return web.json_response(said, status=int(failure), headers=self.headers)


@asynccontextmanager
async def before(engine: Failing, folder: Path, **settings: Any) -> AsyncGenerator[Served, None]:
    """A gateway that is open before an engine that fails."""
    async with served(folder, engine, **settings) as gateway:
        engine.open = True
        yield gateway


def rows(folder: Path) -> list[dict[str, Any]]:
    """What stands on the disk once the gateway has ended."""
    with sqlite3.connect(folder / "audit.db") as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(
            "SELECT * FROM decisions LEFT JOIN texts ON texts.id = decisions.id"
        )
        records = [dict(row) for row in found]
    connection.close()
    return records


async def test_who_is_not_answered_before_the_gateway_ends_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    engine = Held()
    async with aiohttp.ClientSession() as http:
        async with served(tmp_path, engine, timeouts={"drain": 1}) as gateway:
            url = f"{gateway.address}/v1/chat/completions"

            async def ask(**more: Any) -> tuple[int, bytes]:
                async with http.post(url, json={**CHAT, **more}) as answer:
                    return answer.status, await answer.read()

            asking = [asyncio.create_task(ask(stream=stream)) for stream in (False, True)]
            while gateway.gateway.limits.running < 2:
                await asyncio.sleep(0)
            await engine.reached.wait()
        answers = await asyncio.gather(*asking)
    for status, body in answers:
        assert status == 503
        assert json.loads(body)["error"]["code"] == "draining"
    assert [(row["status"], row["error"]) for row in rows(tmp_path)] == [
        ("failed", "the gateway ended before the answer was complete")
    ] * 2
    assert "Traceback" not in caplog.text and "ASGI" not in caplog.text


@pytest.mark.parametrize("body", [PLAIN, PLAIN | {"response_format": {"type": "structural_tag"}}])
async def test_what_an_engine_repeats_of_a_prompt_is_told_to_its_client_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    caplog.set_level("INFO")

    def logged() -> str:
        return "".join(JSONFormatter().format(record) for record in caplog.records)

    async with before(Failing("400", "400"), tmp_path) as gateway:
        status, _, told = await gateway.post(body)
        assert (status, "PRIVATE" in told["error"]["message"]) == (400, True)
        [record] = await gateway.records()
        assert ": [withheld]" in record["error"]
        assert "[withheld]" in logged()
    assert "PRIVATE" not in logged() + json.dumps(rows(tmp_path))
    kept = {"audit": {"texts": True}, "log_prompts": True}
    async with before(Failing("400", "400"), tmp_path / "kept", **kept) as gateway:
        await gateway.post(body)
        [record] = await gateway.records()
    assert "PRIVATE" in record["error"]
    assert "PRIVATE" in logged()


async def test_a_completion_s_prompt_is_kept_where_prompts_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with before(Failing(), tmp_path, audit={"texts": True}, log_prompts=True) as gateway:
        status, headers, _ = await gateway.post(COMPLETION, "/v1/completions")
        assert status == 200
        assert float(headers["x-gtalign-added-ms"]) > 0
    [row] = rows(tmp_path)
    assert json.loads(row["prompt"]) == "PRIVATE"
    assert row["added_ms"] > 0
    assert "PRIVATE" in "".join(JSONFormatter().format(record) for record in caplog.records)


async def test_the_text_that_a_client_has_seen_is_kept_when_it_leaves(tmp_path: Path) -> None:
    engine = Held()
    async with served(tmp_path, engine, audit={"texts": True}) as gateway:
        asking = asyncio.create_task(gateway.post(CHAT))
        await engine.reached.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await engine.closed.wait()
    [row] = rows(tmp_path)
    assert row["status"] == "gone"
    assert row["answer"].startswith("<thinking>")


@pytest.mark.parametrize("body", [CHAT, PASSED], ids=["steered", "passed"])
async def test_an_answer_that_takes_too_long_has_failed(tmp_path: Path, body: Any) -> None:
    async with before(
        Failing("stall"), tmp_path, timeouts={"total": 0.2, "first": 0.2, "idle": 0.2}
    ) as gateway:
        status, _, _ = await gateway.post(body)
        assert status == 504
        [record] = await gateway.records()
    assert record["status"] == "failed"
    assert "not complete after 0.2 s" in record["error"]


@pytest.mark.parametrize(
    ("failures", "status", "sent"),
    [(["drop"], 200, 2), (["drop", "drop"], 502, 2), (["502"], 502, 1), (["400"], 400, 1)],
)
async def test_what_is_passed_through_is_sent_again_where_nobody_answered(
    tmp_path: Path, failures: list[str], status: int, sent: int
) -> None:
    engine = Failing(*failures)
    async with before(engine, tmp_path) as gateway:
        assert (await gateway.post(PASSED))[0] == status
        assert engine.posted == sent
        [record] = await gateway.records()
        assert record["status"] == ("passed" if status == 200 else "failed")
        failed = gateway.gateway.metrics.upstream.values
        assert failed == ({} if status == 200 else {(str(status),): 1})


@pytest.mark.parametrize(("status", "wait"), [("429", "1"), ("503", "5")])
@pytest.mark.parametrize("body", [CHAT, PASSED], ids=["steered", "passed"])
async def test_a_busy_engine_s_clients_are_told_when_to_come_back(
    tmp_path: Path, body: Any, status: str, wait: str
) -> None:
    async with before(Failing(status), tmp_path) as gateway:
        found, headers, _ = await gateway.post(body)
    assert (found, headers["retry-after"]) == (int(status), wait)


DATES = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:40 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds", "milliseconds"),
    [
        ({"Retry-After": "7"}, "7", None),
        (DATES, "40", None),
        ({"Retry-After": "0.25"}, "1", "250"),
        ({"Retry-After": "2.5"}, "3", "2500"),
        ({"Retry-After": "9", "retry-after-ms": "1200"}, "2", "1200"),
        ({"retry-after-ms": "3000.0"}, "3", None),
        ({"Retry-After": "soon"}, "1", None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "1", None),  # which is over
        ({"Retry-After": "-4"}, "1", None),
        ({"Retry-After": "1e9"}, "1", None),
        ({"Retry-After": "9999999"}, "1", None),
        ({"Retry-After": "nan"}, "1", None),
    ],
)
@pytest.mark.parametrize("body", [CHAT, PASSED], ids=["steered", "passed"])
async def test_the_wait_that_an_engine_names_in_any_form_is_told(
    tmp_path: Path, body: Any, headers: Any, seconds: str, milliseconds: str | None
) -> None:
    engine = Failing("429")
    engine.headers = headers
    async with before(engine, tmp_path) as gateway:
        _, told, _ = await gateway.post(body)
    assert told["retry-after"] == seconds
    assert told.get("retry-after-ms") == milliseconds


async def test_answers_without_a_record_are_counted_as_such(tmp_path: Path) -> None:
    audit = {"busy_seconds": 0.01, "when_down": "pass"}
    async with before(Failing(), tmp_path, audit=audit) as gateway:
        other = lock(tmp_path)
        assert (await gateway.post(PASSED))[0] == 200
        other.close()
        assert gateway.gateway.metrics.answers.values == {("costly", "unrecorded"): 1}
