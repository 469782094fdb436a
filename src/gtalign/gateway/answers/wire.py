"""Steered answers in the form of OpenAI's interface: whole, as events, and their headers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import orjson

from gtalign.gateway.answers.view import Piece
from gtalign.gateway.text import to_json, without_surrogates
from gtalign.steering import Decision

DONE: Final = b"data: [DONE]\n\n"
COMMENT: Final = b": the answer is being written\n\n"


class Chunks:
    """Writes the chunks of one answer. They differ in their delta alone, so the rest is made once.

    Args:
        id: Id of the answer.
        created: When, in seconds since 1970.
        model: The model's name as the client gave it.
        include_usage: Whether a chunk with the usage comes last; the others then say null.
        fingerprint: Of the engine; None if it has none.
    """

    def __init__(
        self,
        id: str,
        created: int,
        model: str,
        *,
        include_usage: bool,
        fingerprint: str | None = None,
    ) -> None:
        self._head = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            **_printed(fingerprint),
        }
        self._calls = 0  # so far
        self._pending: dict[str, Any] = {"usage": None} if include_usage else {}
        usage = ',"usage":null' if include_usage else ""
        head = orjson.dumps(self._head).decode().removesuffix("}")
        self._begin = f'data: {head},"choices":[{{"index":0,"delta":'.encode()
        self._end = f',"logprobs":null,"finish_reason":null}}]{usage}}}\n\n'.encode()

    def role(self) -> bytes:
        """The first chunk."""
        return b'%b{"role":"assistant","content":""}%b' % (self._begin, self._end)

    def piece(self, piece: Piece) -> bytes:
        """More of the response, or of the chain before it; or a call, whole."""
        if piece.kind == "call":
            call = {"index": self._calls, **_call(piece)}
            self._calls += 1
            return b'%b{"tool_calls":[%b]}%b' % (self._begin, to_json(call), self._end)
        name = b"content" if piece.kind == "content" else b"reasoning_content"
        return b'%b{"%b":%b}%b' % (self._begin, name, _quoted(piece.text), self._end)

    def finish(self, reason: str, stop: str | None, about: dict[str, Any]) -> bytes:
        """The chunk that ends the answer, with the stop string and what was decided about it."""
        choice = {"index": 0, "delta": {}, "logprobs": None, **_ended(reason, stop)}
        return event(self._head | {"choices": [choice], **self._pending, "gtalign": about})

    def usage(self, usage: dict[str, Any]) -> bytes:
        """The chunk with the usage."""
        return event(self._head | {"choices": [], "usage": usage})


def completion(
    id: str,
    created: int,
    model: str,
    *,
    messages: Sequence[Mapping[str, Any]],
    finishes: Sequence[tuple[str, str | None]],
    usages: Sequence[Mapping[str, Any]],
    abouts: Sequence[Mapping[str, Any]],
    fingerprint: str | None = None,
) -> bytes:
    """A whole answer, of one choice or of several.

    Args:
        id: Id of the answer.
        created: When, in seconds since 1970.
        model: The model's name as the client gave it.
        messages: Messages of each choice.
        finishes: Why each choice ended, and the stop string that ended it, if one did.
        usages: Tokens of each choice; all of them read the same prompt. Their details are kept.
        abouts: The decision about each choice.
        fingerprint: Of the engine; None if it has none.
    """
    read, written = usages[0]["prompt_tokens"], sum(u["completion_tokens"] for u in usages)
    body = {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        **_printed(fingerprint),
        "choices": [
            {"index": number, "message": message, "logprobs": None, **_ended(*finish)}
            for number, (message, finish) in enumerate(zip(messages, finishes, strict=True))
        ],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": None if read is None else read + written,
            **_details(usages),
        },
        "gtalign": abouts[0] if len(abouts) == 1 else abouts,
    }
    return to_json(body)


def message(pieces: Sequence[Piece]) -> dict[str, Any]:
    """The message of a choice, from its pieces; its content is null if it only calls tools."""
    content, reasoning = (
        "".join(piece.text for piece in pieces if piece.kind == kind)
        for kind in ("content", "reasoning")
    )
    calls = [_call(piece) for piece in pieces if piece.kind == "call"]
    found: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        found |= {"content": content or None, "tool_calls": calls}
    if reasoning:
        found["reasoning_content"] = reasoning
    return found | {"refusal": None}


def _call(piece: Piece) -> dict[str, Any]:
    """A call of a tool; some chat templates take no other ids than of nine letters and digits."""
    function = {"name": piece.name, "arguments": piece.text}
    return {"id": uuid4().hex[:9], "type": "function", "function": function}


def _printed(fingerprint: str | None) -> dict[str, str]:
    return {} if fingerprint is None else {"system_fingerprint": fingerprint}


def _ended(reason: str, stop: str | None) -> dict[str, Any]:
    """Why a choice ended, with the stop string if one ended it, as vLLM names it."""
    return {"finish_reason": reason, **({} if stop is None else {"stop_reason": stop})}


def _details(usages: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """The details of several choices: of the prompt once, of the completions together."""
    found: dict[str, dict[str, int]] = {}
    if "prompt_tokens_details" in usages[0]:
        found["prompt_tokens_details"] = dict(usages[0]["prompt_tokens_details"])
    written: dict[str, int] = {}
    for usage in usages:
        for name, count in usage.get("completion_tokens_details", {}).items():
            written[name] = written.get(name, 0) + count
    return found | ({"completion_tokens_details": written} if written else {})


def facts(decision: Decision, *, marked: bool) -> dict[str, Any]:
    """What a client learns of a decision.

    Args:
        decision: The decision.
        marked: Whether that includes whether the response obeyed.
    """
    before, after = decision.before, decision.after
    told: dict[str, Any] = {
        "steered": decision.steered,
        "reason": decision.reason,
        "before": None if before is None else before.action,
        "after": None if after is None else after.action,
        "cell": None if after is None else after.cell,
        "acted": decision.acted,
        "flipped": decision.flipped,
    }
    if marked:
        told["obeyed"] = decision.obeyed
    if decision.retry is not None:
        told["retry"] = decision.retry.to_json()
    if decision.passed:
        told["passed"] = "no chain"
    return told


def headers(about: Mapping[str, Any]) -> dict[str, str]:
    """The decision about an answer, as headers."""
    names = ("steered", "recorded", "before", "after", "obeyed", "passed")
    told = {f"x-gtalign-{name}": said(about[name]) for name in names if name in about}
    if "retry" in about:
        told["x-gtalign-served"] = about["retry"]["served"]
    return told | {"x-gtalign-added-ms": f"{about['added_ms']:g}"}


def said(value: Any) -> str:
    """A value in a header."""
    return {True: "true", False: "false", None: "none"}.get(value, str(value))


def event(value: Any) -> bytes:
    """One event with JSON data."""
    return b"data: %b\n\n" % to_json(value)


def _quoted(text: str) -> bytes:
    try:
        return orjson.dumps(text)
    except TypeError:  # a lone surrogate
        return orjson.dumps(without_surrogates(text))
