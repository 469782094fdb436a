"""What a hostile client sends, byte by byte."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway_parts import MESSAGES, Served, served
from gtalign.gateway.telemetry.logs import JSONFormatter

BODY = json.dumps({"model": "toy", "messages": MESSAGES}).encode()
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)


async def exchange(gateway: Served, *parts: bytes, half: bool = False) -> bytes:
    """Send bytes, close that side if wanted, and read what comes until the connection ends."""
    host, _, port = gateway.address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if half:
            writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


CLOSE = b"Connection: close\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served, None]:
    """A gateway for what leaves it as it was."""
    async with served(tmp_path_factory.mktemp("lasting")) as gateway:
        yield gateway


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "smuggled",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: +5\r\n\r\nhello",
        b"Content-Length: -5\r\n\r\nhello",
        b"Content-Length : 5\r\n\r\nhello",
        b"X: a\r\n\tb: c\x00\r\n\r\n",
        b"X-A: 1\nX-B: 2\x0b\r\n\r\n",
    ],
)
async def test_smuggled_heads_are_refused(lasting: Served, smuggled: bytes) -> None:
    before = await lasting.records()
    answer = await exchange(lasting, HEAD + CLOSE + smuggled)
    known = (b"HTTP/1.1 4", b"HTTP/1.1 501")
    assert answer.startswith(known), answer[:100]
    assert b"HTTP/1.1 200" not in answer
    assert await lasting.records() == before


async def test_bodies_that_are_too_large_or_have_no_end(tmp_path: Path) -> None:
    async with served(tmp_path, limits={"body_bytes": 2048}) as gateway:
        answer = await exchange(gateway, HEAD + b"Content-Length: 99999999999999999999\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 4")
        answer = await exchange(gateway, HEAD + b"Content-Length: 4096\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413") and b"2048 bytes" in answer
        chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        answer = await exchange(gateway, head + chunk * 3)
        assert answer.startswith(b"HTTP/1.1 413")


async def test_slow_clients_are_not_waited_for(tmp_path: Path) -> None:
    timeouts = {"head": 0.05, "body": 0.05}
    async with served(tmp_path, timeouts=timeouts) as gateway:
        assert await exchange(gateway) == b""
        assert await exchange(gateway, b"POST /v1/chat/comp") == b""
        assert await exchange(gateway, HEAD + b"X-Slow: 1\r\n") == b""
        answer = await exchange(gateway, HEAD + b"Content-Length: 50\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408") and b"slow_request" in answer


async def test_a_head_without_end_is_cut_off(tmp_path: Path) -> None:
    async with served(tmp_path, limits={"head_bytes": 1024}) as gateway:
        line = b"X-Long: " + b"x" * 65_536 + b"\r\n"
        answer = await exchange(gateway, HEAD, *[line] * 64)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
        assert (await gateway.get("/healthz"))[0] == 200


async def test_pipelined_requests_are_answered_in_turn(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        one = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        last = HEAD + CLOSE + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        answer = await exchange(gateway, one + last)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert len(await gateway.records()) == 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"\xff\xfe", None),
        (b"[]", None),
        (b"[" * 100_000, None),
        (b'{"model": NaN}', None),
        ({"model": 5}, "model"),
        ({"model": "toy\n"}, "model"),
        ({"model": "x" * 201}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["x"]}, "messages.0"),
        ({"messages": [{"role": "root", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages.0.role"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"seed": 2**63}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"n": 1000}, "n"),
        ({"n": 2, "stream": True}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"stop": [5]}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": "json"}, "response_format"),
    ],
)
async def test_wrong_requests_name_the_field(lasting: Served, body: Any, param: str | None) -> None:
    if isinstance(body, dict):
        body = json.dumps({"model": "toy", "messages": MESSAGES, **body}).encode()
    async with lasting.http.post(f"{lasting.address}/v1/chat/completions", data=body) as answer:
        told = (await answer.json())["error"]
        assert (answer.status, told["type"]) == (400, "invalid_request_error")
        assert told["param"] == param
    assert all(record["status"] == "failed" for record in await lasting.records())


EVIL = "'); DROP TABLE decisions; --<script>alert(1)</script>\x00\u202e{{cell}} \N{SNOWMAN}"


async def test_sql_and_html_in_every_field_stay_text(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway:
        body = {
            "model": "toy",
            "messages": [{"role": "system", "content": EVIL}, {"role": "user", "content": EVIL}],
            "user": EVIL,
            "stop": [EVIL],
            "metadata": {EVIL: EVIL},
        }
        headers = {"X-Request-Id": EVIL.partition("\x00")[0]}
        status, answer_headers, _ = await gateway.post(body, **headers)
        assert status == 200
        assert "script" not in answer_headers["x-request-id"]
        [record] = await gateway.records()
        assert record["prompt"] == body["messages"]
        for path in (
            f"/admin/decisions?search={'%27%22%00%3Cscript'}",
            "/admin/decisions?policy=%27--",
        ):
            assert (await gateway.get(path))[1] == {"data": [], "next": None}
        status, _, _ = await gateway.post({**body, "model": EVIL.replace("\x00", "")})
        assert status in (400, 404)


async def test_without_keys_other_sites_are_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for headers in (
            {"Host": "evil.example"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Host": "[::1"},
            {"X-Forwarded-For": "203.0.113.7"},
            {"X-Forwarded-For": "127.0.0.1, 203.0.113.7:4711"},
            {"X-Forwarded-For": "unknown"},
            {"X-Forwarded-For": ""},
            {"X-Real-IP": "2001:db8::1"},
            {"Forwarded": 'proto=http; For="[2001:db8::1]:80", for=127.0.0.1'},
        ):
            status, told = await gateway.get("/v1/models", **headers)
            assert (status, told["error"]["code"]) == (403, "not_local")
        for headers in (
            {"Origin": gateway.address},
            {"X-Forwarded-For": "127.0.0.1, ::1, [::1]:80", "X-Real-IP": "127.0.0.1"},
            {"Forwarded": 'for="[::1]:80";host=localhost, for=127.0.0.1'},
        ):
            assert (await gateway.get("/v1/models", **headers))[0] == 200


async def test_paths_and_methods_that_there_are_not(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for path in ("/", "/v1", "/v1/chat/completions/x", "/../etc/passwd", "/admin/keys/a/b"):
            status, told = await gateway.get(path)
            assert (status, told["error"]["code"]) == (404, "not_found")
        for path, method, allowed in (
            ("/v1/chat/completions", "GET", "POST, OPTIONS"),
            ("/admin/keys", "DELETE", "GET, POST, HEAD, OPTIONS"),
            ("/healthz", "POST", "GET, HEAD, OPTIONS"),
        ):
            async with gateway.http.request(method, gateway.address + path) as answer:
                assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert 'path="other"' in gateway.gateway.metrics.text()


async def test_probes_may_ask_for_the_head_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for path, draining, status in (
            ("/healthz", False, 200),
            ("/readyz", False, 200),
            ("/readyz", True, 503),
        ):
            gateway.gateway.draining = draining
            async with gateway.http.get(gateway.address + path) as answer:
                size = str(len(await answer.read()))
            async with gateway.http.head(gateway.address + path) as answer:
                assert (answer.status, await answer.read()) == (status, b"")
                assert answer.headers["content-length"] == size


async def test_no_secret_and_no_prompt_reaches_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(tmp_path) as gateway:
        _, secret = await gateway.key()
        marked = [{"role": "user", "content": "PRIVATE"}]
        headers = {"Authorization": f"Bearer {secret}", "X-Request-Id": "mine"}
        await gateway.post({"model": "toy", "messages": marked}, **headers)
        await gateway.post({"model": "toy", "messages": "PRIVATE"}, **headers)
        await gateway.post({"model": "toy", "messages": marked}, Authorization=f"Bearer {secret}x")
    lines = [JSONFormatter().format(record) for record in caplog.records]
    assert secret not in "".join(lines) and "PRIVATE" not in "".join(lines)
    logged = [json.loads(line) for line in lines if "access" in line]
    assert [line["status"] for line in logged] == [200, 400, 401]
    assert (logged[0]["request"], logged[0]["policy"]) == ("mine", "costly")
    assert {line["process"] for line in logged} == {os.getpid()}
    (tmp_path / "b").mkdir()
    async with served(tmp_path / "b", log_prompts=True) as gateway:
        await gateway.post({"model": "toy", "messages": marked})
    assert "PRIVATE" in "".join(JSONFormatter().format(record) for record in caplog.records)
