"""What a connection carries: good requests before bad ones, and clients that close their side."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway_parts import MESSAGES, Held, Served, served
from standins import model
from test_gateway_hostile import CLOSE, HEAD, exchange

CHAT: Any = {"model": "toy", "messages": MESSAGES}
PROBE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
SAID = model.RESPONSES["DA"].encode()


def asked(more: bytes = b"", **options: Any) -> bytes:
    """A whole request for an answer."""
    body = json.dumps(CHAT | options).encode()
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served, None]:
    """A gateway for what leaves it as it was."""
    folder = tmp_path_factory.mktemp("lasting")
    async with served(folder, timeouts={"head": 0.2}) as gateway:
        yield gateway


BAD = [
    (b"\x16\x03\x01 hello\r\n\r\n", 400),
    (b"{} / HTTP/1.1\r\n\r\n", 400),
    (b"FOO / HTTP/1.1\r\n\r\n", 400),
    (b"GET /healthz HTTX/1.1\r\n\r\n", 400),
    (b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (HEAD + b"Content-Length: +5\r\n\r\nhello", 400),
    (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (CHUNKED + b"no size\r\n", 400),
    (CHUNKED + b"2\r\n{}\r\nno size\r\n", 400),
    (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"GET /healthz HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 40_000), 431),
    (PROBE * 20 + b"{} / HTTP/1.1\r\n\r\n", 400),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("bad", "status"), BAD)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_asked_before_a_bad_request_is_answered(
    lasting: Served, bad: bytes, status: int, stream: bool
) -> None:
    good = asked(stream=stream)
    first, _, _ = (await exchange(lasting, asked(CLOSE, stream=stream))).partition(b"\r\n\r\n")
    for parts in ((good + bad,), (good, bad), (good, bad + PROBE)):
        answer = await exchange(lasting, *parts)
        assert answer.startswith(first[:15]) and first.startswith(b"HTTP/1.1 200")
        assert (b"[DONE]" if stream else SAID) in answer
        last = answer.rpartition(b"HTTP/1.1 ")[2]
        assert last.startswith(b"%d " % status), answer[-300:]
        assert answer.count(b"HTTP/1.1 ") == 2 + bad.count(PROBE)


@pytest.mark.asyncio(loop_scope="module")
async def test_or_before_one_that_is_too_slow(lasting: Served) -> None:
    for slow in (PROBE[:-2], asked()[:50]):
        answer = await exchange(lasting, asked() + slow)
        assert answer.count(b"HTTP/1.1 ") == 1 and SAID in answer


@pytest.mark.asyncio(loop_scope="module")
async def test_a_bad_request_alone_is_refused_once(lasting: Served) -> None:
    for bad, status in BAD[:-1]:
        answer = await exchange(lasting, bad + PROBE + bad)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(b"HTTP/1.1 %d" % status) or b"FOO" in bad


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asks", [1, 3])
async def test_a_client_that_closed_its_side_gets_its_answers(
    lasting: Served, stream: bool, asks: int
) -> None:
    answer = await exchange(lasting, asked(stream=stream) * asks, half=True)
    assert answer.startswith((INTERIM, b"HTTP/1.1 200"))
    assert answer.count(b"HTTP/1.1 200") == asks
    assert answer.count(b"[DONE]" if stream else SAID) == asks
    answer = await exchange(lasting, asked(stream=stream) + BAD[0][0], half=True)
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1 400") == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_but_half_a_request_is_none(lasting: Served) -> None:
    before = await lasting.records()
    for part in (asked()[:30], asked()[:-5], CHUNKED + b"2\r\n{}\r\n", b""):
        assert await exchange(lasting, part, half=True) == b""
        answer = await exchange(lasting, PROBE + part, half=True)
        assert answer.count(b"HTTP/1.1 200") == 1
    assert await lasting.records() == before


@pytest.mark.parametrize("old", [False, True])
async def test_interim_responses_go_to_those_that_know_them(tmp_path: Path, old: bool) -> None:
    request = asked().replace(b"HTTP/1.1", b"HTTP/1.0") if old else asked()
    timeouts = {"first": 0.5, "total": 0.5}
    async with served(tmp_path, backend := Held(), timeouts=timeouts) as gateway:
        answer = await exchange(gateway, request, half=True)
        await backend.closed.wait()
        assert answer == b"" if old else answer.startswith(INTERIM + b"HTTP/1.1 504")
        [record] = await gateway.records()
        assert record["status"] == ("gone" if old else "failed")


@pytest.mark.parametrize("waiting", [0, 1, 17])
async def test_a_client_that_has_left_is_noticed(tmp_path: Path, waiting: int) -> None:
    """Also behind others that wait on its connection."""
    async with served(tmp_path, backend := Held()) as gateway:
        asking = asyncio.create_task(exchange(gateway, asked() + PROBE * waiting))
        await backend.reached.wait()
        asking.cancel()
        await backend.closed.wait()
        [record] = await gateway.records()
        assert record["status"] == "gone"
        assert gateway.gateway.limits.running == 0
