"""Steered answers that call tools, to clients of every interface."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_parts import MESSAGES, Served, served
from gtalign.steering import FakeBackend
from standins import model
from standins.engines import LlamaCpp, completion_chunk
from standins.server import ASSISTANT, rendered

PARAMETERS: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
FORECAST: Any = {"name": "forecast", "description": "The weather.", "parameters": PARAMETERS}
TOOL: Any = {"type": "function", "function": FORECAST}
NOW: Any = {"type": "function", "function": {"name": "now"}}
CALL = '<tool_call>{"name": "forecast", "arguments": {"city": "Zürich"}}</tool_call>'
NOON = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
ARGUMENTS = {"city": "Zürich"}


def chain(begun: str, said: str) -> str:
    """The rest of a chain with this response."""
    if "choose " in begun:  # the opening of the analysis in `enforce`, and perhaps all of it
        opened = ">" if "<response" in begun else "</analyze>\n<response>"
        return f"{opened}{said}</response>"
    text = model.continuation("x", begun)
    for response in model.RESPONSES.values():
        text = text.replace(response, said)
    return text


def backend(said: str = CALL, **options: Any) -> FakeBackend:
    return FakeBackend(lambda _, begun: chain(begun, said), **{"grammar": "gbnf", **options})


async def told(answer: Any, *, stream: bool) -> tuple[str, list[Any], str, Any]:
    """The content of an answer, its calls, why it ended, and the decision."""
    if not stream:
        [choice] = answer.choices
        message = choice.message
        calls = [] if message.tool_calls is None else message.tool_calls
        return message.content or "", calls, choice.finish_reason, answer.gtalign
    chunks = [chunk async for chunk in answer]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert [call.index for call in calls] == [*range(len(calls))]
    content = "".join(delta.content or "" for delta in deltas)
    return content, calls, chunks[-1].choices[0].finish_reason, chunks[-1].gtalign


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["advise", "enforce"])
@pytest.mark.parametrize("instruct", ["none", "short"])
async def test_a_call_is_the_response_of_a_chain(
    tmp_path: Path, stream: bool, mode: str, instruct: str
) -> None:
    engine, settings = backend(), {"mode": mode, "instruct": instruct, "verify": "mark"}
    async with served(tmp_path, engine, steering=settings, show="response") as gateway:
        answer = await gateway.ask(tools=[TOOL, NOW], stream=stream, max_tokens=900)
        content, [call], finish, about = await told(answer, stream=stream)
        assert (content, finish, call.function.name) == ("", "tool_calls", "forecast")
        assert json.loads(call.function.arguments) == ARGUMENTS
        assert call.type == "function" and len(call.id) == 9 and call.id.isalnum()
        assert (about["steered"], about["after"], about["acted"]) == (True, "DA", "DA")
        assert about["obeyed"] is True
        last, asked = engine.writes[-1].grammar or "", engine.asked[0]
        assert "\ncall-0 ::= " in last and '\\"city\\"' in last
        assert asked[0]["role"] == "system" and "forecast" in asked[0]["content"]
        [record] = await gateway.records()
        assert (record["status"], record["steered"], record["acted"]) == ("done", True, "DA")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("said", "content", "names", "acted"),
    [
        ("Take a <b>coat</b>.", "Take a <b>coat</b>.", [], "DA"),
        ("For which day?", "For which day?", [], "CQ"),
        (f"Shall I look?\n{NOON}", "Shall I look?", ["now"], "DA"),
        (f"{CALL}\n{NOON}", "", ["forecast", "now"], "DA"),
    ],
)
async def test_it_may_hold_words_and_several_calls(
    tmp_path: Path, stream: bool, said: str, content: str, names: list[str], acted: str
) -> None:
    async with served(tmp_path, backend(said, size=7)) as gateway:
        answer = await gateway.ask(tools=[TOOL, NOW], stream=stream)
        shown, calls, finish, about = await told(answer, stream=stream)
        assert (shown, [call.function.name for call in calls]) == (content, names)
        assert finish == ("tool_calls" if names else "stop")
        assert about["acted"] == acted


@pytest.mark.parametrize("stream", [False, True])
async def test_so_it_is_in_the_other_interfaces(tmp_path: Path, stream: bool) -> None:
    import anthropic  # takes seconds

    async with (
        served(tmp_path, backend(f"I look. {CALL}"), show="reasoning") as gateway,
        anthropic.AsyncAnthropic(base_url=gateway.address, api_key="-", max_retries=0) as client,
    ):
        answer = await gateway.client.responses.create(
            model="toy", input="Coat?", tools=[{"type": "function", **FORECAST}], stream=stream
        )
        if stream:
            events = [event async for event in answer]
            answer = events[-1].response
            [done] = [e for e in events if e.type == "response.function_call_arguments.done"]
            assert json.loads(done.arguments) == ARGUMENTS
        assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"]
        assert (answer.output_text, answer.output[2].name) == ("I look.", "forecast")
        assert (answer.status, answer.gtalign["steered"]) == ("completed", True)

        tool = {"name": "forecast", "input_schema": PARAMETERS}
        given: Any = {"model": "toy", "max_tokens": 900, "messages": MESSAGES, "tools": [tool]}
        message: Any
        if stream:
            async with client.messages.stream(**given) as message_events:
                message = await message_events.get_final_message()
        else:
            message = await client.messages.create(**given)
        assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
        assert (message.content[2].input, message.stop_reason) == (ARGUMENTS, "tool_use")
        assert [record["steered"] for record in await gateway.records()] == [True, True]


def allowed(mode: str, *names: str) -> Any:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize(
    ("options", "called", "words", "several"),
    [
        ({}, 2, True, True),
        ({"tool_choice": "auto", "parallel_tool_calls": False}, 2, True, False),
        ({"tool_choice": "required"}, 2, False, True),
        ({"tool_choice": {"type": "function", "function": {"name": "now"}}}, 1, False, False),
        ({"tool_choice": allowed("auto", "now")}, 1, True, True),
        ({"tool_choice": allowed("required", "now", "forecast")}, 2, False, True),
        ({"tool_choice": "none"}, 0, True, False),
        ({"tools": []}, 0, True, False),
    ],
)
async def test_the_grammar_follows_the_choice(
    tmp_path: Path, options: Any, called: int, words: bool, several: bool
) -> None:
    engine = backend(NOON)
    async with served(tmp_path, engine) as gateway:
        answer = await gateway.ask(**{"tools": [TOOL, NOW], **options})
        rules = engine.writes[-1].grammar or ""
        assert [f"\ncall-{number} ::= " in rules for number in (0, 1)] == [called > 0, called > 1]
        assert ("words calls?" in rules) == (words and called > 0)
        assert ("call){0," in rules) == several
        assert ("tool_call" in str(engine.asked[0])) == (called > 0)
        assert answer.gtalign["steered"] is True
        assert bool(answer.choices[0].message.tool_calls) == (called > 0)
        if not words:  # nothing of what was demanded is the model's choice
            assert answer.gtalign["acted"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"tools": [{**TOOL, "function": {"name": "f", "parameters": {"minProperties": 2}}}]},
        {"tools": [{**TOOL, "function": {"name": "f", "parameters": {"type": "array"}}}]},
        {"tools": [{**TOOL, "function": {"name": ""}}]},
        {"tools": [{"type": "custom", "custom": {"name": "f"}}]},
        {"tools": [TOOL, TOOL]},
        {"tools": [{**TOOL, "function": {"name": f"f{n}"}} for n in range(129)]},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        {"tools": [TOOL], "tool_choice": "any"},
        {"tools": [TOOL], "tool_choice": allowed("auto")},
        {"tools": [TOOL], "tool_choice": {"type": ["function"]}},
    ],
)
async def test_what_no_grammar_describes_is_passed(tmp_path: Path, options: Any) -> None:
    async with served(tmp_path, LlamaCpp()) as gateway:
        body = {"model": "toy", "messages": MESSAGES, "max_tokens": 99, "stream": True, **options}
        async with gateway.http.post(f"{gateway.address}/v1/chat/completions", json=body) as found:
            assert (found.status, found.headers["x-gtalign-passed"]) == (200, "tools")


def called(**function: Any) -> Any:
    """A conversation with a call of this form."""
    call = {"id": "a", "type": "function", "function": {"name": "forecast", **function}}
    turns = ({"role": "assistant", "content": None, "tool_calls": [call]}, RESULT)
    return [*MESSAGES, *turns, *MESSAGES]


@pytest.mark.parametrize(
    "function",
    [{}, {"arguments": None}, {"arguments": 3}, {"arguments": [1]}, {"name": 5, "arguments": "{}"}],
)
async def test_a_call_of_no_known_form_is_the_engine_s(tmp_path: Path, function: Any) -> None:
    async with served(tmp_path, LlamaCpp()) as gateway:
        body = {"model": "toy", "messages": called(**function), "stream": True, "max_tokens": 9}
        async with gateway.http.post(f"{gateway.address}/v1/chat/completions", json=body) as found:
            assert (found.status, found.headers["x-gtalign-passed"]) == (200, "tools")
    async with served(tmp_path / "here") as gateway:
        status, _, told = await gateway.post({"model": "toy", "messages": called(**function)})
        assert (status, told["error"]["param"].split(".")[:2]) == (400, ["messages", "1"])


@pytest.mark.parametrize("arguments", [{}, ARGUMENTS, {"a": [1, {"b": None}]}])
async def test_arguments_that_are_an_object_are_steered(tmp_path: Path, arguments: Any) -> None:
    engine = Agent()
    engine.said = "Take a coat."
    async with served(tmp_path, engine) as gateway:
        engine.begun = True
        messages = called(arguments=arguments)
        item = {"type": "function_call", "call_id": "a", "name": "forecast", "arguments": arguments}
        output = {"type": "function_call_output", "call_id": "a", "output": "7"}
        for path, body in (
            ("/v1/chat/completions", {"messages": messages}),
            ("/v1/responses", {"input": [*MESSAGES, item, output, *MESSAGES]}),
        ):
            tool = TOOL if "chat" in path else {"type": "function", **FORECAST}
            body = {"model": "toy", "tools": [tool], **body}
            status, headers, told = await gateway.post(body, path)
            assert (status, headers.get("x-gtalign-steered")) == (200, "true"), told


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools.0"),
        ({"tools": [{**TOOL, "function": {"name": "f", "parameters": []}}]}, "tools.0"),
        ({"tools": [{**TOOL, "function": {"name": "f", "description": 3}}]}, "tools.0"),
        ({"tools": [TOOL], "parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": {"a": 1}}, *MESSAGES]}, "messages.0"),
    ],
)
async def test_what_nobody_takes_is_refused(tmp_path: Path, options: Any, param: str) -> None:
    async with served(tmp_path, LlamaCpp()) as gateway:
        status, _, body = await gateway.post({"model": "toy", "messages": MESSAGES, **options})
        assert status == 400 and body["error"]["param"].startswith(param)


async def test_without_grammars_or_servers_nothing_is_called(tmp_path: Path) -> None:
    history = [*MESSAGES, {"role": "assistant", "tool_calls": [CALLED]}, RESULT]
    async with served(tmp_path, backend(grammar=None)) as gateway:
        for options in ({"tools": [TOOL]}, {"messages": history}):
            with pytest.raises(openai.BadRequestError, match="inside the gateway"):
                await gateway.ask(**options)
        answer = await gateway.ask(tools=[TOOL], tool_choice="none")
        assert answer.gtalign["steered"] is True


CALLED: Any = {
    **{"id": "c1", "type": "function"},
    "function": {"name": "forecast", "arguments": '{"city": "Zürich"}'},
}
RESULT: Any = {"role": "tool", "tool_call_id": "c1", "content": '{"sky": "grey"}'}


class Agent(LlamaCpp):
    """Calls a tool, and says what it returned once it has; its template knows of tools."""

    said = CALL
    begun = False

    async def apply(self, body: dict[str, Any]) -> dict[str, Any]:
        turns = []
        for turn in body["messages"]:
            calls = [call["function"] for call in turn.get("tool_calls", ())]
            content = turn["content"] + "".join(json.dumps(call) for call in calls)
            turns.append({"role": turn["role"], "content": content})
        return {"prompt": rendered(turns)}

    async def completions(self, body: dict[str, Any]) -> Any:
        if not self.begun:
            return await super().completions(body)
        conversation, _, begun = body["prompt"].rpartition(ASSISTANT)
        done = "<|im_start|>tool" in conversation
        return self._written(chain(begun, "Grey." if done else self.said))

    def _written(self, text: str) -> Iterator[Any]:
        for at in range(0, len(text), 3):
            yield completion_chunk(text[at : at + 3], None)
        yield completion_chunk("", "stop")
        yield "[DONE]"

    async def chat(self, body: dict[str, Any]) -> Any:
        message = {"role": "assistant", "content": "the engine's own"}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


async def test_the_result_of_a_call_is_answered(tmp_path: Path) -> None:
    engine = Agent()
    async with served(tmp_path, engine) as gateway:
        engine.begun = True
        await _by_chat(gateway)
        await _by_response(gateway)
        await _by_message(gateway)
        assert all(record["steered"] for record in await gateway.records())
        prompts = [body["prompt"] for body in engine.bodies("/v1/completions")]
        after = [prompt for prompt in prompts if "<|im_start|>tool" in prompt]
        assert len(after) >= 6
        for prompt in after:  # the template has written both, and nothing is written twice
            assert prompt.count("Zürich") == prompt.count("Z\\u00fcrich") == 1
            assert prompt.count("<|im_start|>tool\n") == 1


async def _by_chat(gateway: Served) -> None:
    first = (await gateway.ask(tools=[TOOL])).choices[0].message
    turn, [call] = first.model_dump(exclude_none=True), first.tool_calls
    result = {**RESULT, "tool_call_id": call.id}
    last = await gateway.ask(messages=[*MESSAGES, turn, result], tools=[TOOL])
    assert last.choices[0].message.content == "Grey."
    assert (last.choices[0].finish_reason, last.gtalign["acted"]) == ("stop", "DA")


async def _by_response(gateway: Served) -> None:
    asked: Any = {"model": "toy", "tools": [{"type": "function", **FORECAST}]}
    first = await gateway.client.responses.create(**asked, input=MESSAGES)
    [call] = first.output
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "grey"}
    items = [*MESSAGES, call.model_dump(exclude_none=True), output]
    last = await gateway.client.responses.create(**asked, input=items)
    assert last.output_text == "Grey."


async def _by_message(gateway: Served) -> None:
    import anthropic

    tool = {"name": "forecast", "input_schema": PARAMETERS}
    asked: Any = {"model": "toy", "max_tokens": 900, "tools": [tool]}
    async with anthropic.AsyncAnthropic(base_url=gateway.address, api_key="-") as client:
        first: Any = await client.messages.create(**asked, messages=MESSAGES)
        [call] = first.content
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "grey"}
        turns: Any = [
            {"role": "assistant", "content": [call.to_dict()]},
            {"role": "user", "content": [result]},
        ]
        last: Any = await client.messages.create(**asked, messages=[*MESSAGES, *turns])
        assert last.content[0].text == "Grey."


async def test_a_template_that_leaves_calls_out_is_not_trusted(tmp_path: Path) -> None:
    class Deaf(Agent):
        async def apply(self, body: dict[str, Any]) -> dict[str, Any]:
            return await LlamaCpp.apply(self, body)

    engine = Deaf()
    history = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [CALLED]}, RESULT]
    async with served(tmp_path, engine) as gateway:
        engine.begun = True
        body = {"model": "toy", "messages": history, "tools": [TOOL]}
        status, headers, answer = await gateway.post(body)
        assert (status, headers["x-gtalign-passed"]) == (200, "chat template")
        assert answer["choices"][0]["message"]["content"] == "the engine's own"
        [record] = await gateway.records()
        assert (record["status"], record["steered"]) == ("passed", False)


UNKNOWN = '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'


@pytest.mark.parametrize("said", [UNKNOWN, "<tool_call>{</tool_call>", "Hm. <tool_call>{"])
async def test_an_engine_that_ignores_its_grammar_calls_nothing(tmp_path: Path, said: str) -> None:
    engine = Agent()
    engine.said = said
    async with served(tmp_path, engine) as gateway:
        engine.begun = True
        body = {"model": "toy", "messages": MESSAGES, "tools": [TOOL]}
        status, headers, answer = await gateway.post(body)
        assert (status, headers["x-gtalign-passed"]) == (200, "no chain")
        assert answer["choices"][0]["message"]["content"] == "the engine's own"
        [record] = await gateway.records()
        assert (record["status"], record["steered"]) == ("passed", False)
    async with served(tmp_path / "here", backend(said)) as gateway:
        for stream in (False, True):
            with pytest.raises(openai.APIError) as caught:
                await told(await gateway.ask(tools=[TOOL], stream=stream), stream=stream)
            assert "tool_call" not in str(caught.value) and "thinking" not in str(caught.value)
        assert {record["status"] for record in await gateway.records()} == {"failed"}


FORM: Any = {"type": "json_object"}
DAYS: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "days",
        "schema": {
            "type": "object",
            "properties": {"days": {"type": "integer"}},
            "required": ["days"],
            "additionalProperties": False,
        },
    },
}
WRONG = '<tool_call>{"name": "forecast", "arguments": {"city": 5}}</tool_call>'
NAMED: Any = {"type": "function", "function": {"name": "forecast"}}


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("Only words.", {"tools": [TOOL], "tool_choice": "required"}),
        (f"I look. {CALL}", {"tools": [TOOL], "tool_choice": "required"}),
        ("Only words?", {"tools": [TOOL, NOW], "tool_choice": NAMED}),
        (NOON, {"tools": [TOOL, NOW], "tool_choice": NAMED}),
        (f"{CALL}{CALL}", {"tools": [TOOL], "parallel_tool_calls": False}),
        (CALL * 17, {"tools": [TOOL]}),
        ("Only words.", {"response_format": FORM}),
        ('{"a": 1', {"response_format": FORM}),
        ("Only words.", {"response_format": FORM, "tools": [TOOL]}),
        ("[1]", {"response_format": FORM}),
        ('{"days": "three"}', {"response_format": DAYS}),
        ("{}", {"response_format": DAYS}),
        ('{"days": 3, "more": 1}', {"response_format": DAYS, "tools": [TOOL]}),
        (CALL.replace('"city"', '"town"'), {"tools": [TOOL]}),
        (f"{CALL}{WRONG}", {"tools": [TOOL]}),
    ],
)
async def test_nor_does_one_that_ignores_what_is_required(
    tmp_path: Path, said: str, options: Any
) -> None:
    engine = Agent()
    engine.said = said
    async with served(tmp_path, engine) as gateway:
        engine.begun = True
        body = {"model": "toy", "messages": MESSAGES, **options}
        status, headers, answer = await gateway.post(body)
        assert (status, headers["x-gtalign-passed"]) == (200, "no chain")
        assert answer["choices"][0]["message"]["content"] == "the engine's own"
    async with served(tmp_path / "here", backend(said)) as gateway:
        for stream in (False, True):
            with pytest.raises(openai.APIError):
                await told(await gateway.ask(**options, stream=stream), stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_is_cut_off_is_none(tmp_path: Path, stream: bool) -> None:
    async with served(tmp_path, backend(size=1)) as gateway:
        whole = await gateway.ask(tools=[TOOL], max_tokens=4000)
        most = whole.usage.completion_tokens - 30
        answer = await gateway.ask(tools=[TOOL], max_tokens=most, stream=stream)
        content, calls, finish, _ = await told(answer, stream=stream)
        assert (content, calls, finish) == ("", [], "length")


async def test_a_call_where_a_question_was_chosen_is_written_again(tmp_path: Path) -> None:
    async def ask(gateway: Served, **options: Any) -> Any:
        options = {"model": "toy:subscription", "tools": [TOOL], **options}
        return await gateway.ask(**options)

    async with served(tmp_path, backend(), steering={"verify": "retry"}) as gateway:
        answer = await ask(gateway)
        about = answer.gtalign
        assert (about["after"], about["acted"], about["obeyed"]) == ("CQ", "DA", False)
        assert about["retry"]["served"] == "first" and answer.choices[0].message.tool_calls
        must = await ask(gateway, tool_choice="required")
        assert "retry" not in must.gtalign and must.gtalign["obeyed"] is None
