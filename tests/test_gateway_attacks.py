"""What would let a client take more than its limits, or lose records of what it got."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, suppress
from datetime import date
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pyarrow import parquet
from sqlalchemy import event

from gateway_parts import MESSAGES, Served, scripted, served
from gtalign.errors import StorageError
from gtalign.gateway.keys import ANYONE
from gtalign.gateway.limits import Limits
from gtalign.gateway.settings import LimitSettings
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.tables import decisions
from gtalign.gateway.store.writer import Record
from standins import model, tokens
from standins.engines import VLLM
from test_gateway_store_audit import lock

CHAT: Any = {"model": "toy", "messages": MESSAGES}


class Lying(VLLM):
    """Says of its tokens what it is told to say."""

    def __init__(self) -> None:
        super().__init__()
        self.lie: dict[str, Any] = {}

    def _events(self, *given: Any, **options: Any) -> Iterator[Any]:
        for told in super()._events(*given, **options):
            if isinstance(told, dict) and told.get("usage"):
                told["usage"] |= self.lie
            yield told


async def leave(gateway: Served, body: Any, mark: bytes, **headers: str) -> None:
    """Ask for a stream, and leave it once it holds a mark and the gateway has taken note."""
    url = f"{gateway.address}/v1/chat/completions"
    async with gateway.http.post(url, json=body | {"stream": True}, headers=headers) as answer:
        assert answer.status == 200
        text = b""
        async for chunk in answer.content.iter_any():
            text += chunk
            if mark in text:
                break
        answer.close()
    while gateway.gateway.limits.running:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "lie",
    [
        {"completion_tokens": 2**63},
        {"completion_tokens": 2**62},
        {"prompt_tokens_details": {"cached_tokens": 2**63}},
        {"prompt_tokens": 10**9},
    ],
)
async def test_a_count_that_no_engine_reaches_is_refused(tmp_path: Path, lie: Any) -> None:
    engine = Lying()
    async with served(tmp_path, engine) as gateway:
        engine.lie = lie
        assert (await gateway.post(CHAT))[0] == 502
        engine.lie = {}
        assert (await gateway.post(CHAT))[0] == 200  # neither the writer nor the key's quota broke
        assert [record["status"] for record in await gateway.records()] == ["done", "failed"]


class Silent(VLLM):
    """Falls silent in its response, until whoever reads it leaves."""

    async def completions(self, body: dict[str, Any]) -> Iterator[Any]:
        self.hold_after, text = None, ""
        events = list(await super().completions(body))
        if "</payoff>" in tokens.decode(body["prompt"]):
            for number, told in enumerate(events):
                text += "" if told == "[DONE]" else "".join(c["text"] for c in told["choices"])
                if "answer: " in text:
                    self.hold_after = number + 1
                    break
        return iter(events)


async def test_tokens_of_an_answer_that_its_client_left_count(tmp_path: Path) -> None:
    engine = Silent()
    async with served(tmp_path, engine) as gateway:
        key, secret = await gateway.key(limits={"tokens_per_minute": 10})
        headers = {"Authorization": f"Bearer {secret}"}
        await leave(gateway, CHAT, b'"content":"T', **headers)
        [record] = await gateway.records()
        spent = gateway.gateway.limits.used(key)
        assert record["status"] == "gone"
        assert [phase["finish"] for phase in record["decision"]["phases"]] == ["stop", "closed"]
        assert spent == record["written_tokens"] + record["prompt_tokens"]
        assert (await gateway.post(CHAT, **headers))[0] == 429


class Dying(Silent):
    """Breaks its connection off where `Silent` falls silent."""

    async def completions(self, body: dict[str, Any]) -> Iterator[Any]:
        events = await super().completions(body)
        last, self.hold_after = self.hold_after, None
        return events if last is None else dying(islice(events, last))


def dying(events: Iterator[Any]) -> Iterator[Any]:
    yield from events
    raise ConnectionError("the engine is dead")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("engine", [Silent, Dying])
async def test_tokens_of_an_answer_that_the_engine_breaks_off_count(
    tmp_path: Path, engine: type[VLLM], stream: bool
) -> None:
    timeouts = {"idle": 0.1}
    async with served(tmp_path, engine(), timeouts=timeouts) as gateway:
        key, secret = await gateway.key(limits={"tokens_per_minute": 10})
        headers = {"Authorization": f"Bearer {secret}"}
        url = f"{gateway.address}/v1/chat/completions"
        async with gateway.http.post(url, json=CHAT | {"stream": stream}, headers=headers) as told:
            assert b'"error"' in await told.read()
        [record] = await gateway.records()
        assert record["status"] == "failed"
        assert [phase["finish"] for phase in record["decision"]["phases"]] == ["stop", "broken"]
        assert all(phase["tokens"] > 0 for phase in record["decision"]["phases"])
        spent = record["written_tokens"] + record["prompt_tokens"]
        assert gateway.gateway.limits.used(key) == spent
        assert sum(gateway.gateway.metrics.tokens.values.values()) == spent
        assert (await gateway.post(CHAT, **headers))[0] == 429


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_of_an_attempt_that_could_not_be_recorded_count(
    tmp_path: Path, stream: bool
) -> None:
    backend = scripted()
    audit = {"when_down": "pass", "busy_seconds": 0.01}
    async with served(tmp_path, backend, audit=audit) as gateway:
        with closing(lock(tmp_path)):
            answer = await gateway.ask(stream=stream, stream_options=None)
            if stream:
                assert [chunk async for chunk in answer]
        once = len(model.chain(MESSAGES[0]["content"])) // backend.size
        assert gateway.gateway.limits.used(ANYONE) > 1.5 * once
        spent = sum(gateway.gateway.metrics.tokens.values.values())
        assert gateway.gateway.limits.used(ANYONE) == spent


PASSED: Any = CHAT | {"response_format": {"type": "structural_tag"}, "max_tokens": 100}


async def test_tokens_of_a_stream_without_usage_count(tmp_path: Path) -> None:
    async with served(tmp_path, VLLM(), steering={"instruct": "short"}) as gateway:
        key, secret = await gateway.key(limits={"tokens_per_minute": 10})
        headers = {"Authorization": f"Bearer {secret}"}
        async with gateway.http.post(
            f"{gateway.address}/v1/chat/completions",
            json=PASSED | {"stream": True},
            headers=headers,
        ) as answer:
            events = (await answer.read()).count(b"data: ")
        [record] = await gateway.records()
        # Nobody counted tokens: the record says so, and the budget takes an estimate.
        assert (record["prompt_tokens"], record["written_tokens"]) == (None, None)
        spent = gateway.gateway.limits.spent(key)
        assert (spent.tokens > 0.9 * events > 10, spent.estimated) == (True, 1)
        assert (await gateway.post(PASSED, **headers))[0] == 429


async def test_tokens_of_what_is_passed_through_and_left_count(tmp_path: Path) -> None:
    engine = VLLM()
    async with served(tmp_path, engine) as gateway:
        engine.hold_after = 20
        key, secret = await gateway.key()
        headers = {"Authorization": f"Bearer {secret}"}
        await leave(gateway, PASSED, b'"content"', **headers)
        [record] = await gateway.records()
        assert (record["status"], record["written_tokens"]) == ("gone", None)
        spent = gateway.gateway.limits.spent(key)
        assert (spent.tokens > 20, spent.estimated) == (True, 1)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("much", ["max_tokens", "max_completion_tokens", "n", "best_of"])
async def test_what_is_passed_through_is_held_to_limits(
    tmp_path: Path, path: str, much: str
) -> None:
    engine = VLLM()
    async with served(tmp_path, engine, limits={"max_tokens": 100, "choices": 2}) as gateway:
        asked = len(engine.requests)
        status, _, told = await gateway.post(PASSED | {"prompt": "x", much: 101}, path)
        assert (status, told["error"]["param"]) == (400, much)
        assert len(engine.requests) == asked


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served, None]:
    """A gateway for what leaves it as it was."""
    folder = tmp_path_factory.mktemp("lasting")
    async with served(folder, VLLM(), audit={"texts": True}) as gateway:
        yield gateway


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("depth", [300, 1000, 100_000])
@pytest.mark.parametrize("where", ["tools", "messages", "extra"])
async def test_deep_json_is_refused(lasting: Served, where: str, depth: int) -> None:
    body = json.dumps(PASSED | {where: 0, "model": "toy:costly"})
    deep = body.replace(f'"{where}": 0', f'"{where}": {"[" * depth}{"]" * depth}')
    url = f"{lasting.address}/v1/chat/completions"
    async with lasting.http.post(url, data=deep) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "not_json"


async def test_a_deleted_database_is_not_written_on(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        assert (await gateway.post(CHAT))[0] == 200
        for file in tmp_path.glob("audit.db*"):
            file.unlink()
        status, _, told = await gateway.post(CHAT)
        assert (status, told["error"]["code"]) == (503, "not_recorded")
        assert (await gateway.get("/readyz"))[0] == 503


async def test_a_value_that_no_column_holds_does_not_end_the_writer(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        assert (await gateway.post(CHAT))[0] == 200
        [record] = await gateway.records()
        row = {column.name: record[column.name] for column in decisions.c} | {"decision": "{}"}
        writer = gateway.gateway.writer
        for wrong in ({"retries": 2**63}, {"reason": "\ud800"}):
            with pytest.raises(StorageError):
                await writer.put(Record(row | {"id": "wrong"} | wrong))
        assert (await gateway.post(CHAT))[0] in (200, 503)
        await writer.put(Record(row | {"id": "right"}))
        assert (await gateway.post(CHAT))[0] == 200


def test_a_quota_begins_anew_with_the_month() -> None:
    today = date(2026, 1, 31)
    limits = Limits(LimitSettings(), today=lambda: today)
    limits.remember("", Spent(10))
    limits.spend(ANYONE, Spent(5))
    assert limits.used(ANYONE) == 15
    today = date(2026, 2, 1)
    assert limits.used(ANYONE) == 0
    limits.spend(ANYONE, Spent(5))
    today = date(2027, 2, 1)
    assert limits.used(ANYONE) == 0
    limits.spend(ANYONE, Spent(7))
    today = date(2026, 2, 1)  # the clock had been wrong
    assert limits.used(ANYONE) == 5


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (b"a" + b".a" * 30_000 + b" = 1", "toml", "nested too deeply"),
        (b"[" + b"a . " * 15_000 + b"a]", "toml", "nested too deeply"),
        (b"a" * 60_000, "toml", "not valid TOML"),
        (b"a " * 30_000, "toml", "not valid TOML"),
        (b"\n".join(b"a%d = 1" % number for number in range(6000)), "toml", "unknown key 'a0'"),
        (b'payer = "user"\nutility_of_money = 0x' + b"f" * 50_000, "toml", "too large to show"),
        (b"name = 0x" + b"f" * 50_000, "toml", "too large to show"),
        (
            b'{"payer": "user", "adjust": ' + b"[" * 1000 + b"]" * 1000 + b"}",
            "json",
            "nested too deeply",
        ),
        (b'{"payer": "user", "adjust": ' + b"[" * 200 + b"]" * 200 + b"}", "json", "adjust.0"),
    ],
)
async def test_a_policy_that_is_none_is_refused_soon(
    lasting: Served, body: bytes, kind: str, told: str
) -> None:
    """Above all where reading it on would take seconds, in which nobody is answered."""
    url, given = f"{lasting.address}/admin/policies/x", {"Content-Type": f"application/{kind}"}
    async with lasting.http.put(url, data=body, headers=given) as answer:
        assert answer.status == 400
        assert told in (await answer.json())["error"]["message"]


async def test_an_export_holds_few_texts_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtalign.gateway.store.reader._AT_ONCE", 1000)
    monkeypatch.setattr("gtalign.gateway.store.export._HELD", 1000)
    async with served(tmp_path, audit={"texts": True}) as gateway:
        for size in (1, 2000, 10, 10, 900, 900, 3):
            messages = [{"role": "user", "content": "x" * size}]
            await gateway.post({"model": "toy", "messages": messages})
        most = 0

        def selected(*given: Any) -> None:
            nonlocal most
            if "texts.answer" in given[2] and "length" not in given[2]:
                most = max(most, len(given[3]))

        event.listen(gateway.gateway.store.sync_engine, "before_cursor_execute", selected)
        found = await gateway.records()
        assert [len(r["prompt"][0]["content"]) for r in found] == [3, 900, 900, 10, 10, 2000, 1]
        assert 0 < most < 7
        url = f"{gateway.address}/admin/export?format=parquet"
        async with gateway.http.get(url) as answer:
            table = parquet.read_table(BytesIO(await answer.read()))
        assert table["id"].to_pylist() == [record["id"] for record in found]
        assert [json.loads(p) for p in table["prompt"].to_pylist()] == [r["prompt"] for r in found]


async def test_a_body_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    async with served(tmp_path, timeouts={"head": 0.05}) as gateway:
        host, _, port = gateway.address.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        writer.write(head)
        await reader.readuntil(b"}}")

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):  # it is closed with a byte on its way
                assert await reader.read() == b""
        trickling.cancel()
        writer.close()


async def test_the_head_says_that_there_is_no_record(tmp_path: Path) -> None:
    """Where the store fails while the engine is waited for."""
    audit = {"when_down": "pass", "busy_seconds": 0.01}
    async with served(tmp_path, audit=audit) as gateway:
        with closing(lock(tmp_path)):
            url = f"{gateway.address}/v1/chat/completions"
            async with gateway.http.post(url, json=CHAT | {"stream": True}) as answer:
                assert answer.headers["x-gtalign-recorded"] == "false"
                assert b'"recorded":false' in await answer.read()


async def test_a_download_that_nobody_reads_ends(tmp_path: Path) -> None:
    audit = {"texts": True}
    async with served(tmp_path, audit=audit, timeouts={"idle": 0.05}) as gateway:
        for _ in range(8):  # more than the buffers of a connection hold
            messages = [{"role": "user", "content": "x" * 1_000_000}]
            await gateway.post({"model": "toy", "messages": messages})
        host, _, port = gateway.address.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET /admin/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        path = "/admin/export"
        async with asyncio.timeout(5):
            while not any(where == path for where, _ in gateway.gateway.metrics.requests.values):
                await asyncio.sleep(0)
        writer.close()
