"""Bodies and heads byte by byte: compression, old HTTP, sizes, and what is counted."""

import gzip
import json
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from gateway_parts import MESSAGES, Served, served
from standins import model
from standins.engines import VLLM
from test_gateway_hostile import CLOSE, HEAD, exchange

CHAT: Any = {"model": "toy", "messages": MESSAGES}
BODY = json.dumps(CHAT).encode()
URL = "/v1/chat/completions"


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served, None]:
    """A gateway for what leaves it as it was."""
    folder = tmp_path_factory.mktemp("lasting")
    async with served(folder, limits={"body_bytes": 100_000}) as gateway:
        yield gateway


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("GZIP", gzip.compress(BODY, mtime=0)),
        ("x-gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", deflated(BODY)),
        ("identity", BODY),
        ("", BODY),
        ("gzip, identity", gzip.compress(BODY, mtime=0)),
        ("identity,, gzip", gzip.compress(BODY, mtime=0)),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY, mtime=0), mtime=0)),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY), mtime=0)),
        ("gzip", gzip.compress(BODY[:9], mtime=0) + gzip.compress(BODY[9:], mtime=0)),
        ("x-gzip", b"".join(gzip.compress(bytes([byte]), mtime=0) for byte in BODY)),
    ],
)
async def test_a_packed_request_is_read(lasting: Served, name: str, packed: bytes) -> None:
    headers = {"Content-Encoding": name}
    async with lasting.http.post(lasting.address + URL, data=packed, headers=headers) as found:
        answer = await found.json()
    assert answer["choices"][0]["message"]["content"] == model.RESPONSES["DA"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "packed", "status", "code"),
    [
        ("br", b"x", 415, "unknown_encoding"),
        ("zstd", b"x", 415, "unknown_encoding"),
        ("gzip, br", b"x", 415, "unknown_encoding"),
        (", ".join(["gzip"] * 9), gzip.compress(BODY, mtime=0), 415, "unknown_encoding"),
        (
            "gzip",
            gzip.compress(BODY, mtime=0) + gzip.compress(BODY, mtime=0)[:-3],
            400,
            "not_packed",
        ),
        ("gzip", gzip.compress(b" " * 60_000, mtime=0) * 2, 413, "too_large"),
        ("gzip", BODY, 400, "not_packed"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9], 400, "not_packed"),
        ("gzip", gzip.compress(BODY, mtime=0) + b"more", 400, "not_packed"),
        ("gzip", b"", 400, "not_packed"),
        ("deflate", BODY, 400, "not_packed"),
        ("gzip", gzip.compress(b" " * 3_000_000, mtime=0), 413, "too_large"),
        ("gzip", gzip.compress(b"\xff\xfe", mtime=0), 400, "not_json"),
    ],
)
async def test_or_refused_clearly(
    lasting: Served, name: str, packed: bytes, status: int, code: str
) -> None:
    head = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (name.encode(), len(packed))
    answer = await exchange(lasting, HEAD + CLOSE + head + packed)
    assert answer.startswith(b"HTTP/1.1 %d" % status) and code.encode() in answer, answer


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (gzip.compress(BODY, mtime=0), "Content-Encoding: gzip"),
        (b"\x28\xb5\x2f\xfdx", "zstd"),
        (BODY.decode().encode("utf-16"), "UTF-16"),
        (BODY.decode().encode("utf-16-be"), "UTF-16"),
        (BODY.decode().encode("utf-32-le"), "UTF-8"),
        (json.dumps(CHAT, ensure_ascii=False).encode("latin-1"), "not UTF-8: the byte 0xfc at "),
        (b"\xef\xbb\xbf" + BODY, "byte order mark"),
        (zlib.compress(BODY), "not UTF-8"),
        (BODY[:-1], "not JSON"),
        (b"\0", "UTF-16"),
    ],
)
async def test_what_is_no_text_in_utf_8_is_named(lasting: Served, raw: bytes, said: str) -> None:
    for path in (URL, "/v1/responses", "/v1/embeddings"):
        headers = {"Content-Type": "application/json; charset=iso-8859-1"}
        async with lasting.http.post(lasting.address + path, data=raw, headers=headers) as found:
            told = (await found.json())["error"]
        assert (found.status, told["code"]) == (400, "not_json")
        assert said in told["message"] and "surrogates" not in told["message"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("coding", [b"gzip, chunked", b"deflate,chunked", b"x, chunked"])
@pytest.mark.parametrize("path", [URL.encode(), b"/v1/embeddings", b"/healthz"])
async def test_other_transfer_codings_are_not_known(
    lasting: Served, coding: bytes, path: bytes
) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: %b\r\n\r\n0\r\n\r\n"
    answer = await exchange(lasting, head % (path, coding))
    assert answer.startswith(b"HTTP/1.1 501") and b"unknown_transfer" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"FOO / HTTP/1.1", 501),
        (b"GETT /healthz HTTP/1.1", 501),
        (b"get /healthz HTTP/1.1", 501),
        (b"X-Y_Z /v1/models HTTP/1.1", 501),
        (b"FOO", 400),
        (b"{} / HTTP/1.1", 400),
        (b"GET /healthz HTTX/1.1", 400),
        (b"OPTIONS * HTTP/1.1", 204),
        (b"GET * HTTP/1.1", 404),
    ],
)
async def test_a_method_that_nobody_knows_is_no_broken_http(
    lasting: Served, line: bytes, status: int
) -> None:
    last = line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await exchange(lasting, last)
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer
    if status == 204:
        assert b"allow: get, post, put, patch, delete, head, options" in answer.lower()


