"""Requests of every interface in which any member can be of any kind: answered, or refused."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from gateway_parts import PASSED_SCHEMA, served
from gtalign.gateway.answers.endpoint import INTERFACES
from gtalign.gateway.answers.request import read_chat, read_observed
from gtalign.gateway.answers.translated import TranslatedReply
from gtalign.gateway.app import make_app
from gtalign.gateway.errors import APIError
from spoiled import places, put, spoiled, spoiled_records
from standins.engines import VLLM, chat_chunk

BY_PATH = {interface.path: interface for interface in INTERFACES}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"

# --- one request of each interface that says all that it can, for steering and for an engine -----

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"enum": [1, "x"]}}},
    "required": ["a"],
    "additionalProperties": False,
}
FUNCTION = {"name": "f", "description": "Does f.", "parameters": SCHEMA, "strict": True}
CALL = {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":[1]}'}}
IMAGE = "data:image/png;base64,AA=="

SPOKEN: dict[str, Any] = {
    "model": "toy",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Where to?"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c0", "content": "Zürich"},
        {"role": "assistant", "content": "", "refusal": "No."},
        {"role": "user", "content": "And then?"},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
}
SAMPLED: dict[str, Any] = {
    **{"model": "toy", "messages": [{"role": "user", "content": "Where to?"}]},
    **{"temperature": 0.5, "top_p": 0.5, "top_k": 5, "seed": 1, "stop": ["X"], "max_tokens": 90},
    **{"n": 1, "min_p": 0.1, "logit_bias": {}, "user": "u", "logprobs": False},
    **{"stream": True, "stream_options": {"include_usage": True}},
}
SEEN: dict[str, Any] = {
    "model": "toy",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
            ],
        }
    ],
    **{"max_completion_tokens": 9, "n": 1, "stream": False},
}
PLAIN: dict[str, Any] = {
    **{"model": "toy", "prompt": "Where to?", "max_tokens": 9, "n": 1, "best_of": 1},
    **{"stop": ["X"], "stream": False, "temperature": 0.5, "echo": False},
}
RESPONSE: dict[str, Any] = {
    "model": "toy",
    "instructions": "Be kind.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Where to?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Well"}]},
        {"type": "function_call", "call_id": "c0", "name": "f", "arguments": '{"a":[1]}'},
        {"type": "function_call_output", "call_id": "c0", "output": "Zürich"},
        {"type": "message", "role": "user", "content": "And then?"},
    ],
    "tools": [{"type": "function", **FUNCTION}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
    **{"reasoning": {"effort": "low"}, "max_output_tokens": 90, "temperature": 0.5, "top_p": 0.5},
    **{"stream": False, "store": False, "include": [], "metadata": {}, "background": False},
}
SEEN_RESPONSE: dict[str, Any] = {
    "model": "toy",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": IMAGE, "detail": "low"},
                {"type": "input_file", "filename": "f", "file_data": "AA=="},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ],
        }
    ],
    **{"stream": True, "tools": [{"type": "function", "name": "f", "parameters": PASSED_SCHEMA}]},
}
MESSAGE: dict[str, Any] = {
    **{"model": "toy", "max_tokens": 90, "system": [{"type": "text", "text": "Be kind."}]},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Where to?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": ""},
                {"type": "text", "text": "Well"},
                {"type": "tool_use", "id": "c0", "name": "f", "input": {"a": [1]}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    **{"type": "tool_result", "tool_use_id": "c0", "is_error": False},
                    "content": [{"type": "text", "text": "Zürich"}],
                }
            ],
        },
    ],
    "tools": [{"name": "f", "description": "Does f.", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
    **{"stop_sequences": ["X"], "temperature": 0.5, "top_p": 0.5, "top_k": 5, "stream": False},
    **{"metadata": {"user_id": "u"}, "thinking": {"type": "disabled"}, "container": None},
}
SEEN_MESSAGE: dict[str, Any] = {
    **{"model": "toy", "max_tokens": 9, "stop_sequences": ["X"], "stream": True},
    "messages": [
        {
            "role": "user",
            "content": [
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
                },
                {"type": "image", "source": {"type": "url", "url": "http://x/y.png"}},
                {"type": "document", "source": {"type": "text", "data": "D", "media_type": "t"}},
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": "D"}]},
                },
            ],
        }
    ],
}

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a chat with tools": (CHAT, SPOKEN),
    "a chat with sampling": (CHAT, SAMPLED),
    "a chat with an image": (CHAT, SEEN),
    "a completion": (COMPLETIONS, PLAIN),
    "a response with tools": (RESPONSES, RESPONSE),
    "a response with files": (RESPONSES, SEEN_RESPONSE),
    "a message with tools": (MESSAGES, MESSAGE),
    "a message with images": (MESSAGES, SEEN_MESSAGE),
    "a count of tokens": (f"{MESSAGES}/count_tokens", MESSAGE),
}


@st.composite
def spoiled_requests(draw: st.DrawFn) -> tuple[str, Any]:
    """The address and the body of a request, for an answer as a stream or whole."""
    path, body = REQUESTS[draw(st.sampled_from(sorted(REQUESTS)))]
    return path, draw(spoiled_records({**body, "stream": draw(st.booleans())}))


# --- what may come back --------------------------------------------------------------------------

INSIDE = re.compile(
    r"gtalign[./]|/src/|site-packages|Traceback|[A-Z]\w+(Error|Exception)\b|object at 0x|<class"
    r"|NoneType|unhashable|subscriptable|iterable|has no attribute|unexpected keyword"
)
"""Words of Python and of the gateway's own code, which explain nothing to a client."""


