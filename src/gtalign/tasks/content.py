"""What a chat message says, in any of the forms that servers and logs give it.

``content`` (or ``parts``, ``value``) is text, null, or a list of parts: those of OpenAI, Anthropic
and Mistral have a type (``text``, ``output_text``, ``refusal``, ``thinking``, ``reasoning``), those
of Gemini and Bedrock a key (``text``, ``thought``, ``reasoningContent``). Parts that hold no words,
such as pictures and hidden reasoning, are passed over. A refusal may be a field of its own, and so
may reasoning (``reasoning_content``, ``reasoning`` or ``thinking``). Calls of tools are a field
(``tool_calls``, ``function_call``) or parts (``tool_use``, ``functionCall``).
"""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

from gtalign.errors import DataError

CONTENTS: Final = ("content", "parts", "value")
"""The fields that hold what a message says."""
_TEXTS: Final = (None, "text", "input_text", "output_text")
_REASONING: Final = ("thinking", "reasoning", "thought", "reasoning_text", "summary_text")
_FIELDS: Final = (
    *("reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_blocks"),
)
_WORDS: Final = ("text", "summary", "content", "value")
_CALLS: Final = ("tool_use", "tool_call", "tool-call", "function_call", "custom_tool_call")
_CALL_KEYS: Final = ("functionCall", "function_call", "toolUse")
_SILENT: Final = (
    *_CALL_KEYS,
    *("functionResponse", "function_response", "toolResult", "inlineData", "inline_data"),
    *("fileData", "file_data", "executableCode", "executable_code", "codeExecutionResult"),
    *("code_execution_result", "image", "document", "video", "audio", "cachePoint"),
    *("guardContent", "thoughtSignature", "thought_signature", "thought"),
)
"""Keys of the parts of Gemini and Bedrock that hold no words."""


class Content(NamedTuple):
    """The words of a message, by kind; each is empty where there are none.

    Args:
        text: What it says.
        refusal: What it says instead, as a refusal.
        reasoning: What its author thought before.
        calls: The tools that it calls, each with its ``name`` and ``arguments``.
    """

    text: str
    refusal: str
    reasoning: str
    calls: tuple[Mapping[str, Any], ...] = ()

    @property
    def said(self) -> str:
        """What the reader of the message sees: its text and its refusal."""
        return "\n".join(filter(None, (self.text, self.refusal)))


def read_content(message: Mapping[str, Any]) -> Content:
    """Return the words of a message.

    Args:
        message: An object with ``content``, as in OpenAI's interfaces, Gemini's ``parts`` or
            ShareGPT's ``value``.

    Raises:
        DataError: The content is neither text, null nor a list of parts, or a part lacks its text.
    """
    said: dict[str, list[str]] = {"text": [], "refusal": [], "reasoning": []}
    content = next((message[key] for key in CONTENTS if key in message), None)
    if isinstance(content, Mapping) and isinstance(content.get("parts"), list):
        content = content["parts"]
    for kind, text in _parts(content):
        said[kind].append(text)
    if isinstance(message.get("refusal"), str):
        said["refusal"].append(message["refusal"])
    beside = message.get("additional_kwargs")  # of LangChain
    fields = {**beside, **message} if isinstance(beside, Mapping) else message
    thoughts = (_thought(fields.get(key)) for key in _FIELDS)
    thought = next(filter(None, thoughts), "") or _detailed(fields.get("reasoning_details"))
    if thought and thought not in said["reasoning"]:
        said["reasoning"].append(thought)
    texts = {kind: "\n".join(filter(None, found)) for kind, found in said.items()}
    return Content(**texts, calls=tuple(_calls(message, content)))


