"""Pydantic-AI: agents with tools."""

import asyncio

from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from report import BASE, KEY, LONG, MODEL, QUESTION, TOKENS, Fact, raises, report

provider = OpenAIProvider(base_url=BASE, api_key=KEY)
model = OpenAIChatModel(MODEL, provider=provider)
settings = ModelSettings(max_tokens=TOKENS, temperature=0.0)


def chat() -> None:
    assert Agent(model, model_settings=settings).run_sync(QUESTION).output


def stream() -> None:
    async def ask() -> str:
        async with Agent(model, model_settings=settings).run_stream(QUESTION) as answer:
            return "".join([piece async for piece in answer.stream_text(delta=True)])

    assert asyncio.run(ask())


def responses() -> None:
    own = OpenAIResponsesModel(MODEL, provider=provider)
    assert Agent(own, model_settings=settings).run_sync(QUESTION).output


def tool() -> None:
    agent = Agent(model, output_type=ToolOutput(Fact), model_settings=settings, retries=0)
    assert isinstance(agent.run_sync(QUESTION).output, Fact)


def native() -> None:
    agent = Agent(model, output_type=NativeOutput(Fact), model_settings=settings, retries=0)
    assert isinstance(agent.run_sync(QUESTION).output, Fact)


def function() -> None:
    """The model is made to call a function, and reads what came of it."""
    asked = []
    agent = Agent(model, output_type=NativeOutput(Fact), model_settings=settings)

    @agent.tool_plain
    def capital(country: str) -> str:
        """Look up the capital of a country."""
        asked.append(country)
        return "Paris"

    assert isinstance(agent.run_sync(QUESTION).output, Fact)


def too_long() -> None:
    agent = Agent(model, model_settings=settings)
    error = raises(ModelHTTPError, lambda: agent.run_sync(LONG))
    assert error.status_code == 400
    assert "context" in str(error)


report(
    chat=chat,
    stream=stream,
    responses=responses,
    tool_output=tool,
    native_output=native,
    function_tool=function,
    error_context=too_long,
)
