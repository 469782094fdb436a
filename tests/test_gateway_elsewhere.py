"""Addresses of the engine beside chats and completions: passed through, recorded, or closed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway_parts import served
from gtalign.config import load_table
from gtalign.errors import ConfigError
from gtalign.gateway.answers.elsewhere import pattern_of
from gtalign.gateway.settings import GatewayConfig
from standins.engines import VLLM
from test_gateway_hostile import exchange

SOUND = bytes(range(256)) * 300


class Wide(VLLM):
    """Answers at many addresses, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, Any]] = []
        self.got = 0
        self.first = asyncio.Event()
        self.status = 200

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in ("/v1/models", "/v1/completions", "/v1/chat/completions", "/health"):
            return await super().handle(request)
        if path == "/tokenize" and "probe" not in request.query:
            return await super().handle(request)
        if self.status != 200:
            error = {"message": "too loud", "type": "audio", "code": "loud"}
            return web.json_response({"error": error}, status=self.status)
        if path == "/v1/audio/transcriptions":
            async for chunk in request.content.iter_any():
                self.got += len(chunk)
                self.first.set()
            kind = request.headers["Content-Type"]
            self.seen.append((request.method, path, kind))
            return web.json_response({"text": "hello", "size": self.got})
        self.seen.append((request.method, path, await request.read()))
        if path == "/v1/audio/speech":
            return web.Response(body=SOUND, content_type="audio/mpeg")
        if request.method == "DELETE":
            return web.Response(status=204)
        vector = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        query = request.rel_url.raw_query_string
        found = {"object": "list", "data": [vector], "model": "m", "usage": usage, "query": query}
        return web.json_response(found)


async def test_the_real_client_embeds_speaks_and_listens(tmp_path: Path) -> None:
    engine = Wide()
    async with served(tmp_path, engine) as gateway:
        raw = await gateway.client.embeddings.with_raw_response.create(
            model="toy:subscription", input="x", encoding_format="float"
        )
        assert raw.parse().data[0].embedding == [0.1, 0.2]
        assert raw.headers["x-gtalign-policy"] == "subscription"
        assert raw.headers["x-gtalign-steered"] == "false"
        method, path, body = engine.seen[-1]
        assert (method, path, json.loads(body)["model"]) == ("POST", "/v1/embeddings", "toy")
        await gateway.client.embeddings.create(model="other", input="x", encoding_format="float")
        assert json.loads(engine.seen[-1][2])["model"] == "other"
        speech = await gateway.client.audio.speech.create(model="tts", voice="a", input="x")
        assert await speech.aread() == SOUND
        heard = await gateway.client.audio.transcriptions.create(
            model="w", file=("a.mp3", SOUND, "audio/mpeg")
        )
        assert heard.text == "hello"
        assert engine.seen[-1][2].startswith("multipart/form-data; boundary=")
        assert engine.got > len(SOUND)
        records = await gateway.records()
        assert [record["status"] for record in records] == ["passed"] * 4
        assert {record["reason"] for record in records} == {
            "passed through: /v1/embeddings",
            "passed through: /v1/audio/speech",
            "passed through: /v1/audio/transcriptions",
        }
        assert {record["prompt_tokens"] for record in records} == {3, None}
        key = gateway.gateway.limits
        assert key.running == 0


async def test_tokens_of_a_request_are_counted_by_the_engine(tmp_path: Path) -> None:
    engine = Wide()
    async with served(tmp_path, engine) as gateway:
        for path in ("/responses/input_tokens", "/v1/chat/completions/input_tokens"):
            status, headers, _ = await gateway.post({"model": "toy:costly"}, path)
            assert (status, headers["x-gtalign-policy"]) == (200, "costly")
            method, asked, body = engine.seen[-1]
            assert (method, asked) == ("POST", f"/v1{path.removeprefix('/v1')}")
            assert json.loads(body)["model"] == "toy"


