"""Between a message in Anthropic's form and a chat: the request, the answer, and its events."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import orjson

from gtalign.gateway.answers.anthropic.errors import error_of
from gtalign.gateway.answers.anthropic.read import read_message
from gtalign.gateway.answers.blocks import Block, End
from gtalign.gateway.answers.translation import Translation, event

_REASONS: Final[Mapping[End, str]] = {
    "end": "end_turn",
    "length": "max_tokens",
    "filter": "refusal",
}
"""Why a message ended, by the end of a chat."""

_DELTAS: Final[Mapping[str, tuple[str, str]]] = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "call": ("input_json_delta", "partial_json"),
}


class MessagesTranslation(Translation):
    """One request for a message, and the answer to it."""

    path: ClassVar[str] = "/v1/messages"
    limit: ClassVar[str] = "max_tokens"
    names: ClassVar[Mapping[str, str]] = {
        "stop": "stop_sequences",
        "reasoning_effort": "output_config.effort",
        "response_format": "output_config.format",
    }

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self._begun = False
        self._open: Block | None = None
        self._late: dict[str, Any] = {}  # what else the engine said at the end

    def headers(self) -> dict[str, str]:
        """The request's id, under the name by which Anthropic's clients read it."""
        return {"request-id": self.request_id}

    def chat(self) -> dict[str, Any]:
        """Return the request as the body of a chat."""
        return read_message(self.body, self.origins)

    def whole(self) -> dict[str, Any]:
        """Return the message."""
        blocks = self.blocks
        written = blocks.all
        if blocks.end == "length" and written and not _is_whole(written[-1]):
            written = written[:-1]  # a call that was cut off is none
        content = [_content(block, block.text) for block in written]
        return self._message(content, self._stop(), self._usage())

    def events(self, value: Any) -> Iterator[bytes]:
        """Yield the events of a chunk."""
        yield from self._start()
        blocks, told = self.blocks, False
        for block, text in blocks.take(value):
            if block is not self._open:
                yield from self._closed()
                self._open = block
                empty = _content(block, "")
                yield self._event("content_block_start", index=block.number, content_block=empty)
            if text:
                kind, name = _DELTAS[block.kind]
                delta = {"type": kind, name: text}
                place = {"index": block.number, "delta": delta}
                yield self._event("content_block_delta", blocks.news, **place)
                told = True
        if blocks.finish is not None:
            self._late |= blocks.news
        elif blocks.news and not told:
            yield self._event("ping", blocks.news)

    def ended(self) -> Iterator[bytes]:
        """Yield the events that end the message."""
        if self.blocks.finish is None:
            raise ValueError("a stream without a finish_reason")
        stop = self._stop()
        yield from self._closed()
        about = {} if self.blocks.about is None else {"gtalign": self.blocks.about}
        usage = self._usage()
        yield self._event("message_delta", self._late, delta=stop, usage=usage, **about)
        yield self._event("message_stop")

    def broken(self, error: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the event of the error; nothing closes what it broke off."""
        yield from self.failed(error)

    def failed(self, error: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the event of an error."""
        yield event("error", error_of(error, request_id=self.request_id))

    def refused(self, status: int, error: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an error."""
        return error_of(error, status, request_id=self.request_id)

    def _start(self) -> Iterator[bytes]:
        """The first event, before any other; the last one says how many tokens were read."""
        if not self._begun:
            self._begun = True
            stop = {"stop_reason": None, "stop_sequence": None}
            message = self._message([], stop, {"input_tokens": 0, "output_tokens": 0})
            yield self._event("message_start", message=message)

    def _closed(self) -> Iterator[bytes]:
        """The events that close the open block, if there is one."""
        block, self._open = self._open, None
        if block is None:
            return
        if block.kind == "reasoning":
            delta = {"type": "signature_delta", "signature": ""}
            yield self._event("content_block_delta", index=block.number, delta=delta)
        yield self._event("content_block_stop", index=block.number)

    def _message(
        self, content: list[dict[str, Any]], stop: Mapping[str, Any], usage: Mapping[str, Any]
    ) -> dict[str, Any]:
        about = {} if self.blocks.about is None else {"gtalign": self.blocks.about}
        message = {"id": self.id, "type": "message", "role": "assistant", "model": self.model}
        more = self.blocks.more
        return {**more, **message, "content": content, **stop, "usage": usage, **about}

    def _stop(self) -> dict[str, Any]:
        """Why the message ended."""
        blocks = self.blocks
        reason = _REASONS[blocks.end]
        if reason == "end_turn" and any(block.kind == "call" for block in blocks.all):
            reason = "tool_use"
        stop = blocks.stop if blocks.stop in (self.body.get("stop_sequences") or ()) else None
        if reason == "end_turn" and stop is not None:
            reason = "stop_sequence"
        return {"stop_reason": reason, "stop_sequence": stop}

    def _usage(self) -> dict[str, Any]:
        """The tokens of the message: those read from a cache are counted apart.

        The interface has no way to say that they are unknown: there they are none.
        """
        usage = self.blocks.usage or {}
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        cached = cached if type(cached) is int else 0
        read, written = (usage.get(f"{name}_tokens") for name in ("prompt", "completion"))
        return {
            "input_tokens": max(0, read - cached) if type(read) is int else 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": written if type(written) is int else 0,
        }

    def _event(self, name: str, more: Mapping[str, Any] = {}, /, **fields: Any) -> bytes:
        return event(name, {**more, "type": name, **fields})


def _content(block: Block, text: str) -> dict[str, Any]:
    """A block of a message, with a text.

    Raises:
        ValueError: The arguments of a call are no object.
    """
    if block.kind == "call":
        found = orjson.loads(text or "{}")
        if not isinstance(found, dict):
            raise ValueError("arguments of a tool call that are no object")
        return {"type": "tool_use", "id": block.call_id, "name": block.name, "input": found}
    if block.kind == "reasoning":
        return {"type": "thinking", "thinking": text, "signature": ""}
    return {"type": "text", "text": text}


def _is_whole(block: Block) -> bool:
    """Whether a block is one that was not cut off amid the arguments of a call."""
    if block.kind != "call":
        return True
    try:
        orjson.loads(block.text or "{}")
    except orjson.JSONDecodeError:
        return False
    return True
