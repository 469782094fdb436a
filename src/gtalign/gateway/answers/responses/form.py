"""A response as an object: its request, its output items and its tokens."""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.gateway.answers.blocks import Block, End
from gtalign.gateway.answers.translation import Translation

_PREFIX: Final[Mapping[str, str]] = {
    "reasoning": "rs",
    "text": "msg",
    "refusal": "msg",
    "call": "fc",
}
_REASONS: Final[Mapping[End, str | None]] = {
    "end": None,
    "length": "max_output_tokens",
    "filter": "content_filter",
}
"""Why a response is incomplete, by the end of a chat; None if it is complete."""

_ECHOED: Final[Mapping[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what it says where the request says nothing."""


def status_of(end: End) -> str:
    """The status of a response that is over for this reason."""
    return "completed" if _REASONS[end] is None else "incomplete"


def response_of(
    translation: Translation,
    *,
    status: str,
    output: list[dict[str, Any]],
    error: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A response.

    Args:
        translation: Its request, and its answer so far.
        status: How it stands.
        output: Its items so far.
        error: Why it failed.
    """
    body, blocks = translation.body, translation.blocks
    reason = _REASONS[blocks.end] if status == "incomplete" else None
    response: dict[str, Any] = {
        **blocks.more,
        "id": translation.id,
        "object": "response",
        "created_at": translation.created,
        "status": status,
        "error": error,
        "incomplete_details": None if reason is None else {"reason": reason},
        "model": translation.model,
        "output": output,
        "previous_response_id": None,
        "background": False,
        "store": False,
        "usage": None if blocks.usage is None else _usage(blocks.usage),
    }
    for name, default in _ECHOED.items():
        given = body.get(name)
        response[name] = default if given is None else given
    if blocks.about is not None:
        response["gtalign"] = blocks.about
    return response


def item_of(id: str, block: Block, status: str) -> dict[str, Any]:
    """The output item of a block, with all of its text.

    Args:
        id: Id of the response.
        block: The block.
        status: How the item stands.
    """
    item: dict[str, Any] = {"id": item_id(id, block), "status": status}
    if block.kind == "call":
        call = {"call_id": block.call_id, "name": block.name, "arguments": block.text}
        return item | {"type": "function_call"} | call
    content = [part_of(block, block.text)]
    if block.kind == "reasoning":
        return item | {"type": "reasoning", "summary": [], "content": content}
    return item | {"type": "message", "role": "assistant", "content": content}


def item_id(id: str, block: Block) -> str:
    """The id of a block's item, made of the response's."""
    return f"{_PREFIX[block.kind]}_{id.rpartition('_')[2]}_{block.number}"


def part_of(block: Block, text: str) -> dict[str, Any]:
    """The one part of an item's content, with a text."""
    if block.kind == "reasoning":
        return {"type": "reasoning_text", "text": text}
    if block.kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Mapping[str, Any]) -> dict[str, Any] | None:
    """The tokens of a response; None where the engine does not count those of the prompt."""
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(read) is not int or type(written) is not int:
        return None
    # The interface has no way to say that the parts are unknown: there they are none.
    of_read = usage.get("prompt_tokens_details") or {}
    of_written = usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0} | _counts(of_read),
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0} | _counts(of_written),
        "total_tokens": read + written,
    }


def _counts(details: Any) -> dict[str, int]:
    items = details.items() if isinstance(details, dict) else ()
    return {name: count for name, count in items if type(count) is int}
