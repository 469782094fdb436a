"""Read a request for an answer field by field; an error names the field and the reason."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gtalign.gateway.errors import APIError
from gtalign.gateway.http.client import read_object
from gtalign.steering import Sampling
from gtalign.steering.http import OWNED
from gtalign.tasks import Message

_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
OBSERVED: Final = "observe"
"""Why a request is passed through whose answer is only observed."""

_NAMED: Final = ("temperature", "top_p", "top_k", "seed")
_MESSAGES: Final = 2048
_NAME: Final = 200  # characters of a model's name
_STOPS: Final = 16
_SEED: Final = 2**63

_READ: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "n", "temperature", "top_p", "top_k"),
        *("seed", "stop", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"),
    }
)
# What changes no answer here: who asks, what for, and fields that say "as always".
_WITHOUT_EFFECT: Final = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"),
        *("parallel_tool_calls", "tool_choice", "function_call", "tools", "functions"),
        *("response_format", "modalities", "reasoning_effort", "verbosity"),
    }
)


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """A request for an answer: a chat completion, or a plain one.

    Args:
        body: All of it, as it came.
        model: The model's name, as it came: perhaps with a policy behind it.
        messages: The conversation; empty where the request is passed through.
        sampling: How tokens are drawn.
        max_tokens: Most tokens to write.
        stop: Strings that end the response.
        n: Number of answers.
        stream: Whether they come as a stream.
        include_usage: Whether the stream ends with the usage.
        passes: Why the request is passed through untouched; None if it is steered.
        named: The names of those parameters of `sampling` that the body gives.
    """

    body: Mapping[str, Any]
    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...]
    n: int
    stream: bool
    include_usage: bool
    passes: str | None
    named: frozenset[str] = frozenset()


def read_model(body: Mapping[str, Any]) -> str:
    """The model's name.

    Raises:
        APIError: It is missing or no name (400).
    """
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= _NAME or not model.isprintable():
        raise _wrong("model", f"the name of a model, up to {_NAME} characters")
    return model


def read_chat(raw: bytes, *, max_tokens: int, choices: int) -> AnswerRequest:
    """Read a request.

    Args:
        raw: Its body.
        max_tokens: Most tokens that it may ask for, and what it gets if it asks for no number.
        choices: Most answers that it may ask for.

    Raises:
        APIError: It is wrong; the message names the field and says what would be right (400).
    """
    body = read_object(raw)
    model = read_model(body)
    stream = _flag(body, "stream")
    options = body.get("stream_options")
    if options is not None and not (stream and isinstance(options, dict)):
        raise _wrong("stream_options", "an object, and only with stream: true")
    include_usage = _flag(options or {}, "include_usage", "stream_options.include_usage")
    passes = _reason_to_pass(body)
    if passes is not None:
        return _passed(body, passes, max_tokens=max_tokens, choices=choices)
    if body.get("logprobs") or body.get("top_logprobs"):
        why = "cannot be had of a steered answer: part of its text is not the model's own"
        raise _unsupported("logprobs", f"logprobs {why}; leave them out")
    n = _whole(body, "n", 1, 1, choices)
    if stream and n > 1:
        raise _wrong("n", "1 where the answer is streamed")
    limit = "max_completion_tokens" if body.get("max_completion_tokens") else "max_tokens"
    return AnswerRequest(
        body=body,
        model=model,
        messages=_messages(body.get("messages")),
        sampling=_sampling(body),
        max_tokens=_whole(body, limit, max_tokens, 1, max_tokens),
        stop=_stop(body.get("stop")),
        n=n,
        stream=stream,
        include_usage=include_usage,
        passes=None,
        named=_named(body),
    )


def read_observed(raw: bytes, *, max_tokens: int, choices: int) -> AnswerRequest:
    """Read a chat that is passed through and observed: whatever the engine takes is right.

    Its messages are read where a chain could be asked for; else there are none. Arguments and
    errors are those of `read_chat`.
    """
    body = read_object(raw)
    why = _reason_to_pass(body) or OBSERVED
    request = _passed(body, why, max_tokens=max_tokens, choices=choices)
    if why != OBSERVED:
        return request
    try:
        asked = {key: value for key, value in body.items() if key in _READ}
        messages, sampling = _messages(body.get("messages")), _sampling(asked)
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

    Here it is only seen that it asks for no more tokens and answers than it may.
    """
    model = read_model(body)
    for name in ("max_tokens", "max_completion_tokens"):
        _whole(body, name, 1, 0, max_tokens)
    for name in ("n", "best_of"):
        _whole(body, name, 1, 1, choices)
    return AnswerRequest(
        body=body,
        model=model,
        messages=(),
        sampling=Sampling(),
        max_tokens=max_tokens,
        stop=(),
        n=1,
        stream=bool(body.get("stream")),
        include_usage=False,
        passes=why,
    )


