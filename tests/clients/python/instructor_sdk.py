"""Instructor, with ``response_model``."""

from typing import Any

import instructor
import openai
from report import BASE, KEY, LONG, MESSAGES, MODEL, TOKENS, Fact, raises, report

own = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)
ASKED: Any = {
    "model": MODEL,
    "messages": MESSAGES,
    "max_tokens": TOKENS,
    "temperature": 0,
    "max_retries": 0,
}


def model(mode: instructor.Mode) -> None:
    answer = instructor.from_openai(own, mode=mode).create(**ASKED, response_model=Fact)
    assert isinstance(answer, Fact)


def stream() -> None:
    client = instructor.from_openai(own, mode=instructor.Mode.JSON_SCHEMA)
    parts = list(client.create_partial(**ASKED, response_model=Fact))
    Fact.model_validate(parts[-1].model_dump())


def chat() -> None:
    answer = instructor.from_openai(own).create(**ASKED, response_model=None)
    assert answer.choices[0].message.content


def too_long() -> None:
    long = ASKED | {"messages": [{"role": "user", "content": LONG}], "response_model": Fact}
    client = instructor.from_openai(own, mode=instructor.Mode.JSON_SCHEMA)
    error = raises(Exception, lambda: client.create(**long))  # its own, or that of OpenAI's client
    assert "context" in str(error)


report(
    chat=chat,
    stream_partial=stream,
    response_model_json_schema=lambda: model(instructor.Mode.JSON_SCHEMA),
    response_model_json=lambda: model(instructor.Mode.JSON),
    response_model_tools=lambda: model(instructor.Mode.TOOLS),
    error_context=too_long,
)
