"""Traces: what a collector is told of requests, and that it cannot hurt them."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway_parts import served
from gtalign.errors import ConfigError, UpstreamError
from gtalign.gateway.settings import TelemetrySettings
from gtalign.gateway.telemetry.tracing import _Seldom, current, open_tracing
from gtalign.steering import FakeBackend
from standins.engines import VLLM
from standins.model import matrix_text
from standins.server import serving_app
from test_steering_retry import speaker

TRACE_ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CARRIED = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01", "tracestate": "a=b"}


class Told(VLLM):
    """Remembers what it is told of traces."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.told.append({name: request.headers.get(name, "") for name in CARRIED})
        return await super().handle(request)


@asynccontextmanager
async def collector() -> AsyncGenerator[tuple[str, list[Any]], None]:
    """A collector on loopback: its address, and the spans that it was sent."""
    spans: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            assert names["service.name"] == "gtalign"
            spans.extend(span for scope in resource.scope_spans for span in scope.spans)
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.add_routes([web.post("/v1/traces", take)])
    async with serving_app(app) as address:
        yield address, spans


def attributes(span: Any) -> dict[str, Any]:
    found = {}
    for attribute in span.attributes:
        value = attribute.value
        kind = value.WhichOneof("value")
        values = [v.string_value for v in value.array_value.values]
        found[attribute.key] = values if kind == "array_value" else getattr(value, kind)
    return found


def by_name(spans: list[Any]) -> dict[str, Any]:
    return {span.name: span for span in spans}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_steered_answer_is_a_span_with_its_parts(tmp_path: Path, stream: bool) -> None:
    engine = Told()
    async with collector() as (address, spans):
        telemetry = {"endpoint": address}
        async with served(tmp_path, engine, telemetry=telemetry) as gateway:
            asked = await gateway.ask(stream=stream, extra_headers=CARRIED)
            if stream:
                [_ async for _ in asked]
            [record] = await gateway.records()
    found = by_name(spans)
    assert set(found) == {"chat toy", "phase one", "edit", "phase two", "record"}
    server = found["chat toy"]
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE_ID, PARENT)
    assert server.kind == 2  # of a server
    for name, span in found.items():
        assert span.trace_id == server.trace_id
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert name == "chat toy" or span.parent_span_id == server.span_id
    one, edit, two = (found[name] for name in ("phase one", "edit", "phase two"))
    assert one.end_time_unix_nano <= edit.start_time_unix_nano
    assert edit.end_time_unix_nano <= two.start_time_unix_nano
    told = attributes(server)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "vllm"
    assert told["gen_ai.request.model"] == told["gen_ai.response.model"] == "toy"
    assert told["gen_ai.response.id"] == told["gtalign.decision"] == record["id"]
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["gen_ai.usage.input_tokens"] == record["prompt_tokens"]
    assert told["gen_ai.usage.output_tokens"] == record["written_tokens"]
    assert (told["gtalign.policy"], told["gtalign.policy_hash"]) == (
        *("costly", record["policy_hash"]),
    )
    assert (told["gtalign.before"], told["gtalign.after"]) == ("CQ", "DA")
    assert told["gtalign.flipped"] is told["gtalign.steered"] is True
    # The engine is told of the trace, and the collector of no text.
    sent = {"traceparent": f"00-{TRACE_ID}-{server.span_id.hex()}-01", "tracestate": "a=b"}
    assert sum(told == sent for told in engine.told) >= 2
    assert all(told in (sent, dict.fromkeys(CARRIED, "")) for told in engine.told)
    assert all("Zürich" not in str(span) and "Z\\303\\274rich" not in str(span) for span in spans)


async def test_a_second_writing_is_a_span_of_its_own(tmp_path: Path) -> None:
    async with collector() as (address, spans):
        backend = FakeBackend(speaker("Which one?", "In 1901.", matrix=matrix_text()))
        settings = {"telemetry": {"endpoint": address}, "steering": {"verify": "retry"}}
        async with served(tmp_path, backend, **settings) as gateway:
            await gateway.ask()
    found = by_name(spans)
    assert set(found) == {"chat toy", "phase one", "edit", "phase two", "retry", "record"}
    two, retry = found["phase two"], found["retry"]
    assert two.end_time_unix_nano <= retry.start_time_unix_nano <= retry.end_time_unix_nano
    told = attributes(found["chat toy"])
    assert (told["gtalign.obeyed"], told["gtalign.served"]) == (True, "second")
    tokens = sum(
        attributes(found[n])["gen_ai.usage.output_tokens"]
        for n in ("phase one", "phase two", "retry")
    )
    assert told["gen_ai.usage.output_tokens"] == tokens


async def test_a_passed_request_and_one_that_fails(tmp_path: Path) -> None:
    async with collector() as (address, spans):
        telemetry = {"endpoint": f"{address}/v1/traces"}
        async with served(tmp_path, VLLM(), telemetry=telemetry) as gateway:
            await gateway.ask(response_format={"type": "structural_tag"}, max_tokens=5)
            with pytest.raises(openai.NotFoundError):
                await gateway.ask(model="other")
            await gateway.client.completions.create(model="toy", prompt="x", max_tokens=5)
    passed, failed = by_name(spans)["chat toy"], by_name(spans)["chat"]
    assert attributes(passed)["gtalign.passed"] == "response_format"
    assert attributes(passed)["gtalign.steered"] is False
    assert attributes(failed)["error.type"] == "model_not_found"
    assert failed.status.code == 2 and len(failed.trace_id) == 16
    assert {"text_completion toy", "upstream", "record"} <= set(by_name(spans))


async def test_an_answer_that_breaks_off_is_told_as_far_as_it_came(tmp_path: Path) -> None:
    broken = FakeBackend(lambda messages, text: ["<thinking>It is", UpstreamError("u", "broke")])
    async with collector() as (address, spans):
        telemetry = {"endpoint": address}
        async with served(tmp_path, broken, telemetry=telemetry) as gateway:
            with pytest.raises(openai.InternalServerError):
                await gateway.ask()
    found = by_name(spans)
    assert set(found) == {"chat toy", "phase one", "record"}
    assert attributes(found["chat toy"])["error.type"] == "upstream_failed"


async def test_a_collector_that_is_gone_hurts_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry = {"endpoint": "http://127.0.0.1:9"}
    with caplog.at_level(logging.WARNING, "gtalign"):
        async with served(tmp_path, telemetry=telemetry) as gateway:
            answers = await asyncio.gather(*(gateway.ask() for _ in range(5)))
            assert all(answer.choices[0].finish_reason == "stop" for answer in answers)
        assert len(await _lines(caplog)) == 1


async def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("telemetry:")]


def test_failures_of_exports_are_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    quiet = logging.Logger("opentelemetry")
    quiet.addHandler(_Seldom())
    for _ in range(3):
        quiet.error("Failed to export %s", "it")
    assert [r.getMessage() for r in caplog.records] == ["telemetry: Failed to export it"]


def test_without_an_address_nothing_is_imported() -> None:
    code = (
        "import sys, gtalign.gateway.server, gtalign.gateway.settings as s\n"
        "import gtalign.gateway.telemetry.tracing as t\n"
        "assert not t.open_tracing(s.TelemetrySettings()).on\n"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
    current().named("nobody")
    current().about({})
    current().part("nothing", 0.0, 1.0)


def test_without_the_extra_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(ConfigError, match="extra 'otel'"):
        open_tracing(TelemetrySettings(endpoint="http://127.0.0.1:4318"))