def _wrong(param: str, right: str) -> APIError:
    return APIError(400, f"{param!r} has to be {right}", code="invalid_value", param=param)


def _unsupported(param: str, why: str) -> APIError:
    told = f"{why}, or ask the model server itself"
    return APIError(400, told, code="unsupported", param=param)


def _flag(body: Mapping[str, Any], name: str, param: str | None = None) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(param or name, "true or false")
    return bool(value)


def _whole(body: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _wrong(name, f"a whole number from {low} to {high}")
    return value


def _number(body: Mapping[str, Any], name: str, high: float) -> float:
    value = body.get(name)
    if value is None:
        return 1.0
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or not 0 <= value <= high:
        raise _wrong(name, f"a number from 0 to {high:g}")
    return float(value)


def _sampling(body: Mapping[str, Any]) -> Sampling:
    top_p = _number(body, "top_p", 1.0)
    if top_p == 0:
        raise _wrong("top_p", "more than 0, and at most 1")
    seed = None
    if body.get("seed") is not None:
        seed = _whole(body, "seed", 0, -_SEED, _SEED - 1)
    known = _READ | _WITHOUT_EFFECT
    extra = {key: v for key, v in body.items() if key not in known and v is not None}
    taken = min(OWNED.intersection(extra), default=None)
    if taken is not None:
        why = "cannot be set for a steered answer: steering decides how its parts are written"
        raise _unsupported(taken, f"{taken!r} {why}; leave it out")
    return Sampling(
        temperature=_number(body, "temperature", 2.0),
        top_p=top_p,
        top_k=_whole(body, "top_k", 0, 0, 1_000_000),
        seed=seed,
        extra=extra,
    )


def _named(body: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name in _NAMED if body.get(name) is not None)


def _stop(value: Any) -> tuple[str, ...]:
    given = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(given, list) or len(given) > _STOPS:
        raise _wrong("stop", f"a text or a list of up to {_STOPS} texts")
    if not all(isinstance(text, str) and 0 < len(text) <= 1000 for text in given):
        raise _wrong("stop", "texts of 1 to 1000 characters")
    return tuple(given)


def _messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MESSAGES:
        raise _wrong("messages", f"a list of 1 to {_MESSAGES} messages")
    read = []
    for number, message in enumerate(value):
        param = f"messages.{number}"
        if not isinstance(message, dict):
            raise _wrong(param, "an object with role and content")
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise _wrong(f"{param}.role", f"one of {', '.join(_ROLES)}")
        read.append(Message(role=_ROLES[role], content=_content(message.get("content"), param)))
    if read[-1]["role"] != "user":
        raise _wrong(f"messages.{len(read) - 1}.role", "user: the last message is what is answered")
    return tuple(read)


def _content(value: Any, param: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        texts = [part.get("text") if isinstance(part, dict) else None for part in value]
        if all(isinstance(text, str) for text in texts):
            return "".join(str(text) for text in texts)
    raise _wrong(f"{param}.content", "a text, or a list of parts of type text")


def _reason_to_pass(body: Mapping[str, Any]) -> str | None:
    """Why a request is none for steering: it wants what a chain cannot give."""
    for name in ("tools", "functions"):
        if body.get(name):
            return name
    form = body.get("response_format")
    if form is not None and not (isinstance(form, dict) and form.get("type") == "text"):
        return "response_format"
    if body.get("modalities") not in (None, ["text"]):
        return "modalities"
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        role, content = message.get("role"), message.get("content")
        if role in ("tool", "function") or message.get("tool_calls"):
            return "tools"
        for part in content if isinstance(content, list) else []:
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind != "text":
                return "images" if "image" in kind else "other media"
    return None
