"""The content of one event of an engine's answer, in the dialects of OpenAI's interface."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LARGEST_COUNT: Final = 10**8
"""Most tokens that an engine can say it read or wrote: more than any context holds, and so few that
sums of them fit a database."""

_FINGERPRINT: Final = 200  # characters


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens as the engine counts them; None where it does not report them.

    Args:
        tokens: Number of tokens written.
        prompt_tokens: Number of tokens before them.
        cached_tokens: How many of those before came from its cache.
    """

    tokens: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class EnginePiece:
    """One event: more text, the end, a count of tokens, or several of these.

    Args:
        text: The new text, mostly of one token.
        ids: Its tokens, where they were asked for. The text may come with a later piece, if a
            character ends there.
        finish: Why the engine stopped; None while it writes.
        usage: Tokens so far, if the engine reports them.
        beside: Whether it wrote something outside the message, such as reasoning.
        fingerprint: How the engine names itself and its settings; None if it does not.
    """

    text: str = ""
    ids: tuple[int, ...] = ()
    finish: str | None = None
    usage: TokenCounts | None = None
    beside: bool = False
    fingerprint: str | None = None


def read_completion(value: Any) -> EnginePiece:
    """Read an event of ``/v1/completions``.

    Raises:
        ValueError: It has another shape; says where.
    """
    choice, usage = _choice(value)
    if choice is None:
        return EnginePiece(usage=usage)
    return EnginePiece(
        text=_text(choice.get("text"), "text"),
        ids=_ids(choice.get("token_ids")),
        finish=_finish(choice),
        usage=usage,
        fingerprint=_fingerprint(value),
    )


def read_chat(value: Any) -> EnginePiece:
    """Read an event of ``/v1/chat/completions``, or a whole answer.

    Raises:
        ValueError: It has another shape; says where.
    """
    choice, usage = _choice(value)
    if choice is None:
        return EnginePiece(usage=usage)
    delta = choice.get("delta") or choice.get("message") or {}
    if not isinstance(delta, dict):
        raise ValueError(f"'delta' is {_kind(delta)}, not an object")
    return EnginePiece(
        text=_text(delta.get("content"), "content"),
        finish=_finish(choice),
        usage=usage,
        beside=bool(delta.get("reasoning_content") or delta.get("reasoning")),
        fingerprint=_fingerprint(value),
    )


def _choice(value: Any) -> tuple[Mapping[str, Any] | None, TokenCounts | None]:
    """The one choice of an event, if it has any, and its count of tokens."""
    if not isinstance(value, dict):
        raise ValueError(f"an event is {_kind(value)}, not an object")
    choices = value.get("choices")
    usage = _usage(value)
    if "choices" not in value and usage is None:
        raise ValueError("an event without 'choices'")
    if choices is None or choices == []:
        return None, usage
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise ValueError("'choices' is not a list of one object")
    if choices[0].get("index") not in (None, 0):
        raise ValueError(f"choice {choices[0]['index']!r}, where one was asked for")
    return choices[0], usage


def _usage(value: Mapping[str, Any]) -> TokenCounts | None:
    usage, timings = value.get("usage"), value.get("timings")
    if isinstance(timings, dict) and not usage:  # llama.cpp
        read, cached = _count(timings, "prompt_n"), _count(timings, "cache_n")
        prompt = None if read is None or cached is None else read + cached
        return TokenCounts(_count(timings, "predicted_n"), prompt, cached)
    if usage is None:
        return None
    if not isinstance(usage, dict):
        raise ValueError(f"'usage' is {_kind(usage)}, not an object")
    details = usage.get("prompt_tokens_details")
    cached = _count(details, "cached_tokens") if isinstance(details, dict) else None
    if cached is None:
        cached = _count(usage, "prompt_cache_hit_tokens")  # DeepSeek
    return TokenCounts(_count(usage, "completion_tokens"), _count(usage, "prompt_tokens"), cached)


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    count = counts.get(name)
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= LARGEST_COUNT:
        raise ValueError(f"{name!r} is {count!r}, not a number of tokens")
    return count


def _text(text: Any, name: str) -> str:
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ValueError(f"{name!r} is {_kind(text)}, not text")
    return text


def _ids(ids: Any) -> tuple[int, ...]:
    if ids is None:
        return ()
    if not isinstance(ids, list) or not all(type(i) is int and i >= 0 for i in ids):
        raise ValueError("'token_ids' is not a list of token ids")
    return tuple(ids)


def _finish(choice: Mapping[str, Any]) -> str | None:
    finish = choice.get("finish_reason")
    if finish is not None and not isinstance(finish, str):
        raise ValueError(f"'finish_reason' is {_kind(finish)}, not text")
    return finish or None


def _fingerprint(value: Mapping[str, Any]) -> str | None:
    """The engine's name for itself; none is an error of its own, because no text depends on it."""
    found = value.get("system_fingerprint")
    if not isinstance(found, str) or not 0 < len(found) <= _FINGERPRINT:
        return None
    return found if found.isascii() and found.isprintable() else None


def _kind(value: Any) -> str:
    return type(value).__name__
