"""Read a request for an answer field by field; an error names the field and the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gtalign.chain import Tools
from gtalign.gateway.answers.fields import READ, extra_of
from gtalign.gateway.answers.messages import read_messages, reason_to_pass
from gtalign.gateway.answers.structure import FORM, read_schema
from gtalign.gateway.answers.tools import TOOLS, read_tools
from gtalign.gateway.answers.values import flag, number, own_whole, table, whole, wrong
from gtalign.gateway.errors import APIError, Unsteerable
from gtalign.gateway.http.client import read_object
from gtalign.steering import Sampling
from gtalign.tasks import Message

OBSERVED: Final = "observe"
"""Why a request is passed through whose answer is only observed."""

_NAMED: Final = ("temperature", "top_p", "top_k", "seed")
_NAME: Final = 200  # characters of a model's name
_STOPS: Final = 16
_SEED: Final = 2**63


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """A request for an answer: a chat completion, or a plain one.

    Args:
        body: All of it, as it came.
        model: The model's name, as it came: perhaps with a policy behind it; empty if the request
            leaves the choice to the gateway.
        messages: The conversation; empty where the request is passed through.
        sampling: How tokens are drawn.
        max_tokens: Most tokens to write; None if the request names no number.
        stop: Strings that end the response.
        n: Number of answers.
        stream: Whether they come as a stream.
        include_usage: Whether the stream ends with the usage.
        passes: Why the request is passed through untouched; None if it is steered.
        named: The names of those parameters of `sampling` that the body gives.
        schema: The JSON Schema of the answer; None for an answer in words.
        tools: The tools that the answer may call; None if there are none.
        refusal: What is wrong with a request that is passed through, where nobody else is there to
            answer it; None if nothing is.
    """

    body: Mapping[str, Any]
    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    max_tokens: int | None
    stop: tuple[str, ...]
    n: int
    stream: bool
    include_usage: bool
    passes: str | None
    named: frozenset[str] = frozenset()
    schema: Mapping[str, Any] | None = None
    tools: Tools | None = None
    refusal: APIError | None = None

    @classmethod
    def passing(
        cls, body: Mapping[str, Any], model: str, passes: str, refusal: APIError | None = None
    ) -> "AnswerRequest":
        """Return a request that is passed through, of which nothing else is read."""
        return cls(
            body=body,
            model=model,
            messages=(),
            sampling=Sampling(),
            max_tokens=None,
            stop=(),
            n=1,
            stream=bool(body.get("stream")),
            include_usage=False,
            passes=passes,
            refusal=refusal,
        )


def read_model(body: Mapping[str, Any]) -> str:
    """The model's name; empty if there is none.

    Raises:
        APIError: It is no name (400).
    """
    model = body.get("model")
    if model is None or model == "":
        return ""
    if not isinstance(model, str) or len(model) > _NAME or not model.isprintable():
        raise wrong("model", f"the name of a model, up to {_NAME} characters")
    return model


def read_chat(raw: bytes, *, max_tokens: int, choices: int) -> AnswerRequest:
    """Read a request. What cannot be steered is to be passed through, if an engine may take it.

    Args:
        raw: Its body.
        max_tokens: Most tokens that it may ask for.
        choices: Most answers that it may ask for.

    Raises:
        APIError: It is wrong; the message names the field and says what would be right (400).
    """
    body = read_object(raw)
    read_model(body)
    passes = _reason_to_pass(body)
    if passes is not None:
        return _passed(body, passes, max_tokens=max_tokens, choices=choices)
    try:
        return _steered(body, max_tokens=max_tokens, choices=choices)
    except Unsteerable as error:
        request = _passed(body, error.why, max_tokens=max_tokens, choices=choices)
        return replace(request, refusal=error)


def read_observed(raw: bytes, *, max_tokens: int, choices: int) -> AnswerRequest:
    """Read a chat that is passed through and observed: whatever the engine takes is right.

    Its messages are read where a chain could be asked for; else there are none. Arguments and
    errors are those of `read_chat`.
    """
    body = read_object(raw)
    why = _reason_to_pass(body) or _unlike_words(body) or OBSERVED
    request = _passed(body, why, max_tokens=max_tokens, choices=choices)
    if why != OBSERVED:
        return request
    try:
        asked = {key: value for key, value in body.items() if key in READ}
        messages, sampling = read_messages(body.get("messages")), _sampling(asked)
    except APIError:
        return request
    return replace(request, messages=messages, sampling=sampling)


def read_completion(raw: bytes, *, max_tokens: int, choices: int) -> AnswerRequest:
    """Read a request for a plain completion, which is passed through: it has no turn to steer.

    Arguments and errors are those of `read_chat`.
    """
    return _passed(read_object(raw), "completions", max_tokens=max_tokens, choices=choices)


def _passed(body: Mapping[str, Any], why: str, *, max_tokens: int, choices: int) -> AnswerRequest:
    """Return a request that the engine reads for itself.

    Here it is only seen that it asks for no more tokens and answers than it may; -1 stands for
    no number.
    """
    model = read_model(body)
    for name in ("max_tokens", "max_completion_tokens", "n_predict"):
        whole(body, name, -1, max_tokens)
    for name, low in (("n", 1), ("n_cmpl", 0), ("best_of", 0)):
        whole(body, name, low, choices)
    return AnswerRequest.passing(body, model, why)


def _steered(body: Mapping[str, Any], *, max_tokens: int, choices: int) -> AnswerRequest:
    """Return a request that is steered.

    Raises:
        Unsteerable: It cannot be; an engine may take it.
    """
    stream = flag(body, "stream")
    options = table(body, "stream_options")
    include_usage = flag(options, "include_usage", "stream_options.include_usage")
    if body.get("logprobs") or body.get("top_logprobs"):
        why = "cannot be had of a steered answer: part of its text is not the model's own"
        told = f"logprobs {why}; leave them out, or ask the model server itself"
        raise Unsteerable("logprobs", told, param="logprobs")
    n = whole(body, "n", 1, choices) or 1
    if stream and n > 1:
        raise Unsteerable("n", "'n' has to be 1 where the answer is streamed", param="n")
    limit = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
    most = whole(body, limit, -1, max_tokens)
    schema = read_schema(body.get(FORM))
    return AnswerRequest(
        body=body,
        model=read_model(body),
        messages=read_messages(body.get("messages")),
        sampling=_sampling(body),
        max_tokens=None if most == -1 else own_whole(body, limit, 1, max_tokens),
        stop=_stop(body.get("stop")),
        n=n,
        stream=stream,
        include_usage=stream and include_usage,
        passes=None,
        named=frozenset(name for name in _NAMED if body.get(name) is not None),
        schema=schema,
        tools=read_tools(body, schema),
    )


def _sampling(body: Mapping[str, Any]) -> Sampling:
    top_p = number(body, "top_p", 1.0)
    if top_p == 0:
        raise Unsteerable("top_p", "'top_p' has to be more than 0, and at most 1", param="top_p")
    top_k = own_whole(body, "top_k", -1, 1_000_000)
    seed = own_whole(body, "seed", -_SEED, _SEED - 1)
    return Sampling(
        temperature=number(body, "temperature", 2.0),
        top_p=top_p,
        top_k=0 if top_k in (None, -1) else top_k,  # -1 as vLLM and SGLang write it
        seed=None if seed == -1 else seed,  # as llama.cpp and vLLM do
        extra=extra_of(body),
    )


def _stop(value: Any) -> tuple[str, ...]:
    given = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise wrong("stop", f"a text or a list of up to {_STOPS} texts")
    if len(given) > _STOPS or not all(0 < len(text) <= 1000 for text in given):
        told = f"'stop' has to be up to {_STOPS} texts of 1 to 1000 characters"
        raise Unsteerable("stop", told, param="stop")
    return tuple(given)


def _unlike_words(body: Mapping[str, Any]) -> str | None:
    """The field by which the answer may be something else than text; None if it is text."""
    if body.get(TOOLS):
        return TOOLS
    form = body.get(FORM)
    words = form is None or (isinstance(form, dict) and form.get("type") == "text")
    return None if words else FORM


def _reason_to_pass(body: Mapping[str, Any]) -> str | None:
    """Why a request is none for steering: it wants what a chain cannot give."""
    if body.get("functions"):
        return "functions"
    if body.get("modalities") not in (None, ["text"]):
        return "modalities"
    return reason_to_pass(body.get("messages"))
