"""Engines that refuse, fail or cut an answer off, and what a client gets of their words."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web

from gateway_parts import MESSAGES, Served, served
from standins import model
from standins.engines import VLLM, chat_chunk, completion_chunk

CONTEXT = "This model's maximum context length is 64 tokens. However, you requested 90 tokens."
JSON: Any = {"response_format": {"type": "structural_tag"}}


class Refusing(VLLM):
    """Once told to, it refuses: what was steered, or everything."""

    def __init__(self, status: int, reply: Any, *, steered_alone: bool = False) -> None:
        super().__init__()
        self.status = status
        self.reply = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.steered_alone = steered_alone
        self.refuses = False
        self.passed: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        chat = request.path == "/v1/chat/completions"
        if not self.refuses or not (chat or request.path == "/v1/completions"):
            return await super().handle(request)
        if chat:
            self.passed.append(await request.json())
        if chat and self.steered_alone:
            message = {"role": "assistant", "content": "mine"}
            choice = {"index": 0, "message": message, "finish_reason": "content_filter"}
            return web.json_response({"id": "x", "choices": [choice]})
        headers = {"Content-Type": "application/json", "Location": "http://10.1.2.3/inside"}
        return web.Response(body=self.reply, status=self.status, headers=headers)


DIALECTS: list[tuple[int, Any, dict[str, Any]]] = [
    (
        400,
        {
            "error": {
                **{"message": CONTEXT, "type": "invalid_request_error", "param": "messages"},
                "code": "context_length_exceeded",
            }
        },
        {"type": "invalid_request_error", "code": "context_length_exceeded", "message": CONTEXT},
    ),
    (
        400,
        {"object": "error", "message": CONTEXT, "type": "BadRequestError", "code": 400},
        {"type": "BadRequestError", "code": 400, "message": CONTEXT},
    ),
    (
        400,
        {
            "error": {
                "code": 400,
                "message": "too long",
                "type": "exceed_context_size_error",
                "n": 7,
            }
        },
        {"type": "exceed_context_size_error", "code": 400, "message": "too long", "n": 7},
    ),
    (400, b"Bad thing happened\n", {"message": "Bad thing happened"}),
    (400, "just text", {"message": "just text"}),
    (
        400,
        [{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}],
        {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"},
    ),
    (404, {"errors": [{"message": "m1"}, {"message": "m2"}]}, {"message": "m1; m2"}),
    (
        400,
        {"error": {"message": None, "code": "weird", "type": "T"}},
        {"code": "weird", "type": "T"},
    ),
    (
        413,
        b"<html><head><title>413</title></head><body><h1>Too &amp; Large</h1></body></html>",
        {"message": "Too & Large"},
    ),
    (404, {"error": "no such model"}, {"message": "no such model", "code": "upstream_refused"}),
    (422, {"detail": [{"loc": ["body"], "msg": "x"}]}, {"message": '[{"loc":["body"],"msg":"x"}]'}),
    (429, {"error": {"message": "slow down", "code": "rate"}}, {"message": "slow down"}),
    (501, {"error": {"message": "no such thing", "code": 501}}, {"message": "no such thing"}),
    (503, {"error": {"message": "Loading model", "type": "unavailable_error"}}, {"code": ...}),
]


@pytest.mark.parametrize("more", [{}, JSON], ids=["steered", "passed"])
@pytest.mark.parametrize(("status", "reply", "told"), DIALECTS)
async def test_an_engine_s_refusal_reaches_the_client_whole(
    tmp_path: Path, status: int, reply: Any, told: dict[str, Any], more: Any
) -> None:
    engine = Refusing(status, reply)
    async with served(tmp_path, engine) as gateway:
        engine.refuses = True
        found, headers, body = await gateway.post({"model": "toy", "messages": MESSAGES, **more})
        assert found == status
        error = body["error"]
        assert {"message", "type", "param", "code"} <= set(error)
        assert told.items() <= error.items() or told == {"code": ...}
        assert ("retry-after" in headers) == (status in (429, 503))
        [record] = await gateway.records()
        assert record["status"] == "failed"
        assert "[withheld]" in record["error"] or error["code"] == "weird"


INSIDE = ("127.0.0.1", "10.1.2.3", "/v1/", "/tokenize", "Error:", "vLLM", "aiohttp", "sk-secret")


@pytest.mark.parametrize("more", [{}, JSON, {"stream": True}, {"stream": True, **JSON}])
@pytest.mark.parametrize(
    ("status", "reply", "found"),
    [
        (401, {"error": {"message": "Incorrect API key: sk-secret at http://10.1.2.3"}}, 502),
        (403, {"error": {"message": "sk-secret"}}, 502),
        (307, b"", 502),
        (500, b"<html>nginx at 10.1.2.3</html>", 502),
        (400, b"no such file at https://10.1.2.3/v1/models, [::1]:80 or gpu-7:8000", 400),
        (502, {"error": ""}, 502),
        (504, b"[]", 504),
        (400, b"\xff\xfe 10.1.2.3", 400),
        (400, b'{"error": {"type": "x"}}', 400),
        (400, b"", 400),
    ],
)
async def test_nothing_inside_is_named(
    tmp_path: Path, status: int, reply: Any, found: int, more: Any
) -> None:
    engine = Refusing(status, reply)
    async with served(tmp_path, engine) as gateway:
        engine.refuses = True
        seen, _, body = await gateway.post({"model": "toy", "messages": MESSAGES, **more})
        assert seen == found
        assert body["error"]["message"]
        assert not any(word in json.dumps(body) for word in INSIDE), body


@pytest.mark.parametrize("more", [{}, JSON])
async def test_an_engine_that_is_away_is_not_named(tmp_path: Path, more: Any) -> None:
    async with served(tmp_path, VLLM(), upstream={"retries": 0}) as gateway:
        upstream = gateway.gateway.upstream
        for transport in (upstream.backend._transport, upstream.proxy._transport):  # type: ignore
            await transport.aclose()
            transport.api = "http://127.0.0.1:9/v1"
        upstream.proxy.api = "http://127.0.0.1:9/v1"  # type: ignore[union-attr]
        status, _, body = await gateway.post({"model": "toy", "messages": MESSAGES, **more})
        assert (status, body["error"]["code"]) == (502, "upstream_failed")
        assert body["error"]["message"] == "the model server cannot be reached"
        [record] = await gateway.records()
        assert "127.0.0.1:9" in record["error"]


async def test_a_client_s_own_record_does_not_name_the_engine(tmp_path: Path) -> None:
    async with served(tmp_path, VLLM()) as gateway:
        _, admin = await gateway.key()
        _, plain = await gateway.key(name="p", scopes=["chat"])
        as_admin, as_client = ({"Authorization": f"Bearer {key}"} for key in (admin, plain))
        _, _, body = await gateway.post({"model": "toy", "messages": MESSAGES}, **as_client)
        _, found = await gateway.get(f"/v1/decisions/{body['id']}", **as_client)
        assert found["decision"]["backend"] == "engine" and "127.0.0.1" not in json.dumps(found)
        _, found = await gateway.get(f"/admin/decisions/{body['id']}", **as_admin)
        assert "127.0.0.1" in found["decision"]["backend"]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_what_only_steering_is_refused_for_is_passed_through(
    tmp_path: Path, status: int
) -> None:
    engine = Refusing(status, {"error": {"message": CONTEXT}}, steered_alone=True)
    async with served(tmp_path, engine) as gateway:
        engine.refuses = True
        asked = {"model": "toy:costly", "messages": MESSAGES, "top_k": -1}
        found, headers, body = await gateway.post(asked)
        assert (found, headers["x-gtalign-passed"]) == (200, "refused")
        assert body["choices"][0]["message"]["content"] == "mine"
        assert body["choices"][0]["finish_reason"] == "content_filter"
        assert engine.passed == [asked | {"model": "toy"}]
        [record] = await gateway.records()
        assert (record["status"], record["reason"]) == ("passed", "passed through: refused")
        assert record["id"] == headers["x-gtalign-decision"]


class Filtered(VLLM):
    """Ends what it continues with a word of its own, from a given character of the text on."""

    word = "content_filter"
    after: str | None = None

    async def completions(self, body: dict[str, Any]) -> Any:
        if self.after is None:
            return await super().completions(body)
        events: list[Any] = []
        text = ""
        for event in await super().completions(body):
            if event == "[DONE]" or not event["choices"]:
                events.append(event)
                continue
            text += event["choices"][0]["text"]
            if self.after in text:
                return [*events, completion_chunk("", self.word, token_ids=[]), "[DONE]"]
            events.append(event)
        return events

    async def chat(self, body: dict[str, Any]) -> Any:
        chunks = [chat_chunk({"role": "assistant", "content": "mi"}, None)]
        return [*chunks, chat_chunk({}, self.word), "[DONE]"]


async def finished(gateway: Served) -> tuple[str, str | None, Any]:
    chunks = [chunk async for chunk in await gateway.ask(stream=True)]
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    return text, chunks[-1].choices[0].finish_reason, chunks[-1]


@pytest.mark.parametrize("word", ["content_filter", "abort", "insufficient_system_resource"])
async def test_an_answer_that_is_cut_off_says_so(tmp_path: Path, word: str) -> None:
    engine = Filtered()
    engine.word = word
    async with served(tmp_path, engine) as gateway:
        engine.after = "<payoff>"  # before anything is shown: the engine's own answer says it
        text, finish, _ = await finished(gateway)
        assert (text, finish) == ("mi", word)
        engine.after = model.RESPONSES["DA"][:8]  # amid the response
        text, finish, last = await finished(gateway)
        assert finish == word and model.RESPONSES["DA"].startswith(text)
        assert last.gtalign["steered"] is True
        records = await gateway.records()
        assert {record["status"] for record in records} == {"passed", "failed"}


@pytest.mark.parametrize(("word", "known"), [("eos", "stop"), ("end_turn", "stop")])
async def test_other_words_for_the_end_are_the_end(tmp_path: Path, word: str, known: str) -> None:
    class Dialect(VLLM):
        async def completions(self, body: dict[str, Any]) -> Any:
            return json.loads(
                json.dumps(list(await super().completions(body))).replace(
                    '"finish_reason": "stop"', f'"finish_reason": "{word}"'
                )
            )

    async with served(tmp_path, Dialect()) as gateway:
        text, finish, _ = await finished(gateway)
        assert (text, finish) == (model.RESPONSES["DA"], known)


async def test_the_real_client_sees_which_limit_was_met(tmp_path: Path) -> None:
    engine = Refusing(*DIALECTS[0][:2])
    async with served(tmp_path, engine) as gateway:
        engine.refuses = True
        with pytest.raises(openai.BadRequestError, match="maximum context length") as caught:
            await gateway.ask()
        assert caught.value.code == "context_length_exceeded"
        assert caught.value.type == "invalid_request_error"
        assert caught.value.param == "messages"


class FilteredWhole(Filtered):
    """Ends whole answers with its word as well."""

    async def chat(self, body: dict[str, Any]) -> Any:
        if body.get("stream"):
            return await super().chat(body)
        message = {"role": "assistant", "content": "mi"}
        choice = {"index": 0, "message": message, "finish_reason": self.word}
        return {"id": "x", "choices": [choice], "usage": {"prompt_tokens": 1}}


RESPONSE: Any = {"input": MESSAGES, "extra": 1}
MESSAGE: Any = {"messages": MESSAGES, "max_tokens": 480}
PASSED: Any = {"min_tokens": 1}


async def events_of(gateway: Served, path: str, body: Any) -> list[Any]:
    """The events of a stream."""
    url = gateway.address + path
    async with gateway.http.post(url, json={"model": "toy", "stream": True, **body}) as answer:
        assert answer.status == 200
        parts = (await answer.text()).split("\n\n")
    return [json.loads(part.partition("data: ")[2]) for part in parts if "data: {" in part]


@pytest.mark.parametrize(
    "word", ["abort", "error", "weird", "insufficient_system_resource", "repetition", "Timeout"]
)
async def test_an_answer_that_broke_off_is_complete_in_no_interface(
    tmp_path: Path, word: str
) -> None:
    engine = FilteredWhole()
    engine.word = word
    async with served(tmp_path, engine) as gateway:
        for more, after in ((PASSED, None), ({}, "<payoff>"), ({}, model.RESPONSES["DA"][:8])):
            engine.after = after
            *_, last, error = await events_of(gateway, "/v1/responses", {**RESPONSE, **more})
            assert (last["type"], error["type"]) == ("response.failed", "error")
            assert last["response"]["status"] == "failed"
            assert last["response"]["error"]["code"] == error["code"] == "upstream_ended"
            assert word in error["message"]
            *_, error = await events_of(gateway, "/v1/messages", {**MESSAGE, **more})
            assert (error["type"], error["error"]["type"]) == ("error", "api_error")
            assert word in error["error"]["message"]
        _, _, told = await gateway.post({"model": "toy", **RESPONSE, **PASSED}, "/v1/responses")
        assert (told["status"], told["error"]["code"]) == ("failed", "upstream_ended")
        assert told["output"][0]["content"][0]["text"] == "mi"
        assert told["output"][0]["status"] == "incomplete"
        status, _, told = await gateway.post({"model": "toy", **MESSAGE, **PASSED}, "/v1/messages")
        assert (status, told["error"]["type"]) == (502, "api_error")
        assert word in told["error"]["message"]


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("stop", "completed", "end_turn"),
        ("eos_token", "completed", "end_turn"),
        ("STOP", "completed", "end_turn"),
        ("", "completed", "end_turn"),
        (None, "completed", "end_turn"),
        ("length", "incomplete", "max_tokens"),
        ("max_tokens", "incomplete", "max_tokens"),
        ("content_filter", "incomplete", "refusal"),
    ],
)
async def test_the_ends_that_each_interface_knows(
    tmp_path: Path, word: Any, status: str, reason: str
) -> None:
    engine = FilteredWhole()
    engine.word = word
    async with served(tmp_path, engine) as gateway:
        _, _, told = await gateway.post({"model": "toy", **RESPONSE, **PASSED}, "/v1/responses")
        assert told["status"] == status
        _, _, told = await gateway.post({"model": "toy", **MESSAGE, **PASSED}, "/v1/messages")
        assert told["stop_reason"] == reason