class Packed(VLLM):
    """Answers chats in gzip, though asked for no compression."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != URL:
            return await super().handle(request)
        body = gzip.compress(b'{"usage": {"prompt_tokens": 1}}', mtime=0)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return web.Response(body=body, headers=headers)


async def test_a_packed_answer_says_that_it_is(tmp_path: Path) -> None:
    # Of a model that writes chains, the response is cut out and goes on unpacked.
    async with served(tmp_path, Packed(), steering={"instruct": "short"}) as gateway:
        status, headers, body = await gateway.post(CHAT | {"logprobs": True})
        assert (status, headers["content-encoding"]) == (200, "gzip")
        assert body == {"usage": {"prompt_tokens": 1}}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("size", [33_000, 66_000, 500_000])
@pytest.mark.parametrize("where", ["header", "path", "many"])
async def test_a_large_head_is_refused_even_if_it_comes_at_once(
    lasting: Served, size: int, where: str
) -> None:
    fill = b"x" * size
    head = {
        "header": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %b\r\n\r\n" % fill,
        "path": b"GET /healthz?%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % fill,
        "many": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (b"X: y\r\n" * (size // 6)),
    }[where]
    answer = await exchange(lasting, head + b"GET /healthz HTTP/1.1\r\n\r\n")
    if size > 262_144 and not answer:
        return  # the connection broke while more of it was on its way
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n"), answer[:80]
    assert answer.count(b"HTTP/1.1") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_large"
    large = b"POST " + URL.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + CLOSE
    body = json.dumps(CHAT | {"user": "x" * 66_000}).encode()
    large += b"Content-Length: %d\r\n\r\n" % len(body) + body
    assert (await exchange(lasting, large)).startswith(b"HTTP/1.1 200")


async def test_lines_behind_a_body_have_an_end(tmp_path: Path) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    line = b"X-T: " + b"y" * 30_000 + b"\r\n"
    async with served(tmp_path) as gateway:
        answer = await exchange(gateway, head + b'5\r\n{"a":\r\n0\r\n', *[line] * 400)
        assert b"HTTP/1.1 200" not in answer
        body = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY + b" " * 40_000)
        end = b"0\r\nX-T: y\r\n\r\n"
        head = HEAD + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
        assert (await exchange(gateway, head + body + end)).startswith(b"HTTP/1.1 200")


async def test_what_is_not_http_is_told_in_openais_form(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        answer = await exchange(gateway, b"\x16\x03\x01 hello\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "not_http"


@pytest.mark.parametrize("more", [{"stream": True}, {"logprobs": True, "stream": True}, {}])
async def test_an_answer_in_old_http_has_no_chunks(tmp_path: Path, more: Any) -> None:
    class Chatty(VLLM):
        async def chat(self, body: dict[str, Any]) -> Any:
            return [{"choices": []}, "[DONE]"]

    body = json.dumps(CHAT | more).encode()
    head = b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    async with served(tmp_path, Chatty()) as gateway:
        answer = await exchange(gateway, head % len(body) + body)
        start, _, rest = answer.partition(b"\r\n\r\n")
        assert start.startswith(b"HTTP/1.1 200") and b"chunked" not in start.lower()
        if more:
            assert rest.startswith(b"data: ") and rest.endswith(b"\n\ndata: [DONE]\n\n")
            assert b"content-length" not in start
        else:
            assert json.loads(rest)["choices"]


async def test_every_chunk_but_the_last_says_that_the_usage_is_to_come(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for options in ({"include_usage": True}, {"include_usage": False}, None):
            stream = await gateway.ask(stream=True, stream_options=options)
            chunks = [chunk.model_dump(exclude_unset=True) async for chunk in stream]
            if not (options and options["include_usage"]):
                assert not any("usage" in chunk for chunk in chunks)
                continue
            *pieces, last = chunks
            assert all(chunk["usage"] is None for chunk in pieces)
            assert pieces[-1]["choices"][0]["finish_reason"] == "stop"
            assert last["usage"]["total_tokens"] > 0 and last["choices"] == []


class Uncounted(VLLM):
    """Counts nothing."""

    async def completions(self, body: dict[str, Any]) -> Any:
        events = [event for event in await super().completions(body) if event != "[DONE]"]
        plain = [{**event, "usage": None} for event in events if event["choices"]]
        return [*plain, "[DONE]"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_nobody_counts_has_no_number(tmp_path: Path, stream: bool) -> None:
    async with served(tmp_path, Uncounted()) as gateway:
        body = CHAT | {"stream": stream, "stream_options": {"include_usage": True}}
        async with gateway.http.post(gateway.address + URL, json=body) as answer:
            text = await answer.text()
        last = json.loads(text.split("\n\n")[-3].removeprefix("data: ") if stream else text)
        usage = last["usage"]
        assert usage["prompt_tokens"] is None and usage["total_tokens"] is None
        assert usage["completion_tokens"] > 0
        [record] = await gateway.records()
        assert record["prompt_tokens"] is None