def check_refusal(path: str, told: Any) -> None:
    """An error has the form of its interface, and says nothing of the inside."""
    error = told["error"]
    if path.startswith(MESSAGES):
        assert told["type"] == "error" and isinstance(told["request_id"], str)
    else:
        assert set(error) >= {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and isinstance(error["type"], str)
    assert not INSIDE.search(error["message"]), error


def check_answer(path: str, kind: str, body: bytes) -> None:
    """An answer, or a stream that comes to its end, has the form of its interface."""
    if kind == "text/event-stream":
        lines = [line for line in body.decode().splitlines() if line.startswith("data:")]
        last = lines[-1].removeprefix("data:").strip()
        if path in (CHAT, COMPLETIONS):
            assert last == "[DONE]"
        else:
            ends = ("message_stop", "response.completed", "response.incomplete")
            assert json.loads(last)["type"] in ends
        return
    told = json.loads(body)
    if path in (CHAT, COMPLETIONS):
        assert told["choices"]
    elif path == RESPONSES:
        assert told["object"] == "response" and told["error"] is None
    else:
        assert told["type"] == "message"


# --- reading --------------------------------------------------------------------------------------


async def sends_nothing(message: Any) -> None:
    raise AssertionError(message)


def read(path: str, body: Any, *, passive: bool = False, trained: bool = False) -> None:
    """Read a request, or refuse it; what passes on is JSON."""
    raw, interface = json.dumps(body).encode(), BY_PATH[path]
    chosen = read_observed if passive and interface.read is read_chat else interface.read
    known = partial(chosen, max_tokens=100, choices=4)
    translation = None if interface.translation is None else interface.translation("r")
    try:
        if translation is None:
            request = known(raw)
        else:
            reply = TranslatedReply(sends_nothing, translation, patience=1.0)
            _, raw, request = reply.read(raw, known, trained=trained, longest=100)
        assert isinstance(json.loads(raw), dict)
        error = request.refusal
    except APIError as wrong:
        error = wrong
    if error is not None:
        assert error.status == 400
        told = json.loads(error.body())
        check_refusal(path, translation.refused(400, told["error"]) if translation else told)


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("name", REQUESTS)
def test_every_spoiled_request_is_read_or_refused(name: str, passive: bool) -> None:
    path, body = REQUESTS[name]
    read(path, body)
    for _, record in spoiled(body):
        read(path, record, passive=passive)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_of_any_depth_is_read_or_refused(name: str) -> None:
    path, body = REQUESTS[name]
    lists: Any = []
    schema: Any = {}
    for depth in range(256):  # no JSON beyond 254 levels can be written, a chat made of it included
        lists, schema = [lists], {"items": schema}
        if depth > 240:
            for at in places(body):
                read(path, put(body, at, lists))
                read(path, put(body, at, schema))


@settings(max_examples=100)
@given(spoiled_requests(), st.booleans(), st.booleans())
def test_a_spoiled_request_is_read_or_refused(
    asked: tuple[str, Any], passive: bool, trained: bool
) -> None:
    read(*asked, passive=passive, trained=trained)


# --- answering ------------------------------------------------------------------------------------


class Willing(VLLM):
    """Answers every chat that is passed to it with reasoning, a text and a call of a tool."""

    async def chat(self, body: dict[str, Any]) -> Any:
        call = {"index": 0, **CALL}
        delta = {"role": "assistant", "reasoning_content": "Hm", "content": "I look."}
        if not body.get("stream"):
            message = {**delta, "tool_calls": [CALL]}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            return {"id": "x", "object": "chat.completion", "choices": [choice]}
        chunks = [chat_chunk(delta, None), chat_chunk({"tool_calls": [call]}, "tool_calls")]
        return [*chunks, "[DONE]"]

    async def completions(self, body: dict[str, Any]) -> Any:
        if "return_token_ids" in body:  # part of a steered answer
            return await super().completions(body)
        choice = {"index": 0, "text": "Well", "finish_reason": "stop"}
        if not body.get("stream"):
            return {"id": "x", "object": "text_completion", "choices": [choice]}
        return [{"choices": [choice]}, "[DONE]"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["scripted", "engine"])
async def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[ASGIApp, None]:
    """A gateway before a scripted backend, and one before an engine, to which it also passes."""
    backend = Willing() if request.param == "engine" else None
    async with served(tmp_path_factory.mktemp("spoiled"), backend) as gateway:
        yield make_app(gateway.gateway)


async def ask(app: ASGIApp, path: str, body: Any) -> None:
    """Ask; an exception goes through."""
    unread, sent = [json.dumps(body).encode()], []

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": unread.pop()}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
    await app({**scope, "headers": headers, "client": ("127.0.0.1", 9)}, receive, send)
    status, head = sent[0]["status"], dict(sent[0]["headers"])
    answer = b"".join(message.get("body", b"") for message in sent[1:])
    assert status < 500, answer
    if status == 200:
        check_answer(path, head[b"content-type"].decode(), answer)
    else:
        assert 400 <= status < 500
        check_refusal(path, json.loads(answer))


@pytest.mark.asyncio(loop_scope="module")
@settings(max_examples=100)
@given(asked=spoiled_requests())
@example(asked=(MESSAGES, {**SEEN_MESSAGE, "stop_sequences": "X"}))
async def test_a_spoiled_request_is_answered_or_refused(
    app: ASGIApp, asked: tuple[str, Any]
) -> None:
    await ask(app, *asked)