def read_truth(value: Any, name: str) -> str:
    """Return a ground truth from outside: text as it is, null as none (empty).

    Anything else is kept as JSON text, so a structured one stays structured. Not-a-number is null,
    as data frames write it.

    Args:
        value: The value of its column.
        name: Name of the column, for the error.

    Raises:
        DataError: It holds a number that is not finite; the message names the column.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    check_finite(value, name)
    value = _without_nan(value)
    if value is None:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise DataError(f"column {name!r} has to be text, null or a JSON value") from None


def _without_nan(value: Any) -> Any:
    """Return a value with null in place of every not-a-number."""
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value


def check_finite(value: Any, name: str) -> None:
    """Check that a value from outside holds no number that a float cannot hold.

    Args:
        value: Objects and lists are looked into.
        name: Name of its column, for the error.

    Raises:
        DataError: A number in it is infinite, or too large for a float; the message names its
            place. (NaN stands for an unknown number and is let through.)
    """
    pending = [(value, name)]
    while pending:
        inner, at = pending.pop()
        if isinstance(inner, Mapping):
            pending += [(one, f"{at}.{key}") for key, one in inner.items()]
        elif isinstance(inner, list | tuple):
            pending += [(one, f"{at}.{number}") for number, one in enumerate(inner)]
        elif isinstance(inner, int | float) and not _fits(inner):
            raise DataError(f"column {at!r} has to be a number that is finite and fits a float")


def _fits(number: float) -> bool:
    try:
        value = float(number)
    except OverflowError:
        return False
    return isfinite(value) or value != value


def _parts(content: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each part that holds words."""
    if content is None:
        return
    if isinstance(content, str):
        yield "text", content
        return
    parts = [content] if isinstance(content, Mapping) else content
    if not isinstance(parts, list | tuple):
        raise DataError("has to have text 'content' or a list of parts")
    for part in parts:
        if isinstance(part, str):
            yield "text", part
            continue
        if not isinstance(part, Mapping):
            raise DataError("has to have text 'content' or a list of parts")
        kind = part.get("type")
        if kind in _REASONING or part.get("thought") or "reasoningContent" in part:
            yield "reasoning", _thought(part)
        elif kind in _TEXTS:
            if kind is not None or "text" in part or not any(key in part for key in _SILENT):
                yield "text", _words(part, "text")
        elif kind == "refusal":
            yield "refusal", _words(part, "refusal")


def _calls(message: Mapping[str, Any], content: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the calls of tools, in any of the forms that servers give them."""
    listed = message.get("tool_calls")
    found = [*(listed if isinstance(listed, list) else ()), message.get("function_call")]
    parts = [p for p in content if isinstance(p, Mapping)] if isinstance(content, list) else []
    found += [part for part in parts if part.get("type") in _CALLS]
    found += [part[key] for part in parts for key in _CALL_KEYS if key in part]
    for call in found:
        if isinstance(call, Mapping):
            inner = call.get("function")
            named = inner if isinstance(inner, Mapping) else call
            given = (named[key] for key in ("arguments", "input", "args") if key in named)
            name = named.get("name", named.get("toolName", inner))
            yield {"name": name, "arguments": next(given, None)}


def _words(part: Mapping[str, Any], key: str) -> str:
    """The words of a part: under its own key or ``text``, in a ``value`` beside annotations."""
    text = part.get(key, part.get("text"))
    if isinstance(text, Mapping):
        text = text.get("value")
    if not isinstance(text, str):
        raise DataError(f"has a part without its text {key!r}")
    return text


def _detailed(details: Any) -> str:
    """The text of OpenRouter's ``reasoning_details``; empty where it is hidden or not there."""
    listed = details if isinstance(details, list) else ()
    found = (d.get("text") or d.get("summary") for d in listed if isinstance(d, Mapping))
    return "".join(text for text in found if isinstance(text, str))


def _thought(given: Any) -> str:
    """The reasoning in a field or a part, which some servers give as parts of its own.

    Empty where it is hidden, or there is none.
    """
    if isinstance(given, str):
        return given
    if isinstance(given, list | tuple):
        return "\n".join(filter(None, map(_thought, given)))
    if not isinstance(given, Mapping):
        return ""
    nested = given.get("reasoningContent", given.get("reasoningText"))
    if isinstance(nested, Mapping):
        return _thought(nested)
    keys = ("summary",) if given.get("redacted") else (*_FIELDS, "thought", *_WORDS)
    return next(filter(None, (_thought(given.get(key)) for key in keys)), "")
