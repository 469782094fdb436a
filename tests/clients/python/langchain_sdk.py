"""LangChain: ``langchain-openai``, with ``with_structured_output``."""

import openai
from langchain_core.tools import tool as as_tool
from langchain_openai import ChatOpenAI
from report import BASE, KEY, LONG, MODEL, QUESTION, TOKENS, Fact, raises, report

model = ChatOpenAI(
    model=MODEL, base_url=BASE, api_key=KEY, max_tokens=TOKENS, temperature=0, max_retries=0
)


@as_tool
def fact(city: str) -> str:
    """Record a city."""
    return city


def chat() -> None:
    answer = model.invoke(QUESTION)
    assert answer.content
    assert answer.usage_metadata["output_tokens"] > 0


def stream() -> None:
    assert "".join(chunk.content for chunk in model.stream(QUESTION))


def responses() -> None:
    own = ChatOpenAI(
        model=MODEL, base_url=BASE, api_key=KEY, max_tokens=TOKENS, use_responses_api=True
    )
    assert own.invoke(QUESTION).text


def structured() -> None:
    assert isinstance(model.with_structured_output(Fact).invoke(QUESTION), Fact)


def structured_by_tool() -> None:
    own = model.with_structured_output(Fact, method="function_calling")
    assert isinstance(own.invoke(QUESTION), Fact)


def tool() -> None:
    answer = model.bind_tools([fact], tool_choice="required", strict=True).invoke(QUESTION)
    assert answer.tool_calls[0]["name"] == "fact"


def too_long() -> None:
    error = raises(openai.BadRequestError, lambda: model.invoke(LONG))
    assert "context" in str(error)


report(
    chat=chat,
    stream=stream,
    responses=responses,
    with_structured_output=structured,
    with_structured_output_by_tool=structured_by_tool,
    tool=tool,
    error_context=too_long,
)
