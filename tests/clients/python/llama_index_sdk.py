"""LlamaIndex, by its class for servers like OpenAI's."""

import openai
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai_like import OpenAILike
from report import BASE, KEY, LONG, MODEL, QUESTION, TOKENS, Fact, raises, report


def model(functions: bool = False) -> OpenAILike:
    return OpenAILike(
        model=MODEL,
        api_base=BASE,
        api_key=KEY,
        is_chat_model=True,
        is_function_calling_model=functions,
        max_tokens=TOKENS,
        temperature=0.0,
        max_retries=0,
        context_window=2048,
    )


ASKED = [ChatMessage(role="user", content=QUESTION)]


def chat() -> None:
    assert model().chat(ASKED).message.content


def stream() -> None:
    assert "".join(piece.delta or "" for piece in model().stream_chat(ASKED))


def complete() -> None:
    assert model().complete(QUESTION).text


def structured() -> None:
    own = model(functions=True)
    answer = own.structured_predict(Fact, PromptTemplate(QUESTION), {"tool_choice": "required"})
    assert isinstance(answer, Fact)


def too_long() -> None:
    long = [ChatMessage(role="user", content=LONG)]
    error = raises(openai.BadRequestError, lambda: model().chat(long))
    assert "context" in str(error)


report(
    chat=chat,
    stream=stream,
    complete=complete,
    structured_predict=structured,
    error_context=too_long,
)