async def test_queries_methods_and_addresses_beside_v1(tmp_path: Path) -> None:
    engine = Wide()
    async with served(tmp_path, engine, passes=["/v1/files/*", "/tokenize"]) as gateway:
        status, found = await gateway.get("/v1/files/a%20b?limit=2&after=x%26y")
        assert (status, found["query"]) == (200, "limit=2&after=x%26y")
        assert engine.seen[-1][:2] == ("GET", "/v1/files/a b")
        async with gateway.http.delete(f"{gateway.address}/v1/files/a") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        status, _, found = await gateway.post({"prompt": "x"}, "/tokenize")
        assert (status, found["count"] > 0) == (200, True)
        status, _, _ = await gateway.post({"input": "x"}, "/v1/embeddings")
        assert status == 404
        for method in ("PATCH", "PUT", "PROPFIND", "SEARCH"):
            asked = gateway.http.request(method, f"{gateway.address}/v1/files/a", data=b"x")
            async with asked as answer:
                assert (answer.status, engine.seen[-1][0]) == (200, method)
        seen = len(engine.seen)
        for path in ("/v1/files/a", "/tokenize"):
            async with gateway.http.options(gateway.address + path) as answer:
                assert answer.status == 204
                assert answer.headers["allow"] == "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"
        raw = b"TRACE /tokenize HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert b" 405 " in await exchange(gateway, raw)
        assert len(engine.seen) == seen
        assert 'path="/v1/files/*"' in gateway.gateway.metrics.text()


async def test_what_is_not_named_is_closed(tmp_path: Path) -> None:
    engine = Wide()
    async with served(tmp_path, engine) as gateway:
        engine.seen.clear()
        for path in (
            *("/v1/files", "/v1/load_lora_adapter", "/sleep", "/metrics/x", "/v1/audio"),
            *("/v1/audio/", "/v1/embeddings/x", "/v1/audio/%2e%2e/load_lora_adapter"),
            "/v1/audio/..%2fload_lora_adapter",
        ):
            status, _, told = await gateway.post({}, path)
            assert (status, told["error"]["code"]) == (404, "not_found"), path
        raw = b"POST /v1/audio/../load_lora_adapter HTTP/1.1\r\nHost: localhost\r\n"
        raw += b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
        assert b" 404 " in await exchange(gateway, raw)
        assert engine.seen == []
        for path in ("/v1/audio/a%0d%0aX-Evil:%20y", "/v1/audio/%ff", f"/v1/audio/{'a' * 200}"):
            raw = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            answer = await exchange(gateway, raw)
            assert (
                answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404"))
                and b"\r\nX-Evil" not in answer
            )
            assert b"x-gtalign-passed: /v1/audio/*\r\n" in answer
    (tmp_path / "b").mkdir()
    async with served(tmp_path / "b", engine, passes=[]) as gateway:
        assert (await gateway.post({"input": "x"}, "/v1/embeddings"))[0] == 404
    async with served(tmp_path / "c") as gateway:  # whose model is in this process
        status, _, told = await gateway.post({"input": "x"}, "/v1/embeddings")
        assert status == 400 and "inside the gateway" in told["error"]["message"]


async def test_keys_policies_and_limits_hold_here_too(tmp_path: Path) -> None:
    async with served(tmp_path, Wide(), limits={"body_bytes": 2048}) as gateway:
        _, admin = await gateway.key()
        _, bound = await gateway.key(name="b", scopes=["chat"], policy="costly")
        body = {"input": "x"}
        assert (await gateway.post(body, "/v1/embeddings"))[0] == 401
        mine = {"Authorization": f"Bearer {bound}"}
        status, headers, _ = await gateway.post(body, "/v1/embeddings", **mine)
        assert (status, headers["x-gtalign-policy"]) == (200, "costly")
        body["model"] = "toy:subscription"
        assert (await gateway.post(body, "/v1/embeddings", **mine))[0] == 403
        body["model"] = "toy:nothing"
        assert (await gateway.post(body, "/v1/embeddings", **mine))[0] == 403
        body = {"input": "x" * 3000}
        found = await gateway.post(body, "/v1/embeddings", Authorization=f"Bearer {admin}")
        assert found[0] == 413


@pytest.mark.parametrize("status", [400, 413, 500])
async def test_an_engine_that_refuses_is_quoted(tmp_path: Path, status: int) -> None:
    engine = Wide()
    async with served(tmp_path, engine) as gateway:
        engine.status = status
        for data in (b"{}", b"\x00" * 10):
            kind = "application/json" if data == b"{}" else "audio/mpeg"
            url = f"{gateway.address}/v1/audio/transcriptions"
            async with gateway.http.post(url, data=data, headers={"Content-Type": kind}) as answer:
                told = (await answer.json())["error"]
                assert answer.status == (502 if status == 500 else status)
                assert (told["message"], told["code"]) == ("too loud", "loud")


