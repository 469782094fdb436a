"""Anthropic's Messages API at the gateway, asked for by the real client."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import MESSAGES, PASSED_SCHEMA, Served, served
from gtalign.errors import UpstreamError
from gtalign.steering import FakeBackend
from standins import model
from standins.engines import VLLM, LlamaCpp, SGLang
from standins.server import RefusedError
from test_gateway_responses import Calls

TOOL: Any = {"name": "f", "description": "Does f.", "input_schema": PASSED_SCHEMA}
"""No grammar describes its arguments, so that a request with it is passed through."""


@asynccontextmanager
async def asked(
    folder: Path, backend: Any = None, **settings: Any
) -> AsyncGenerator[tuple[Served, Any]]:
    """A gateway, and a client of it."""
    import anthropic  # takes seconds: only the worker that runs these tests waits for it

    async with (
        served(folder, backend, **settings) as gateway,
        anthropic.AsyncAnthropic(base_url=gateway.address, api_key="none", max_retries=0) as client,
    ):
        yield gateway, client


async def ask(client: Any, **options: Any) -> Any:
    given = {"model": "toy", "max_tokens": 480, "messages": MESSAGES, **options}
    return await client.messages.create(**given)


async def test_a_whole_message_is_steered_and_on_record(tmp_path: Path) -> None:
    async with asked(tmp_path) as (gateway, client):
        raw = await client.messages.with_raw_response.create(
            **{"model": "toy", "max_tokens": 480, "messages": MESSAGES},
            extra_body={"temperature": 0, "top_k": 5, "top_p": 0.9},
        )
        answer: Any = await raw.parse()
        [block] = answer.content
        assert (block.type, block.text) == ("text", model.RESPONSES["DA"])
        assert (answer.type, answer.role, answer.model) == ("message", "assistant", "toy")
        assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
        assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
        assert answer.id.startswith("msg_")
        assert answer.id == raw.headers["x-gtalign-decision"] == answer.gtalign["decision"]
        assert raw.headers["request-id"] == raw.headers["x-request-id"]
        [record] = await gateway.records()
        assert (record["id"], record["status"], record["flipped"]) == (answer.id, "done", True)


@pytest.mark.parametrize("engine", [None, VLLM, SGLang, LlamaCpp])
async def test_a_stream_has_all_events_in_their_order(tmp_path: Path, engine: Any) -> None:
    async with asked(tmp_path, None if engine is None else engine()) as (gateway, client):
        events = [event async for event in await ask(client, stream=True)]
        kinds = [event.type for event in events]
        deltas = [event.delta for event in events if event.type == "content_block_delta"]
        assert kinds == [
            *("message_start", "content_block_start"),
            *(["content_block_delta"] * len(deltas)),
            *("content_block_stop", "message_delta", "message_stop"),
        ]
        assert {delta.type for delta in deltas} == {"text_delta"}
        assert "".join(delta.text for delta in deltas) == model.RESPONSES["DA"]
        start, last = events[0].message, events[-2]
        assert (start.content, start.stop_reason) == ([], None)
        assert (last.delta.stop_reason, last.gtalign["decision"]) == ("end_turn", start.id)
        assert last.usage.input_tokens + last.usage.cache_read_input_tokens > 0
        assert last.usage.output_tokens > 0
        [record] = await gateway.records()
        assert (record["id"], record["stream"], record["status"]) == (start.id, True, "done")


async def test_the_clients_own_reader_of_streams(tmp_path: Path) -> None:
    async with (
        asked(tmp_path) as (_, client),
        client.messages.stream(model="toy", max_tokens=480, messages=MESSAGES) as stream,
    ):
        assert "".join([text async for text in stream.text_stream]) == model.RESPONSES["DA"]
        whole = await stream.get_final_message()
        assert whole.content[0].text == model.RESPONSES["DA"]
        assert whole.usage.input_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_the_chain_is_thinking_where_it_is_asked_for(tmp_path: Path, stream: bool) -> None:
    async with asked(tmp_path, show="reasoning") as (_, client):
        if stream:
            options: Any = {"model": "toy", "max_tokens": 480, "messages": MESSAGES}
            async with client.messages.stream(**options) as events:
                answer = await events.get_final_message()
        else:
            answer = await ask(client)
        thinking, text = answer.content
        assert thinking.type == "thinking" and thinking.thinking.startswith("<thinking>")
        assert text.text == model.RESPONSES["DA"]
        turn = {"role": "assistant", "content": [block.to_dict() for block in answer.content]}
        again = [*MESSAGES, turn, {"role": "user", "content": "And then?"}]
        assert (await ask(client, messages=again)).content


@pytest.mark.parametrize("stream", [False, True])
async def test_why_a_message_ends(tmp_path: Path, stream: bool) -> None:
    async def ending(client: Any, **options: Any) -> tuple[str, str | None]:
        answer = await ask(client, stream=stream, **options)
        if stream:
            answer = [event async for event in answer][-2].delta
        return answer.stop_reason, answer.stop_sequence

    async with asked(tmp_path) as (_, client):
        whole = model.RESPONSES["DA"]
        most = (await ask(client)).usage.output_tokens - 3
        assert await ending(client, max_tokens=most) == ("max_tokens", None)
        stops = ["never there", whole[5:9]]
        assert await ending(client, stop_sequences=stops) == ("stop_sequence", whole[5:9])
        assert await ending(client, stop_sequences=["never there"]) == ("end_turn", None)


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_of_tools_are_blocks(tmp_path: Path, stream: bool) -> None:
    engine = Calls()
    async with asked(tmp_path, engine) as (gateway, client):
        options: Any = {"tools": [TOOL], "tool_choice": {"type": "any"}, "max_tokens": 9}
        if stream:
            given = {"model": "toy", "messages": MESSAGES, **options}
            async with client.messages.stream(**given) as events:
                kinds = [event.type async for event in events if event.type.startswith("content")]
                answer = await events.get_final_message()
            assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 4
        else:
            answer = await ask(client, **options)
        assert [b.type for b in answer.content] == ["thinking", "text", "tool_use", "tool_use"]
        calls = [(block.id, block.name, block.input) for block in answer.content[2:]]
        assert calls == [("c0", "f", {"a": 1}), ("c1", "g", {})]
        assert (answer.stop_reason, answer.usage.input_tokens) == ("tool_use", 7)
        function = {"name": "f", "description": "Does f.", "parameters": PASSED_SCHEMA}
        assert engine.seen["tools"] == [{"type": "function", "function": function}]
        assert (engine.seen["tool_choice"], engine.seen["max_tokens"]) == ("required", 9)
        [record] = await gateway.records()
        assert record["reason"] == "passed through: tools"
        assert (record["id"], record["written_tokens"]) == (answer.id, 5)


async def test_the_history_of_calls_becomes_messages(tmp_path: Path) -> None:
    engine = Calls()
    png = {"type": "base64", "media_type": "image/png", "data": "AA=="}
    async with asked(tmp_path, engine) as (_, client):
        first = await ask(client, tools=[TOOL])
        results = [
            {"type": "tool_result", "tool_use_id": "c0", "content": "one"},
            {
                **{"type": "tool_result", "tool_use_id": "c1", "is_error": True},
                "content": [{"type": "text", "text": "two"}],
            },
            {"type": "tool_result", "tool_use_id": "c2"},
            {"type": "text", "text": "See"},
            {"type": "image", "source": png},
            {"type": "image", "source": {"type": "url", "url": "http://x/y.png"}},
            {"type": "document", "source": {"type": "text", "data": "Doc", "media_type": "t"}},
        ]
        history = [
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": results},
        ]
        system = [{"type": "text", "text": "Do."}, {"type": "text", "text": "Don't."}]
        choice = {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
        form = {"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "low"}
        await ask(
            client,
            **{"messages": history, "system": system, "tools": [TOOL], "tool_choice": choice},
            **{"output_config": form, "stop_sequences": ["X"]},
            extra_body={"min_p": 0.1},
        )
        seen = engine.seen
        told, question, assistant, one, two, three, user = seen["messages"]
        assert told == {"role": "system", "content": "Do.\n\nDon't."}
        assert question == {"role": "user", "content": "a\n\nb"}
        assert assistant["content"] == "I look."
        assert [call["function"]["arguments"] for call in assistant["tool_calls"]] == [
            *('{"a":1}', "{}")
        ]
        assert one == {"role": "tool", "tool_call_id": "c0", "content": "one"}
        assert two == {"role": "tool", "tool_call_id": "c1", "content": "two"}
        assert three == {"role": "tool", "tool_call_id": "c2", "content": ""}
        assert [part["type"] for part in user["content"]] == [
            *("text", "image_url", "image_url", "text")
        ]
        assert user["content"][1]["image_url"] == {"url": "data:image/png;base64,AA=="}
        assert seen["tool_choice"] == {"type": "function", "function": {"name": "f"}}
        assert (seen["parallel_tool_calls"], seen["reasoning_effort"]) == (False, "low")
        assert (seen["stop"], seen["min_p"]) == (["X"], 0.1)
        schema = {"name": "answer", "schema": {"type": "object"}, "strict": True}
        assert seen["response_format"] == {"type": "json_schema", "json_schema": schema}


async def test_neutral_values_change_nothing(tmp_path: Path) -> None:
    async with asked(tmp_path) as (_, client):
        answer = await ask(
            client,
            **{"system": "Be kind.", "tools": [], "stop_sequences": [], "stream": False},
            **{"thinking": {"type": "disabled"}, "metadata": {"user_id": "u"}},
            **{"service_tier": "auto", "output_config": {}},
            extra_body={"container": None, "mcp_servers": [], "context_management": None},
        )
        assert answer.content[0].text == model.RESPONSES["DA"]
        assert answer.gtalign["steered"] is True


def said(*blocks: Any, role: str = "user") -> Any:
    return {"messages": [{"role": role, "content": list(blocks)}]}


LACKING: Any = [
    ({"container": "c"}, "container"),
    ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
    ({"context_management": {"edits": []}}, "context_management"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0"),
    (said({"type": "search_result"}), "messages.0.content.0.type"),
    (said({"type": "tool_use"}), "messages.0.content.0.type"),
    (said({"type": "server_tool_use"}, role="assistant"), "messages.0.content.0.type"),
    (
        said({"type": "image", "source": {"type": "file", "file_id": "x"}}),
        "messages.0.content.0.source",
    ),
    (
        said({"type": "document", "source": {"type": "base64", "data": "AA=="}}),
        "messages.0.content.0.source",
    ),
]
WRONG: Any = [
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"max_tokens": 10**9}, "max_tokens"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "x"}, "messages"),
    ({"messages": [None]}, "messages.0"),
    ({"messages": [{"content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": [], "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": {"type": "text"}}]}, "messages.0.content"),
    (said("x"), "messages.0.content.0"),
    (said({"type": 5}), "messages.0.content.0"),
    (said({"type": "text"}), "messages.0.content.0.text"),
    (said({"type": "text", "text": None}), "messages.0.content.0.text"),
    (said({"type": "image"}), "messages.0.content.0.source"),
    (said({"type": "image", "source": {"type": "url"}}), "messages.0.content.0.source.url"),
    (said({"type": "tool_result", "content": "x"}), "messages.0.content.0.tool_use_id"),
    (
        said({"type": "tool_result", "tool_use_id": "x", "content": 7}),
        "messages.0.content.0.content",
    ),
    (said({"type": "tool_use", "id": "x"}, role="assistant"), "messages.0.content.0.input"),
    (
        said({"type": "tool_use", "id": "x", "input": {}}, role="assistant"),
        "messages.0.content.0.name",
    ),
    ({"system": 5}, "system"),
    ({"system": [{"type": "image"}]}, "system.0"),
    ({"system": [{"type": "text", "text": 5}]}, "system.0.text"),
    ({"stop_sequences": "x" * 2000}, "stop_sequences"),
    ({"stop_sequences": [5]}, "stop_sequences"),
    ({"stop_sequences": "x"}, "stop_sequences"),
    ({"temperature": "hot"}, "temperature"),
    ({"tools": {}}, None),
    ({"tools": "f"}, "tools"),
    ({"tools": ["f"]}, "tools.0"),
    ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
    ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
    ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice"),
    ({"output_config": "json"}, "output_config"),
    ({"output_config": {"format": {"type": "json"}}}, "output_config.format"),
    ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
    ({"n": 2}, "n"),
    ({"stream": "yes"}, "stream"),
    ({"model": ["toy"]}, "model"),
]


async def test_what_is_wrong_or_lacking_is_refused_by_its_name(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for body, param in (*WRONG, *LACKING):
            given = {"model": "toy", "max_tokens": 9, "messages": MESSAGES, **body}
            status, headers, answer = await gateway.post(given, "/v1/messages")
            assert (status, answer["type"]) == (400, "error"), body
            error = answer["error"]
            assert error["type"] == "invalid_request_error"
            assert answer["request_id"] == headers["request-id"]
            if param is not None:
                assert error["param"] == param, body
        assert await gateway.records() == []


async def test_errors_have_anthropics_form(tmp_path: Path) -> None:
    import anthropic

    async with asked(tmp_path) as (gateway, client):
        with pytest.raises(anthropic.NotFoundError, match="does not exist"):
            await ask(client, model="gpt")
        with pytest.raises(anthropic.BadRequestError, match="cannot be steered"):
            await ask(client, tools=[TOOL])
        with pytest.raises(anthropic.BadRequestError, match="counts the tokens"):
            await client.messages.count_tokens(model="toy", messages=MESSAGES)
        _, secret = await gateway.key()
        with pytest.raises(anthropic.AuthenticationError, match="wrong or was revoked"):
            await ask(client)
        assert (await ask(client.with_options(api_key=secret))).content
        for headers in ({"x-api-key": secret}, {"authorization": f"Bearer {secret}"}):
            body = {"model": "toy", "max_tokens": 480, "messages": MESSAGES}
            status, _, _ = await gateway.post(body, "/v1/messages", **headers)
            assert status == 200
        assert (await gateway.post(body, "/v1/messages", **{"x-api-key": "no"}))[0] == 401
        assert (await gateway.post(body, "/v1/messages"))[0] == 401


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_refuses_is_told_of(tmp_path: Path, stream: bool) -> None:
    import anthropic

    engine = Calls()
    async with asked(tmp_path, engine) as (_, client):
        engine.error = RefusedError(400, "maximum context length is 5")
        with pytest.raises(anthropic.BadRequestError, match="maximum context length"):
            await ask(client, tools=[TOOL], stream=stream)
        engine.error = RefusedError(429, "slowly")
        with pytest.raises(anthropic.RateLimitError):
            await ask(client, tools=[TOOL], stream=stream)


async def test_an_engine_that_fails_on_the_way_ends_the_stream(tmp_path: Path) -> None:
    import anthropic

    class Broken(FakeBackend):
        def open(self, messages: Any, sampling: Any) -> Any:
            draft = super().open(messages, sampling)
            write = draft.write

            async def breaking(**options: Any) -> Any:
                async for slice_ in write(**options):
                    yield slice_
                    if "<response>The" in draft.text or "<response>W" in draft.text:
                        raise UpstreamError("the engine", "broke")

            draft.write = breaking  # type: ignore[method-assign]
            return draft

    backend = Broken(lambda messages, begun: model.continuation(messages[-1]["content"], begun))
    async with asked(tmp_path, backend, steering={"mode": "observe"}) as (gateway, client):
        kinds = []
        with pytest.raises(anthropic.APIStatusError) as failed:
            async for event in await ask(client, stream=True):
                kinds.append(event.type)
        assert kinds[0] == "message_start" and "message_stop" not in kinds
        body: Any = failed.value.body
        assert body["error"]["type"] == "api_error"
        [record] = await gateway.records()
        assert record["status"] == "failed"


@pytest.mark.parametrize("arguments", ["[1]", "{", "5"])
async def test_a_call_without_arguments_is_a_failure(tmp_path: Path, arguments: str) -> None:
    import anthropic

    class Bad(Calls):
        async def chat(self, body: dict[str, Any]) -> Any:
            whole = await super().chat(body)
            function = whole["choices"][0]["message"]["tool_calls"][1]["function"]
            function["arguments"] = arguments
            return whole

    engine = Bad()
    async with asked(tmp_path, engine) as (_, client):
        with pytest.raises(anthropic.InternalServerError):
            await ask(client, tools=[TOOL])
        if arguments == "{":  # cut off: the call before it stands
            engine.finish = "length"
            answer = await ask(client, tools=[TOOL])
            assert [block.type for block in answer.content] == ["thinking", "text", "tool_use"]
            assert answer.stop_reason == "max_tokens"


class Native(VLLM):
    """Has Anthropic's interface itself."""

    def routes(self) -> dict[str, Any]:
        return {
            **super().routes(),
            "POST /v1/messages": self.message,
            "POST /v1/messages/count_tokens": self.count,
        }

    async def message(self, body: dict[str, Any]) -> Any:
        self.seen = body
        return {
            **{"id": "own", "type": "message", "role": "assistant", "model": "toy"},
            **{"content": [], "stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"input_tokens": 4, "output_tokens": 2},
        }

    async def count(self, body: dict[str, Any]) -> Any:
        return {"input_tokens": 42}


async def test_what_a_chat_lacks_is_passed_on_where_the_engine_has_it(tmp_path: Path) -> None:
    import anthropic

    engine = Native()
    search = {"type": "web_search_20250305", "name": "web_search"}
    async with asked(tmp_path, engine, steering={"instruct": "short"}) as (gateway, client):
        answer = await ask(client, model="toy:costly", tools=[search])
        assert (answer.id, engine.seen["tools"]) == ("own", [search])
        assert engine.seen["model"] == "toy"
        [record] = await gateway.records()
        assert record["reason"] == "passed through: tools.0"
        assert (record["prompt_tokens"], record["written_tokens"]) == (4, 2)
    async with asked(tmp_path / "lacks", VLLM(), steering={"instruct": "short"}) as (_, client):
        with pytest.raises(anthropic.BadRequestError, match="web_search"):
            await ask(client, tools=[search])


async def test_tokens_are_counted_where_the_engine_counts_them(tmp_path: Path) -> None:
    import anthropic

    async with asked(tmp_path, Native()) as (gateway, client):
        counted = await client.messages.count_tokens(model="toy:costly", messages=MESSAGES)
        assert counted.input_tokens == 42
        [record] = await gateway.records()
        assert (record["status"], record["reason"]) == ("passed", "passed through: count_tokens")
    async with asked(tmp_path / "lacks", VLLM()) as (_, client):
        with pytest.raises(anthropic.BadRequestError, match="counts the tokens"):
            await client.messages.count_tokens(model="toy", messages=MESSAGES)
