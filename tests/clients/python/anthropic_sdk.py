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


def tool_stream() -> None:
    choice: Any = {"type": "tool", "name": "fact"}
    with client.messages.stream(**ASKED, tools=[TOOL], tool_choice=choice) as events:
        message = events.get_final_message()
    [use] = message.content
    assert (use.type, message.stop_reason) == ("tool_use", "tool_use")
    Fact.model_validate(use.input)


def tool_history() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "fact", "input": {"city": "Paris"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "recorded"}
    turns = [
        *MESSAGES,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    answer = client.messages.create(**ASKED | {"messages": turns})
    assert answer.content[0].text


def unknown_model() -> None:
    unknown = ASKED | {"model": "no-such-model"}
    raises(anthropic.NotFoundError, lambda: client.messages.create(**unknown))


def count() -> None:
    assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0


def too_long() -> None:
    long = ASKED | {"messages": [{"role": "user", "content": LONG}]}
    error = raises(anthropic.BadRequestError, lambda: client.messages.create(**long))
    assert "context" in str(error)


report(
    chat=chat,
    stream=stream,
    tool=tool,
    tool_stream=tool_stream,
    tool_history=tool_history,
    count_tokens=count,
    error_context=too_long,
    error_model=unknown_model,
)
