"""OpenAI's Responses API at the gateway, asked for by the real client."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web

from gateway_parts import MESSAGES, PASSED_SCHEMA, Held, scripted, served
from gtalign.errors import UpstreamError
from gtalign.steering import FakeBackend
from standins import model
from standins.engines import VLLM, LlamaCpp, SGLang, chat_chunk
from standins.server import RefusedError

QUESTION = "Where to, in Zürich?"
TOOL: Any = {
    **{"type": "function", "name": "f", "description": "Does f.", "strict": True},
    "parameters": PASSED_SCHEMA,
}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


class Calls(VLLM):
    """Answers chats with reasoning, a text and two calls of tools; has no other interface."""

    deltas: Any = (
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm"},
        {"content": "I "},
        {"content": "look."},
        {"tool_calls": [{"index": 0, "id": "c0", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
        {"tool_calls": [{"index": 1, "id": "c1", "function": {"name": "g", "arguments": "{}"}}]},
    )
    finish: str | None = "tool_calls"
    seen: Any = None
    error: RefusedError | None = None

    async def chat(self, body: dict[str, Any]) -> Any:
        if "seen" in body or not (body.get("tools") or body.get("response_format")):
            return await super().chat(body)
        self.seen = body
        if self.error is not None:
            raise self.error
        if body.get("stream"):
            chunks: list[Any] = [chat_chunk(delta, None) for delta in self.deltas]
            if self.finish is not None:
                chunks.append(chat_chunk({}, self.finish))
            return [*chunks, {"choices": [], "usage": USAGE}, "[DONE]"]
        calls = [
            {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "c1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]
        message = {"role": "assistant", "content": "I look.", "tool_calls": calls}
        message["reasoning_content"] = "Hm"
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "toy"}
        return whole | {"choices": [choice], "usage": USAGE}


async def ask(gateway: Any, **options: Any) -> Any:
    return await gateway.client.responses.create(**{"model": "toy", "input": QUESTION, **options})


async def test_a_whole_response_is_steered_and_on_record(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        raw = await gateway.client.responses.with_raw_response.create(
            model="toy", input=QUESTION, metadata={"a": "b"}, instructions="Be kind.", temperature=0
        )
        answer: Any = raw.parse()
        assert answer.output_text == model.RESPONSES["DA"]
        assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
        assert answer.incomplete_details is None and answer.previous_response_id is None
        assert (answer.metadata, answer.instructions) == ({"a": "b"}, "Be kind.")
        assert (answer.model, answer.temperature, answer.store) == ("toy", 0, False)
        [item] = answer.output
        assert (item.type, item.role, item.status) == ("message", "assistant", "completed")
        usage = answer.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
        assert answer.gtalign["flipped"] is True
        assert raw.headers["x-gtalign-decision"] == answer.id
        assert answer.id.startswith("resp_")
        assert raw.headers["x-gtalign-steered"] == "true"
        [record] = await gateway.records()
        assert (record["id"], record["status"], record["flipped"]) == (answer.id, "done", True)


@pytest.mark.parametrize("engine", [None, VLLM, SGLang, LlamaCpp])
async def test_a_stream_has_all_events_in_their_order(tmp_path: Path, engine: Any) -> None:
    async with served(tmp_path, None if engine is None else engine()) as gateway:
        events = [event async for event in await ask(gateway, stream=True)]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        kinds = [event.type for event in events]
        deltas = [event for event in events if event.type == "response.output_text.delta"]
        assert kinds == [
            *("response.created", "response.in_progress"),
            *("response.output_item.added", "response.content_part.added"),
            *(["response.output_text.delta"] * len(deltas)),
            *("response.output_text.done", "response.content_part.done"),
            *("response.output_item.done", "response.completed"),
        ]
        assert len(deltas) >= (3 if engine is None else 1)
        text = "".join(event.delta for event in deltas)
        assert text == model.RESPONSES["DA"]
        first, last = events[0].response, events[-1].response
        assert (first.status, first.output, first.usage) == ("in_progress", [], None)
        assert (last.id, last.created_at) == (first.id, first.created_at)
        assert (last.output_text, last.status) == (text, "completed")
        assert last.usage.total_tokens > 0
        assert last.gtalign["decision"] == last.id
        assert {event.item_id for event in deltas} == {last.output[0].id}
        done = events[kinds.index("response.output_text.done")]
        assert (done.text, events[-2].item) == (text, last.output[0])
        [record] = await gateway.records()
        assert (record["id"], record["stream"], record["status"]) == (last.id, True, "done")


async def test_the_clients_own_reader_of_streams(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as gateway,
        gateway.client.responses.stream(model="toy", input=QUESTION) as stream,
    ):
        async for _ in stream:
            pass
        assert (await stream.get_final_response()).output_text == model.RESPONSES["DA"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_chain_is_reasoning_where_it_is_asked_for(tmp_path: Path, stream: bool) -> None:
    async with served(tmp_path, show="reasoning") as gateway:
        answer = await ask(gateway, stream=stream)
        if stream:
            events = [event async for event in answer]
            said = [e.delta for e in events if e.type == "response.reasoning_text.delta"]
            answer = events[-1].response
            assert "".join(said) == answer.output[0].content[0].text
            added = [e.item.type for e in events if e.type == "response.output_item.added"]
            assert added == ["reasoning", "message"]
        reasoning, message = answer.output
        assert reasoning.content[0].text.startswith("<thinking>")
        assert message.content[0].text == answer.output_text == model.RESPONSES["DA"]
        again = [item.to_dict() for item in answer.output]
        question = {"role": "user", "content": "And then?"}
        assert (await ask(gateway, input=[*again, question])).output_text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_that_is_cut_is_incomplete(tmp_path: Path, stream: bool) -> None:
    async with served(tmp_path) as gateway:
        most = (await ask(gateway)).usage.output_tokens - 3
        answer = await ask(gateway, max_output_tokens=most, stream=stream)
        if stream:
            *_, item, last = [event async for event in answer]
            assert (last.type, item.item.status) == ("response.incomplete", "incomplete")
            answer = last.response
        assert answer.status == answer.output[-1].status == "incomplete"
        assert answer.incomplete_details.reason == "max_output_tokens"
        assert answer.max_output_tokens == most


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_of_tools_are_items(tmp_path: Path, stream: bool) -> None:
    engine = Calls()
    async with served(tmp_path, engine) as gateway:
        answer = await ask(gateway, tools=[TOOL], tool_choice="required", stream=stream)
        if stream:
            events = [event async for event in answer]
            kinds = [event.type.removeprefix("response.") for event in events]
            assert kinds[2:] == [
                *("output_item.added", "content_part.added", "reasoning_text.delta"),
                *("reasoning_text.done", "content_part.done", "output_item.done"),
                *("output_item.added", "content_part.added", *["output_text.delta"] * 2),
                *("output_text.done", "content_part.done", "output_item.done"),
                *("output_item.added", *["function_call_arguments.delta"] * 2),
                *("function_call_arguments.done", "output_item.done"),
                *("output_item.added", "function_call_arguments.delta"),
                *("function_call_arguments.done", "output_item.done", "completed"),
            ]
            done = [e for e in events if e.type == "response.function_call_arguments.done"]
            assert [(e.output_index, e.arguments) for e in done] == [(2, '{"a":1}'), (3, "{}")]
            answer = events[-1].response
        assert [item.type for item in answer.output] == [
            *("reasoning", "message", "function_call", "function_call")
        ]
        calls = [(i.call_id, i.name, i.arguments, i.status) for i in answer.output[2:]]
        assert calls == [("c0", "f", '{"a":1}', "completed"), ("c1", "g", "{}", "completed")]
        assert (answer.output_text, answer.usage.input_tokens) == ("I look.", 7)
        function = {key: value for key, value in TOOL.items() if key != "type"}
        assert engine.seen["tools"] == [{"type": "function", "function": function}]
        assert engine.seen["tool_choice"] == "required"
        [record] = await gateway.records()
        assert record["reason"] == "passed through: tools"
        assert (record["prompt_tokens"], record["written_tokens"]) == (7, 5)
        assert record["id"] == answer.id


async def test_the_history_of_calls_becomes_messages(tmp_path: Path) -> None:
    engine = Calls()
    async with served(tmp_path, engine) as gateway:
        first = await ask(gateway, tools=[TOOL])
        parts = [{"type": "input_text", "text": text} for text in ("t", "wo")]
        outputs = [
            {"type": "function_call_output", "call_id": "c0", "output": "one"},
            {"type": "function_call_output", "call_id": "c1", "output": parts},
        ]
        history = [item.to_dict() for item in first.output]
        image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}
        look = {"role": "user", "content": [{"type": "input_text", "text": "See"}, image]}
        await ask(gateway, input=[*history, *outputs, look], instructions="Do.", tools=[TOOL])
        system, assistant, one, two, user = engine.seen["messages"]
        assert system == {"role": "system", "content": "Do."}
        assert assistant["content"] == "I look."
        assert [call["id"] for call in assistant["tool_calls"]] == ["c0", "c1"]
        assert one == {"role": "tool", "tool_call_id": "c0", "content": "one"}
        assert two == {"role": "tool", "tool_call_id": "c1", "content": "two"}
        url = {"url": image["image_url"], "detail": "low"}
        assert user["content"][1] == {"type": "image_url", "image_url": url}


async def test_the_form_of_the_text_and_a_named_tool(tmp_path: Path) -> None:
    engine = Calls()
    async with served(tmp_path, engine) as gateway:
        schema = {"type": "object", "properties": {}}
        form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
        named = {"type": "function", "name": "f"}
        await ask(
            gateway,
            **{"text": {"format": form, "verbosity": "low"}, "reasoning": {"effort": "low"}},
            **{"tools": [TOOL], "tool_choice": named, "max_output_tokens": 9, "top_p": 0.5},
        )
        seen = engine.seen
        json_schema = {"name": "n", "schema": schema, "strict": True}
        assert seen["response_format"] == {"type": "json_schema", "json_schema": json_schema}
        assert (seen["verbosity"], seen["reasoning_effort"]) == ("low", "low")
        assert seen["tool_choice"] == {"type": "function", "function": {"name": "f"}}
        assert (seen["max_tokens"], seen["top_p"]) == (9, 0.5)
        await ask(gateway, text={"format": {"type": "json_object"}}, tools=[TOOL])
        assert engine.seen["response_format"] == {"type": "json_object"}


async def test_neutral_values_change_nothing(tmp_path: Path) -> None:
    neutral: Any = {
        **{"background": False, "previous_response_id": None, "conversation": None},
        **{"store": True, "truncation": "auto", "include": ["reasoning.encrypted_content"]},
        **{"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "top_logprobs": 0},
        **{"text": {"format": {"type": "text"}}, "reasoning": {"effort": None}, "user": "me"},
        **{"service_tier": "auto", "max_output_tokens": None, "stream": False, "prompt": None},
        **{"stream_options": None, "instructions": None, "temperature": None},
    }
    async with served(tmp_path) as gateway:
        status, _, body = await gateway.post(
            {"model": None, "input": QUESTION, **neutral}, "/v1/responses"
        )
        assert (status, body["output"][0]["content"][0]["text"]) == (200, model.RESPONSES["DA"])
        assert body["model"] == "toy"
        assert body["gtalign"]["steered"] is True


LACKING: Any = [
    ({"previous_response_id": "resp_1"}, "previous_response_id", "whole conversation"),
    ({"conversation": {"id": "c"}}, "conversation", "keeps no responses"),
    ({"background": True}, "background", "waits"),
    ({"prompt": {"id": "p"}}, "prompt", "keeps no prompts"),
    ({"top_logprobs": 2}, "top_logprobs", "probabilities"),
    ({"include": ["message.output_text.logprobs"]}, "include", "probabilities"),
    ({"tools": [{"type": "web_search"}]}, "tools.0", "web_search"),
    ({"tools": [TOOL, {"type": "mcp"}]}, "tools.1", "mcp"),
    ({"tools": [TOOL], "tool_choice": {"type": "mcp"}}, "tool_choice", "function"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0", "store: false"),
    ({"input": [{"type": "web_search_call"}]}, "input.0.type", "web_search_call"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]},
        *("input.0.content.0", "image_url"),
    ),
]


@pytest.mark.parametrize("engine", [None, VLLM])
async def test_what_a_chat_lacks_is_refused(tmp_path: Path, engine: Any) -> None:
    steering = {"instruct": "short"}  # a model that was not trained on chains
    backend = None if engine is None else engine()
    async with served(tmp_path, backend, steering=steering) as gateway:
        for options, param, says in LACKING:
            with pytest.raises(openai.BadRequestError, match=says) as refused:
                await ask(gateway, **options)
            assert (refused.value.param, refused.value.code) == (param, "unsupported")


class Native(VLLM):
    """Has the interface of responses itself."""

    def routes(self) -> dict[str, Any]:
        return {**super().routes(), "POST /v1/responses": self.respond}

    async def respond(self, body: dict[str, Any]) -> Any:
        self.seen = body
        if body["previous_response_id"] == "missing":
            raise RefusedError(400, "no such response")
        whole = {
            **{"id": "resp_own", "object": "response", "created_at": 1, "model": "toy"},
            **{"output": [], "tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
            "usage": {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6},
        }
        if not body.get("stream"):
            return whole
        done = {"type": "response.completed", "sequence_number": 0, "response": whole}
        return [done]


@pytest.mark.parametrize("stream", [False, True])
async def test_or_passed_on_where_the_engine_has_it(tmp_path: Path, stream: bool) -> None:
    engine = Native()
    async with served(tmp_path, engine, steering={"instruct": "short"}) as gateway:
        asked = {"model": "toy:costly", "previous_response_id": "resp_0", "stream": stream}
        answer = await ask(gateway, **asked)
        if stream:
            [event] = [event async for event in answer]
            answer = event.response
        assert answer.id == "resp_own"
        assert engine.seen == asked | {"model": "toy", "input": QUESTION}
        with pytest.raises(openai.BadRequestError, match="no such response"):
            await ask(gateway, previous_response_id="missing")
        with pytest.raises(openai.BadRequestError, match="max_output_tokens"):
            await ask(gateway, previous_response_id="resp_0", max_output_tokens=10**6)
        refused, passed = await gateway.records()
        assert refused["status"] == "failed"
        assert passed["reason"] == "passed through: previous_response_id"
        assert (passed["prompt_tokens"], passed["written_tokens"]) == (4, 2)


async def test_a_model_of_chains_does_not_show_them_natively(tmp_path: Path) -> None:
    engine = Native()
    async with served(tmp_path, engine) as gateway:
        with pytest.raises(openai.BadRequestError, match="keeps no responses"):
            await ask(gateway, previous_response_id="resp_0")


WRONG: Any = [
    ({}, "input"),
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": 5}, "input"),
    ({"input": [None]}, "input.0"),
    ({"input": [[]]}, "input.0"),
    ({"input": [{}]}, "input.0.type"),
    ({"input": [{"type": 7}]}, "input.0.type"),
    ({"input": [{"role": "user"}]}, "input.0.content"),
    ({"input": [{"role": "user", "content": None}]}, "input.0.content"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role"),
    ({"input": [{"role": ["user"], "content": "x"}]}, "input.0.role"),
    ({"input": [{"role": "user", "content": ["x"]}]}, "input.0.content.0"),
    ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "input.0.content.0.text"),
    ({"input": [{"role": "user", "content": [{"type": "?"}]}]}, "input.0.content.0.type"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        "input.0.content.0.image_url",
    ),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input.0.arguments"),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id"),
    ({"input": [{"type": "function_call_output", "call_id": "x"}]}, "input.0.output"),
    ({"input": "x", "instructions": ["x"]}, "instructions"),
    ({"input": "x", "text": "json"}, "text"),
    ({"input": "x", "text": {"format": "json"}}, "text.format.type"),
    ({"input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ({"input": "x", "reasoning": "high"}, "reasoning"),
    ({"input": "x", "tools": {"type": "function"}}, "tools"),
    ({"input": "x", "tools": ["f"]}, "tools.0"),
    ({"input": "x", "tools": [{"type": "function"}]}, "tools.0.name"),
    ({"input": "x", "tools": [TOOL], "tool_choice": 3}, "tool_choice"),
    ({"input": "x", "messages": []}, "messages"),
    ({"input": "x", "n": 2}, "n"),
    ({"input": "x", "stream": "yes"}, "stream"),
    ({"input": "x", "temperature": 9}, "temperature"),
    ({"input": "x", "max_output_tokens": "many"}, "max_output_tokens"),
    ({"input": "x", "max_output_tokens": 10**9}, "max_output_tokens"),
    ({"input": "x", "model": ["toy"]}, "model"),
]


async def test_what_is_wrong_is_refused_by_its_name(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for body, param in WRONG:
            status, _, answer = await gateway.post({"model": "toy", **body}, "/v1/responses")
            assert (status, answer["error"]["param"]) == (400, param), body
            assert answer["error"]["type"] == "invalid_request_error"
        assert await gateway.records() == []


async def test_a_field_of_the_chat_is_named_as_in_the_request(tmp_path: Path) -> None:
    said = {"type": "message", "role": "assistant", "content": "x"}
    form = {"format": {"type": "json_object"}}
    async with served(tmp_path) as gateway:  # before a model in this process
        for body, param in (
            ({"input": [{"role": "user", "content": "x"}, said]}, "input.1.role"),
            ({"input": "x", "max_output_tokens": -2}, "max_output_tokens"),
            ({"input": "x", "max_output_tokens": 1.5}, "max_output_tokens"),
        ):
            asked = {"model": "toy", "instructions": "Be kind.", **body}
            status, _, answer = await gateway.post(asked, "/v1/responses")
            assert (status, answer["error"]["param"]) == (400, param)
            assert repr(param) in answer["error"]["message"]
        with pytest.raises(openai.BadRequestError, match="inside the gateway"):
            await ask(gateway, text=form)


async def test_errors_before_the_answer_have_their_form(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await ask(gateway, model="gpt")
        status, body = await gateway.get("/v1/responses")
        assert (status, body["error"]["code"]) == (405, "method_not_allowed")
        await gateway.key()
        with pytest.raises(openai.AuthenticationError, match="wrong or was revoked"):
            await ask(gateway)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_refuses_is_told_of(tmp_path: Path, stream: bool) -> None:
    engine = Calls()
    engine.error = RefusedError(400, "maximum context length is 5")
    async with served(tmp_path, engine) as gateway:
        with pytest.raises(openai.BadRequestError, match="maximum context length"):
            await ask(gateway, tools=[TOOL], stream=stream)


async def test_an_engine_that_fails_on_the_way_ends_the_stream(tmp_path: Path) -> None:
    class Broken(FakeBackend):
        def open(self, messages: Any, sampling: Any) -> Any:
            draft = super().open(messages, sampling)
            write = draft.write

            async def breaking(**options: Any) -> Any:
                written = 0
                async for slice_ in write(**options):
                    yield slice_
                    written += len(slice_)
                    if "<response>" in draft.text and written > 60:
                        raise UpstreamError("the engine", "broke")

            draft.write = breaking  # type: ignore[method-assign]
            return draft

    backend = Broken(lambda messages, begun: model.continuation(messages[-1]["content"], begun))
    async with served(tmp_path, backend, steering={"mode": "observe"}) as gateway:
        events: list[Any] = []
        with pytest.raises(openai.APIError, match="the model server failed"):
            async for event in await ask(gateway, stream=True):
                events.append(event)
        kinds = [event.type for event in events]
        assert kinds[-2:] == ["response.output_item.done", "response.failed"]
        failed = events[-1].response
        assert (failed.status, failed.error.code) == ("failed", "upstream_failed")
        assert failed.output[0].status == "incomplete"
        assert model.RESPONSES["CQ"].startswith(failed.output_text)
        [record] = await gateway.records()
        assert record["status"] == "failed"


@pytest.mark.parametrize(
    "deltas",
    [
        [{"tool_calls": [{"index": 0}]}],
        [{"tool_calls": ["f"]}],
        [{"content": ["x"]}],
        [
            {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]},
            {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g"}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        ],
        [],
    ],
)
async def test_a_stream_that_is_none_is_a_failure(tmp_path: Path, deltas: Any) -> None:
    engine = Calls()
    engine.deltas, engine.finish = deltas, None
    async with served(tmp_path, engine) as gateway:
        with pytest.raises(openai.APIError, match="the model server"):
            async for _ in await ask(gateway, tools=[TOOL], stream=True):
                pass
        [record] = await gateway.records()
        assert record["status"] == "failed"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("more", [{}, {"min_tokens": 1}], ids=["steered", "passed"])
async def test_an_event_whose_choices_are_null_says_nothing(
    tmp_path: Path, path: str, more: Any
) -> None:
    class Null(VLLM):
        async def chat(self, body: dict[str, Any]) -> Any:
            return self.among([chat_chunk({"content": "Hi"}, None), chat_chunk({}, "stop")])

        async def completions(self, body: dict[str, Any]) -> Any:
            return self.among(await super().completions(body))

        def among(self, events: Any) -> Any:
            for event in events:
                yield from ({"choices": None}, event, {"choices": None, "x": 1})

    async with served(tmp_path, Null()) as gateway:
        body = {"model": "toy", "stream": True, "max_tokens": 900, **more}
        body |= {"input": QUESTION} if "responses" in path else {"messages": MESSAGES}
        async with gateway.http.post(gateway.address + path, json=body) as answer:
            text = await answer.text()
        assert answer.status == 200 and "error" not in text.replace('"error":null', ""), text
        assert ("Hi" if more else model.RESPONSES["DA"][:3]) in text


class Packed(Calls):
    """Compresses its answers though nobody asked for that."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/v1/chat/completions":
            return await super().handle(request)
        whole = {
            "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
            "usage": USAGE,
        }
        headers, body = {"Content-Encoding": "gzip"}, gzip.compress(json.dumps(whole).encode())
        return web.Response(body=body, headers=headers, content_type="application/json")


async def test_an_answer_that_is_packed_is_read(tmp_path: Path) -> None:
    async with served(tmp_path, Packed()) as gateway:
        assert (await ask(gateway, tools=[TOOL])).output_text == "Hi"


async def test_a_silent_stream_sends_comments(tmp_path: Path) -> None:
    backend = Held()
    async with served(tmp_path, backend, timeouts={"keep_alive": 0.01}) as gateway:
        url = f"{gateway.address}/v1/responses"
        body = {"model": "toy", "input": QUESTION, "stream": True}
        async with gateway.http.post(url, json=body) as answer:
            assert (await answer.content.readany()).startswith(b":")
        await backend.closed.wait()


async def test_requests_are_counted_by_their_interface(tmp_path: Path) -> None:
    async with served(tmp_path, scripted()) as gateway:
        await ask(gateway)
        counted = gateway.gateway.metrics.requests.values
        while ("/v1/responses", "200") not in counted:  # once its connection is let go of
            await asyncio.sleep(0)
