"""What is passed through to a model that writes chains shows its client the response alone."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway_parts import MESSAGES, PASSED_SCHEMA, scripted, served
from gtalign.gateway.answers import cut as cut_module
from gtalign.gateway.answers.cut import Begun, ChainCutter
from gtalign.gateway.http.reply import EVENTS, JSON
from gtalign.steering import FakeBackend, SteeringSettings
from standins import model
from standins.engines import VLLM

CHAIN = model.continuation("Where to?", "")
SAID = CHAIN.partition("<response>")[2].partition("</response>")[0]
INSIDE = ("<thinking>", "<payoff>", "<analyze>", "<response>", '"LLM"', "</")
SETTINGS = SteeringSettings(instruct="none")

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": PASSED_SCHEMA}}
ASKED: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]}]},
    {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
    {
        "messages": [
            *MESSAGES,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "7"},
        ],
        "tools": [TOOL],
    },
    {"tools": [TOOL]},
    {"logprobs": True},
    {"messages": [*MESSAGES, {"role": "assistant", "content": "x"}]},
    {"min_tokens": 4},
]


def whole(text: str | None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more}
    tokens = {"content": [{"token": text, "logprob": -0.1}]}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": tokens}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    return {"id": "x", "choices": [choice], "usage": usage}


def streamed(text: str, sizes: random.Random, *, finish: str | None = "stop") -> list[Any]:
    """The events of a text, sliced anywhere."""
    events: list[Any] = [{"role": "assistant", "content": ""}]
    while text:
        size = sizes.randint(1, 7)
        events.append({"content": text[:size]})
        text = text[size:]
    chunks = [
        {"choices": [{"index": 0, "delta": d, "finish_reason": None, "logprobs": {"t": d}}]}
        for d in events
    ]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    return [*chunks, end, {"choices": [], "usage": {"prompt_tokens": 7}}, "[DONE]"]


class Trained(VLLM):
    """Writes chains, whatever it is asked in a chat."""

    packed = False

    async def chat(self, body: dict[str, Any]) -> Any:
        return streamed(CHAIN, random.Random(1)) if body.get("stream") else whole(CHAIN)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.packed and request.path == "/v1/chat/completions":
            body = gzip.compress(json.dumps(whole(CHAIN)).encode())
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            return web.Response(body=body, headers=headers)
        return await super().handle(request)


async def test_the_response_is_cut_out(tmp_path: Path) -> None:
    engine = Trained()
    async with served(tmp_path, engine) as gateway:
        for more in ASKED:
            body = {"model": "toy", "messages": MESSAGES, **more}
            for engine.packed in (False, True):
                status, headers, told = await gateway.post(body)
                assert (status, headers["x-gtalign-steered"]) == (200, "false"), told
                assert told["choices"][0]["message"]["content"] == SAID
                assert not any(word in json.dumps(told) for word in INSIDE)
                assert told["usage"]["total_tokens"] == 12
            engine.packed = False
            stream = await gateway.ask(extra_body=more, stream=True)
            chunks = [chunk async for chunk in stream]
            assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == SAID
            assert not any(word in chunk.to_json() for chunk in chunks for word in INSIDE)
            assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
            assert chunks[-1].usage is not None
        assert {record["status"] for record in await gateway.records()} == {"passed"}


async def test_the_chain_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    async with served(tmp_path, Trained()) as gateway:
        body = {"model": "toy", "messages": MESSAGES, "logprobs": True}
        _, _, told = await gateway.post(body, **{"X-GTAlign-Show": "raw"})
        assert told["choices"][0]["message"]["content"] == CHAIN
        _, _, told = await gateway.post(body, **{"X-GTAlign-Show": "reasoning"})
        message = told["choices"][0]["message"]
        assert message["content"] == SAID
        assert message["reasoning_content"].startswith("<thinking>")
        assert "<response>" not in message["reasoning_content"]


async def test_a_model_without_training_is_passed_on_byte_by_byte(tmp_path: Path) -> None:
    async with served(tmp_path, Trained(), steering={"instruct": "short"}) as gateway:
        _, _, told = await gateway.post({"model": "toy", "messages": MESSAGES, "logprobs": True})
        assert told == whole(CHAIN)


def cut(
    text: str, *, events: bool, seed: int = 0, finish: str = "stop", **request: Any
) -> tuple[str, str]:
    """The content that a client sees, and all bytes of it."""
    cutter = ChainCutter(
        EVENTS if events else JSON,
        packed=False,
        show="response",
        settings=SETTINGS,
        request=request,
    )
    if not events:
        body = whole(text)
        body["choices"][0]["finish_reason"] = finish
        cutter.feed(json.dumps(body).encode())
        raw = cutter.close()
        return json.loads(raw)["choices"][0]["message"]["content"], raw.decode()
    sent = "".join(
        f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n"
        for chunk in streamed(text, random.Random(seed), finish=finish)
    ).encode()
    draw, raw = random.Random(seed), b""
    while sent:
        size = draw.randint(1, 200)
        raw += cutter.feed(sent[:size])
        sent = sent[size:]
    raw += cutter.close()
    found = [json.loads(e[6:]) for e in raw.decode().split("\n\n") if e and "[DONE]" not in e]
    deltas = [c["choices"][0]["delta"] for c in found if c["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas), raw.decode()


PREFIXED = [
    (f"\n {CHAIN}", SAID),
    (f"Sure. {CHAIN}", f"Sure. {SAID}"),
    (CHAIN.partition("</response>")[0], SAID),
    ("<thinking>a</thinking>", ""),
    ("<thinking>a", ""),
    ("<payoff>{}</payoff><analyze>b</analyze><response>loose</response>", "loose"),
    ("<thinking>a</thinking><response>early</response>", "early"),
    ("<response>bare</response>", "bare"),
    (CHAIN.replace("<payoff>{", "<payoff>{{"), SAID),
]
PLAIN = [
    "No chain.",
    "a < b",
    "a <",
    "<",
    "<thin",
    "x <resp",
    "1 <payof",
    "",
    "  \n",
    "<b>bold</b>",
]


@pytest.mark.parametrize("events", [False, True])
def test_no_form_of_a_chain_leaks_and_plain_text_stays(events: bool) -> None:
    for seed in range(12):
        for text, said in PREFIXED:
            found, raw = cut(text, events=events, seed=seed)
            assert found == said, (text, seed)
            assert not any(word in raw for word in INSIDE[:5])
        for text in PLAIN:
            assert cut(text, events=events, seed=seed)[0] == text


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("length", {}),
    ("abort", {}),
    ("stop", {"stop": ["x"]}),
]


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize(("finish", "request_"), BROKEN)
def test_a_piece_of_a_tag_leaks_from_no_place(
    finish: str, request_: dict[str, Any], events: bool
) -> None:
    """Of an answer that was broken off anywhere, the client sees a beginning of the response."""
    for end in range(len(CHAIN)):
        found, raw = cut(CHAIN[:end], events=events, finish=finish, **request_)
        begins = CHAIN.index(SAID)
        assert found.strip() == CHAIN[begins : min(end, begins + len(SAID))].strip(), end
        assert not any(word in raw for word in ("<", "\\u003c")), raw
    for text, said in (("Sure. <think", "Sure. "), ("a < b", "a < b"), ("<b>x</b>", "<b>x</b>")):
        assert cut(text, events=events, finish=finish, **request_)[0] == said


@pytest.mark.parametrize("events", [False, True])
def test_nor_where_nobody_knows_in_which_block_the_text_begins(events: bool) -> None:
    for text, said in (
        ("secret</think", ""),
        ("secret</p", ""),
        ("said</respo", "said"),
        ("said</", "said"),
        ("said <b", "said <b"),
    ):
        for prompt in ([7, 8], [[7, 8]]):
            assert cut(text, events=events, finish="length", prompt=prompt)[0] == said


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("size", range(1, len("<thinking>")))
def test_a_tag_that_the_request_has_begun_is_one(size: int, events: bool) -> None:
    begun = f"Q: x A: {CHAIN[:size]}"
    assert cut(CHAIN[size:], events=events, prompt=begun)[0] == SAID
    assert cut(CHAIN[size:12], events=events, finish="length", prompt=begun)[0] == ""
    assert cut("plain", events=events, prompt=begun)[0] == "plain"
    assert cut("k <", events=events, prompt=begun)[0] == "k <"


async def test_so_it_is_in_steered_answers_of_every_interface(tmp_path: Path) -> None:
    steering = {"instruct": "none"}
    async with served(tmp_path, scripted(size=1), steering=steering) as gateway:
        _, _, told = await gateway.post({"model": "toy", "messages": MESSAGES})
        response = told["choices"][0]["message"]["content"]
        size = told["usage"]["completion_tokens"]
        ends = size - len("</response>")
        begins = ends - len(response)
        for tokens in (1, 3, 9, begins - 1, begins + 1, *range(ends - 1, size, 2)):
            said = response[: max(0, min(tokens, ends) - begins)].strip()
            body = {"model": "toy", "messages": MESSAGES, "max_tokens": tokens}
            _, _, told = await gateway.post(body)
            assert told["choices"][0]["message"]["content"] == said, tokens
            assert told["choices"][0]["finish_reason"] == "length"
            chunks = [chunk async for chunk in await gateway.ask(max_tokens=tokens, stream=True)]
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said
            _, _, told = await gateway.post(body, "/v1/messages")
            assert "".join(block["text"] for block in told["content"]) == said
            asked = {"model": "toy", "input": MESSAGES, "max_output_tokens": tokens}
            _, _, told = await gateway.post(asked, "/v1/responses")
            texts = [part["text"] for item in told["output"] for part in item["content"]]
            assert "".join(texts) == said


async def test_and_reasoning_that_does_not_end_is_no_response(tmp_path: Path) -> None:
    backend = FakeBackend(lambda messages, begun: "<think>secret " * 9)
    async with served(tmp_path, backend, steering={"instruct": "none"}) as gateway:
        for tokens in (1, 2, 5):
            body = {"model": "toy", "messages": MESSAGES, "max_tokens": tokens}
            _, _, told = await gateway.post(body)
            assert told["choices"][0]["message"]["content"] == ""


def test_tool_calls_several_choices_and_other_fields_stay() -> None:
    cutter = ChainCutter(JSON, packed=False, show="response", settings=SETTINGS)
    body = whole(None, tool_calls=[CALL], reasoning_content="r")
    body["choices"].append({"index": 1, "message": {"content": CHAIN}, "finish_reason": "length"})
    body["odd"] = {"a": [1, 2.5]}
    cutter.feed(json.dumps(body).encode())
    found = json.loads(cutter.close())
    assert found["choices"][0] == body["choices"][0]
    assert found["choices"][1]["message"] == {"content": SAID}
    assert found["odd"] == body["odd"]


def said(text: str) -> bytes:
    """An event with some text, as an engine that escapes angle brackets writes it."""
    value = {"choices": [{"index": 0, "delta": {"content": text}}]}
    data = json.dumps(value, separators=(",", ":"))
    return b"data: %b\n\n" % data.replace("<", "\\u003c").encode()


@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_stream_without_a_chain_is_not_read_event_by_event(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = cut_module._read
    monkeypatch.setattr(cut_module, "_read", lambda data: reads.append(data) or read(data))
    cutter = ChainCutter(EVENTS, packed=False, show="response", settings=SETTINGS)
    events = [said(f" word {n}") for n in range(50)]
    slices = [b"".join(events[n : n + size]) for n in range(0, 50, size)]
    assert b"".join(map(cutter.feed, slices)) == b"".join(events)
    assert len(reads) == size  # until something was said
    # A chain may still come, in whatever slices.
    later = b"".join(cutter.feed(said(part)) for part in ("a <thin", "king>secret</thinking><pay"))
    assert b"secret" not in later + cutter.close() and b"a " in later


@pytest.mark.parametrize("begun", ["<thinking>It is", "plain"])
def test_a_stream_that_a_request_has_begun_is_read(begun: str) -> None:
    messages = [{"role": "assistant", "content": begun}]
    cutter = ChainCutter(
        EVENTS, packed=False, show="response", settings=SETTINGS, request={"messages": messages}
    )
    seen = b"".join(map(cutter.feed, [said(" secret"), said(" more"), said("</thinking>")]))
    assert (b"secret" in seen + cutter.close()) == (begun == "plain")


ODD = [b"[]", b"<html>", b'{"choices": [5]}', b"\x1f\x8b", b'{"choices": [{"message']


@pytest.mark.parametrize("body", [b"", *ODD])
def test_what_cannot_be_read_is_handed_on_if_it_shows_no_chain(body: bytes) -> None:
    cutter = ChainCutter(JSON, packed=False, show="response", settings=SETTINGS)
    cutter.feed(body)
    assert cutter.close() == body


@pytest.mark.parametrize("body", [b"", *(body + b" \\u003cthinking>" for body in ODD)])
@pytest.mark.parametrize("kind", [JSON, EVENTS])
def test_what_cannot_be_read_is_not_handed_on(kind: str, body: bytes) -> None:
    if not body and kind == JSON:
        return
    cutter = ChainCutter(kind, packed=False, show="response", settings=SETTINGS)
    sent = b"data: " + body + b"\n\n" if kind == EVENTS else body
    if kind == EVENTS and not body:
        assert cutter.feed(b": comment\n\n") == b""
        return
    with pytest.raises(ValueError):
        cutter.feed(sent)
        cutter.close()


async def test_a_stream_that_is_no_stream_of_chunks_ends_in_an_error(tmp_path: Path) -> None:
    class Odd(VLLM):
        async def chat(self, body: dict[str, Any]) -> Any:
            return [b"data: <thinking>secret\n\n"]

    async with served(tmp_path, Odd()) as gateway:
        body = {"model": "toy", "messages": MESSAGES, "logprobs": True, "stream": True}
        status, _, told = await gateway.post(body)
        assert (status, told["error"]["code"]) == (502, "upstream_failed")
        assert "secret" not in json.dumps(told)


REPORTED: list[tuple[bytes, str]] = [
    (b'error: {"code":500,"message":"boom","type":"server_error"}\n\n', "boom"),
    (b'error: {"message":"boom"}\n', "boom"),
    (b"error:boom\r\n\r\n", "boom"),
    (b"error: <b>boom</b>\n\n", "boom"),
    (b'event: error\ndata: {"message":"boom"}\n\n', "boom"),
    (b'data: {"error":{"message":"boom"}}\n\n', "boom"),
    (b"error: {}\n\n", "the model server reports an error"),
]


@pytest.mark.parametrize("begun", [b"", said("a word"), said("<thinking>secret")])
@pytest.mark.parametrize(("line", "message"), REPORTED)
@pytest.mark.parametrize("instruct", ["none", "short"])
async def test_an_error_in_a_stream_reaches_the_client(
    tmp_path: Path, begun: bytes, line: bytes, message: str, instruct: str
) -> None:
    class Breaking(VLLM):
        async def chat(self, body: dict[str, Any]) -> Any:
            return [begun + line]

    async with served(tmp_path, Breaking(), steering={"instruct": instruct}) as gateway:
        body = {"model": "toy", "messages": MESSAGES, "logprobs": True, "stream": True}
        for path, more in (("responses", {"input": MESSAGES}), ("messages", {"max_tokens": 9})):
            asked = {**body, **more, "min_tokens": 1}
            asked = {
                name: asked[name] for name in asked if path == "messages" or name != "messages"
            }
            del asked["logprobs"]
            url = f"{gateway.address}/v1/{path}"
            async with gateway.http.post(url, json=asked) as answer:
                assert message in await answer.text(), path
        if instruct == "short":
            return  # byte by byte, also the line that is no event
        async with gateway.http.post(f"{gateway.address}/v1/chat/completions", json=body) as answer:
            *_, last = (await answer.text()).strip().split("\n\n")
        assert json.loads(last.removeprefix("data: "))["error"]["message"] == message
        assert "secret" not in last


PROMPTED: list[tuple[Any, str, str]] = [
    ("Q: x A:", CHAIN, SAID),
    ("Q: x A:", "plain text", "plain text"),
    ("<thinking>", CHAIN.removeprefix("<thinking>"), SAID),
    (CHAIN[:40], CHAIN[40:], SAID),
    (CHAIN[: CHAIN.index("</payoff>") + 4], CHAIN[CHAIN.index("</payoff>") + 4 :], SAID),
    (CHAIN[: CHAIN.index(SAID) + 5], CHAIN[CHAIN.index(SAID) + 5 :], SAID[5:]),
    ("<response>", f"{SAID}</response>", SAID),
    ("<analyze>so", f" it is.</analyze><response>{SAID}</response>", SAID),
    (CHAIN + "\nQ: y A:", CHAIN, SAID),
    ([7, 8], CHAIN, SAID),
    ([7, 8], CHAIN[20:], SAID),
    ([7, 8], f"{SAID}</response>", SAID),
    ([7, 8], "1 < 2 </b> plain", "1 < 2 </b> plain"),
    (["a", "<thinking>"], CHAIN, SAID),
]


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize(("prompt", "text", "said"), PROMPTED)
def test_a_plain_completion_shows_no_block(prompt: Any, text: str, said: str, events: bool) -> None:
    cutter = ChainCutter(
        EVENTS if events else JSON,
        packed=False,
        show="response",
        settings=SETTINGS,
        request={"prompt": prompt},
    )
    slices = [text[at : at + 5] for at in range(0, len(text), 5)] if events else [text]
    raw = b""
    for at, slice_ in enumerate(slices):
        finish = "stop" if at == len(slices) - 1 else None
        choice = {"index": 0, "text": slice_, "logprobs": {"tokens": [slice_]}}
        sent = json.dumps({"choices": [choice | {"finish_reason": finish}]}).encode()
        raw += cutter.feed(b"data: %b\n\n" % sent if events else sent)
    raw += cutter.close()
    lines = raw.decode().split("\n\n") if events else [f"data: {raw.decode()}"]
    found = [json.loads(line[6:])["choices"][0] for line in lines if line]
    assert "".join(choice["text"] for choice in found).strip() == said.strip()
    assert found[-1]["finish_reason"] == "stop"
    if text != said:
        assert not any(word in raw.decode() for word in INSIDE[:5])


def test_each_answer_continues_its_own_prompt() -> None:
    begun = Begun({"prompt": ["a", "<thinking>b", [1]], "n": 2})
    assert [begun.chain(n) for n in range(7)] == ["", "", *["<thinking>b"] * 2, None, None, ""]
    assert Begun({"prompt": "<payoff>", "echo": True}).chain(0) == ""
    assert Begun({"prompt": "</analyze>"}).chain(0) == "</analyze>"
    said = [{"role": "user", "content": "<thinking>"}]
    assert Begun({"messages": said}).chain(0) == ""
    said.append({"role": "assistant", "content": "<thinking>Hm"})
    assert Begun({"messages": said}).chain(0) == "<thinking>Hm"
    wrong: list[Any] = [
        {"messages": 3},
        {"messages": [3]},
        {"prompt": {}},
        {"prompt": "x", "n": "2"},
    ]
    for odd in wrong:
        assert Begun(odd).chain(0) in ("", None)


async def test_so_it_is_behind_the_gateway(tmp_path: Path) -> None:
    class Completing(Trained):
        async def completions(self, body: dict[str, Any]) -> Any:
            if not str(body["prompt"]).startswith("Q"):
                return await super().completions(body)
            choice = {"index": 0, "text": CHAIN, "finish_reason": "stop"}
            return {"id": "x", "choices": [choice], "usage": {"prompt_tokens": 1}}

    async with served(tmp_path, Completing()) as gateway:
        body = {"model": "toy", "prompt": "Q: x A:"}
        _, headers, told = await gateway.post(body, "/v1/completions")
        assert (told["choices"][0]["text"], headers["x-gtalign-passed"]) == (SAID, "completions")
        _, _, told = await gateway.post(body, "/v1/completions", **{"X-GTAlign-Show": "raw"})
        assert told["choices"][0]["text"] == CHAIN
