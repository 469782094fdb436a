"""Tools before llama.cpp and SmolLM2, which knows none: its grammar alone makes it call them."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engines.conftest import Server
from gateway_parts import Served, opened_before
from gtalign.config import load_table
from gtalign.gateway.settings import GatewayConfig

PARAMETERS: Any = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 30},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "days": {"type": "array", "items": {"enum": ["today", "tomorrow"]}, "maxItems": 2},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
FORECAST: Any = {"name": "forecast", "description": "The weather.", "parameters": PARAMETERS}
TOOLS: Any = [
    {"type": "function", "function": FORECAST},
    {"type": "function", "function": {"name": "now", "description": "The time."}},
]
QUESTION: Any = {"role": "user", "content": "Will it rain in Zürich today? Use a tool."}
FORCED: Any = {"type": "function", "function": {"name": "forecast"}}


def config_of(folder: Path, url: str, mode: str) -> GatewayConfig:
    table = {
        "upstream": {"address": url, "name": "small"},
        "port": 0,
        "steering": {"instruct": "short", "mode": mode},
        "audit": {"database": str(folder / "audit.db"), "texts": True},
    }
    return load_table(GatewayConfig, table, "test")


def checked(name: str, arguments: str) -> None:
    """Check that a call is one that the request allows."""
    given = json.loads(arguments)
    if name == "forecast":
        jsonschema.validate(given, PARAMETERS)
    else:
        assert (name, given) == ("now", {})


async def called(gateway: Served, **options: Any) -> tuple[str, list[tuple[str, str]], str]:
    """The content of an answer, its calls, and why it ended."""
    given = {"messages": [QUESTION], "tools": TOOLS, "max_tokens": 700, "temperature": 0}
    asked = {"model": "small", "seed": 1, **given, **options}
    answer = await gateway.client.chat.completions.create(**asked)
    if not options.get("stream"):
        [choice] = answer.choices
        calls = choice.message.tool_calls or []
        found = [(call.function.name, call.function.arguments) for call in calls]
        return choice.message.content or "", found, choice.finish_reason
    chunks = [chunk async for chunk in answer]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    found = [(call.function.name, call.function.arguments) for call in calls]
    finish = chunks[-1].choices[0].finish_reason
    return "".join(delta.content or "" for delta in deltas), found, finish


@pytest.mark.parametrize("mode", ["advise", "enforce"])
async def test_calls_follow_the_schemas(small_native: Server, tmp_path: Path, mode: str) -> None:
    async with opened_before(config_of(tmp_path, small_native.url, mode)) as gateway:
        # An engine that has a prompt in its cache may draw other tokens than before, even greedily.
        for choice, stream in product(("auto", "required", FORCED), (False, True)):
            content, calls, finish = await called(gateway, tool_choice=choice, stream=stream)
            print(f"\n{mode} {choice}: {content!r} {calls} {finish}")
            for name, arguments in calls:
                checked(name, arguments)
            assert "<" not in content or "<tool_call>" not in content
            if choice != "auto":
                assert not content and (calls or finish == "length")
            if calls:  # a small model calls on until its tokens are over
                assert finish in ("tool_calls", "length")
        records = await gateway.records()
        assert len(records) == 6 and all(record["steered"] for record in records)


async def test_results_of_tools_are_answered_in_every_interface(
    small_native: Server, tmp_path: Path
) -> None:
    import anthropic  # takes seconds, also where these tests are left out

    async with opened_before(config_of(tmp_path, small_native.url, "advise")) as gateway:
        _, [(name, arguments)], _ = await called(gateway, tool_choice=FORCED)
        call: Any = {"id": "c1", "type": "function"}
        call |= {"function": {"name": name, "arguments": arguments}}
        turns: Any = [
            *(QUESTION, {"role": "assistant", "content": None, "tool_calls": [call]}),
            {"role": "tool", "tool_call_id": "c1", "content": '{"sky": "overcast"}'},
        ]
        raw = await gateway.client.chat.completions.with_raw_response.create(
            model="small", messages=turns, tools=TOOLS, max_tokens=600, temperature=0
        )
        print(f"\nchat: {dict(raw.headers).get('x-gtalign-passed')} {raw.text}")
        response = await gateway.client.responses.create(
            model="small",
            input=[QUESTION],
            tools=[{"type": "function", **FORECAST}],
            tool_choice={"type": "function", "name": "forecast"},
            max_output_tokens=700,
        )
        [item] = response.output
        assert item.type == "function_call"
        checked(item.name, item.arguments)
        async with anthropic.AsyncAnthropic(
            base_url=gateway.address, api_key="-", max_retries=0
        ) as client:
            tool: Any = {"name": "forecast", "input_schema": PARAMETERS}
            asked: Any = {"model": "small", "max_tokens": 700, "tools": [tool]}
            asked |= {"messages": [QUESTION], "tool_choice": {"type": "any"}}
            async with client.messages.stream(**asked) as events:
                message = await events.get_final_message()
            blocks: Any = message.content
            assert {block.type for block in blocks} == {"tool_use"}
            assert message.stop_reason == "tool_use"
            for block in blocks:
                checked(block.name, json.dumps(block.input))
        assert [record["status"] for record in await gateway.records()].count("done") >= 3
