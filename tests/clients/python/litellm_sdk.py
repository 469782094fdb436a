"""LiteLLM, which makes exceptions of its own of the errors of engines."""

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches prices from elsewhere

import litellm
from report import BASE, KEY, LONG, MESSAGES, MODEL, QUESTION, TOKENS, Fact, raises, report

AT: Any = {"model": f"openai/{MODEL}", "api_base": BASE, "api_key": KEY, "temperature": 0}
ASKED: Any = {**AT, "messages": MESSAGES, "max_tokens": TOKENS}


def chat() -> None:
    answer = litellm.completion(**ASKED)
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens > 0


def stream() -> None:
    chunks = list(litellm.completion(**ASKED, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def responses() -> None:
    answer = litellm.responses(**AT, input=QUESTION, max_output_tokens=TOKENS)
    assert answer.output[0].content[0].text


def structured() -> None:
    answer = litellm.completion(**ASKED, response_format=Fact)
    Fact.model_validate_json(answer.choices[0].message.content)


def too_long() -> None:
    long = ASKED | {"messages": [{"role": "user", "content": LONG}]}
    raises(litellm.ContextWindowExceededError, lambda: litellm.completion(**long))


report(
    chat=chat,
    stream=stream,
    responses=responses,
    response_format=structured,
    error_context=too_long,
)