async def test_an_upload_is_handed_on_while_it_comes(tmp_path: Path) -> None:
    engine = Wide()

    async def slowly() -> Any:
        yield SOUND
        await engine.first.wait()  # which is before the end of the body
        for _ in range(80):
            yield SOUND

    async with served(tmp_path, engine) as gateway:
        url = f"{gateway.address}/v1/audio/transcriptions"
        kind = {"Content-Type": "audio/mpeg"}
        async with gateway.http.post(url, data=slowly(), headers=kind) as answer:
            assert (answer.status, (await answer.json())["size"]) == (200, len(SOUND) * 81)


async def test_an_upload_without_end_is_cut_off(tmp_path: Path) -> None:
    engine = Wide()
    async with served(tmp_path, engine, limits={"upload_bytes": 100_000}) as gateway:
        url = f"{gateway.address}/v1/audio/transcriptions"

        async def endless() -> Any:
            while True:
                yield SOUND

        kind = {"Content-Type": "audio/mpeg"}
        try:
            async with gateway.http.post(url, data=endless(), headers=kind) as answer:
                assert answer.status == 413
        except aiohttp.ClientError:
            pass  # the connection was ended while more was sent
        async with gateway.http.post(url, data=b"x" * 100_001, headers=kind) as answer:
            assert answer.status == 413
        while gateway.gateway.limits.running:
            await asyncio.sleep(0)


async def test_a_client_that_leaves_amid_an_upload_is_forgotten(tmp_path: Path) -> None:
    engine = Wide()
    async with served(tmp_path, engine) as gateway:
        host, _, port = gateway.address.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
        writer.write(head + b"Content-Type: audio/x\r\nContent-Length: 90000\r\n\r\n" + SOUND[:999])
        await engine.first.wait()
        writer.close()
        while gateway.gateway.limits.running:
            await asyncio.sleep(0)
        [record] = await gateway.records()
        assert record["status"] in ("gone", "failed")


@pytest.mark.parametrize(
    ("path", "patterns", "found"),
    [
        ("/v1/a", ("/v1/a",), "/v1/a"),
        ("/v1/a/b", ("/v1/a",), None),
        ("/v1/a/b", ("/v1/a/*",), "/v1/a/*"),
        ("/v1/a/b/c", ("/v1/a/*",), "/v1/a/*"),
        ("/v1/a", ("/v1/a/*",), None),
        ("/v1/a/", ("/v1/a/*",), None),
        ("/v1/ab", ("/v1/a/*",), None),
        ("/v1/a/../b", ("/v1/a/*",), None),
        ("/v1/a/./b", ("/v1/a/*",), None),
        ("/v1/a/..b", ("/v1/a/*",), "/v1/a/*"),
        ("/x", (), None),
    ],
)
def test_which_addresses_a_pattern_names(path: str, patterns: Any, found: str | None) -> None:
    assert pattern_of(path, patterns) == found


@pytest.mark.parametrize("wrong", ["v1/a", "/v1/*/b", "/", "/*x", "/a b", "/a?b"])
def test_wrong_patterns_are_named(wrong: str) -> None:
    with pytest.raises(ConfigError, match="passes"):
        load_table(GatewayConfig, {"upstream": {"address": "x"}, "passes": [wrong]}, "test")


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/v1/responses/resp_1", "keeps no responses"),
        ("DELETE", "/v1/responses/resp_1", "keeps no responses"),
        ("POST", "/v1/responses/resp_1/cancel", "keeps no responses"),
        ("GET", "/v1/responses/resp_1/input_items", "keeps no responses"),
        ("GET", "/v1/chat/completions/c", "keeps no chats"),
        ("POST", "/v1/conversations", "keeps no conversations"),
        ("GET", "/v1/messages/batches/b", "keeps no batches"),
        ("GET", "/v1/nowhere", "nothing at this address"),
    ],
)
async def test_what_is_kept_nowhere_says_so(
    tmp_path: Path, method: str, path: str, told: str
) -> None:
    async with (
        served(tmp_path) as gateway,
        gateway.http.request(method, gateway.address + path) as answer,
    ):
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (404, "not_found")
        assert told in error["message"]


async def test_the_configuration_opens_what_an_engine_keeps(tmp_path: Path) -> None:
    engine = Wide()
    async with served(tmp_path, engine, passes=["/v1/responses/*"]) as gateway:
        for method in ("GET", "DELETE"):
            url = f"{gateway.address}/v1/responses/resp_1"
            async with gateway.http.request(method, url) as answer:
                assert answer.status in (200, 204)
                assert answer.headers["x-gtalign-passed"] == "/v1/responses/resp_1"
        asked = [(method, path) for method, path, _ in engine.seen if "responses" in path]
        assert asked == [(one, "/v1/responses/resp_1") for one in ("GET", "DELETE")]
