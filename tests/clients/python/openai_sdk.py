"""OpenAI's own client."""

import asyncio
from typing import Any

import openai
from report import BASE, KEY, LONG, MESSAGES, MODEL, QUESTION, TOKENS, Fact, raises, report

client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)
ASKED: Any = {"model": MODEL, "messages": MESSAGES, "max_tokens": TOKENS, "temperature": 0}
ANSWERED: Any = {
    "model": MODEL,
    "input": QUESTION,
    "max_output_tokens": TOKENS,
    "temperature": 0,
}
TOOL: Any = {
    "type": "function",
    "function": {"name": "fact", "description": "Record.", "parameters": Fact.model_json_schema()},
}


def chat() -> None:
    answer = client.chat.completions.create(**ASKED)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None and answer.usage.completion_tokens > 0


def chat_without_a_number() -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0)
    assert answer.choices[0].message.content


def stream() -> None:
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**ASKED, stream=True, stream_options=options))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage.completion_tokens > 0
    assert [c for c in chunks if c.choices and c.choices[0].finish_reason]


def asynchronous() -> None:
    async def ask() -> None:
        async with (
            openai.AsyncOpenAI(base_url=BASE, api_key=KEY, max_retries=0) as own,
            own.chat.completions.stream(**ASKED) as events,
        ):
            async for _ in events:
                pass
            final = await events.get_final_completion()
        assert final.choices[0].message.content

    asyncio.run(ask())


def parse() -> None:
    answer = client.chat.completions.parse(**ASKED, response_format=Fact)
    assert answer.choices[0].message.parsed is not None


def tool() -> None:
    answer = client.chat.completions.create(**ASKED, tools=[TOOL], tool_choice="required")
    [call] = answer.choices[0].message.tool_calls
    Fact.model_validate_json(call.function.arguments)


def tool_history() -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "fact", "arguments": '{"city": "Paris", "sure": true}'},
    }
    turns = [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "recorded"},
    ]
    answer = client.chat.completions.create(**ASKED | {"messages": turns, "max_tokens": 16})
    assert answer.choices[0].message.content


def tool_stream() -> None:
    options: Any = {"tools": [TOOL], "tool_choice": "required"}
    with client.chat.completions.stream(**ASKED, **options) as events:
        for _ in events:
            pass
        [choice] = events.get_final_completion().choices
    assert choice.finish_reason == "tool_calls" and not choice.message.content
    [call] = choice.message.tool_calls
    Fact.model_validate_json(call.function.arguments)


def system_last() -> None:
    turns = [*MESSAGES, {"role": "system", "content": "Answer in one word."}]
    answer = client.chat.completions.create(**ASKED | {"messages": turns, "max_tokens": 16})
    assert answer.choices[0].message.content


def responses() -> None:
    answer = client.responses.create(**ANSWERED)
    assert answer.output_text
    assert answer.status in ("completed", "incomplete")


def responses_stream() -> None:
    with client.responses.stream(**ANSWERED) as events:
        kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert "response.output_text.delta" in kinds
    assert kinds[-1] in ("response.completed", "response.incomplete")


def responses_parse() -> None:
    assert client.responses.parse(**ANSWERED, text_format=Fact).output_parsed is not None


def completions() -> None:
    answer = client.completions.create(model=MODEL, prompt="Paris is", max_tokens=8)
    assert answer.choices[0].text


def models() -> None:
    assert client.models.list().data[0].id


def too_long() -> None:
    long = ASKED | {"messages": [{"role": "user", "content": LONG}]}
    error = raises(openai.BadRequestError, lambda: client.chat.completions.create(**long))
    assert "context" in str(error)


def too_long_stream() -> None:
    long = ASKED | {"messages": [{"role": "user", "content": LONG}], "stream": True}
    error = raises(openai.BadRequestError, lambda: list(client.chat.completions.create(**long)))
    assert "context" in str(error)


def unknown_model() -> None:
    unknown = ASKED | {"model": "no-such-model"}
    raises(openai.NotFoundError, lambda: client.chat.completions.create(**unknown))


def wrong_value() -> None:
    wrong = ASKED | {"messages": "hello"}
    raises(openai.BadRequestError, lambda: client.chat.completions.create(**wrong))


report(
    chat=chat,
    chat_without_max_tokens=chat_without_a_number,
    stream=stream,
    asynchronous_stream=asynchronous,
    parse=parse,
    tool=tool,
    tool_stream=tool_stream,
    tool_history=tool_history,
    system_message_last=system_last,
    responses=responses,
    responses_stream=responses_stream,
    responses_parse=responses_parse,
    completions=completions,
    models=models,
    error_context=too_long,
    error_context_stream=too_long_stream,
    error_model=unknown_model,
    error_value=wrong_value,
)
