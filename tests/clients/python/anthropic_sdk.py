"""Anthropic's own client."""

from typing import Any

import anthropic
from report import ADDRESS, KEY, LONG, MESSAGES, MODEL, TOKENS, Fact, raises, report

client = anthropic.Anthropic(base_url=ADDRESS, api_key=KEY, max_retries=0)
ASKED: Any = {"model": MODEL, "messages": MESSAGES, "max_tokens": TOKENS}
TOOL: Any = {"name": "fact", "description": "Record.", "input_schema": Fact.model_json_schema()}


def chat() -> None:
    answer = client.messages.create(**ASKED, system="You are brief.")
    assert answer.content[0].text
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert answer.usage.output_tokens > 0


def stream() -> None:
    with client.messages.stream(**ASKED) as events:
        assert "".join(events.text_stream)
        assert events.get_final_message().usage.output_tokens > 0


def tool() -> None:
    answer = client.messages.create(**ASKED, tools=[TOOL], tool_choice={"type": "any"})
    [use] = [block for block in answer.content if block.type == "tool_use"]
    Fact.model_validate(use.input)


def count() -> None:
    assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0


def too_long() -> None:
    long = ASKED | {"messages": [{"role": "user", "content": LONG}]}
    error = raises(anthropic.BadRequestError, lambda: client.messages.create(**long))
    assert "context" in str(error)


report(chat=chat, stream=stream, tool=tool, count_tokens=count, error_context=too_long)
