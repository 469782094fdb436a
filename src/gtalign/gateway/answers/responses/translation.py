"""Between a response and a chat: the request, the answer, and its events in their order."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from gtalign.errors import EndedError
from gtalign.gateway.answers.blocks import Block
from gtalign.gateway.answers.responses.form import (
    item_id,
    item_of,
    part_of,
    response_of,
    status_of,
)
from gtalign.gateway.answers.responses.read import read_response
from gtalign.gateway.answers.translation import Translation, event
from gtalign.gateway.errors import as_object

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning": ("response.reasoning_text", "text"),
    "call": ("response.function_call_arguments", "arguments"),
}
"""The name of the events of a kind of block, and the field of all of its text."""


class ResponsesTranslation(Translation):
    """One request for a response, and the answer to it."""

    path: ClassVar[str] = "/v1/responses"
    limit: ClassVar[str] = "max_output_tokens"
    names: ClassVar[Mapping[str, str]] = {
        "messages": "input",
        "max_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning.effort",
        "verbosity": "text.verbosity",
        "response_format": "text.format",
    }

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self._number = 0  # of the next event
        self._open: Block | None = None
        self._late: dict[str, Any] = {}  # what else the engine said at the end

    def chat(self) -> dict[str, Any]:
        """Return the request as the body of a chat."""
        return read_response(self.body, self.origins)

    def whole(self) -> dict[str, Any]:
        """Return the response, also one that failed."""
        try:
            return self._response(status_of(self.blocks.end))
        except EndedError as error:
            return self._response("failed", _why(as_object(error)))

    def events(self, value: Any) -> Iterator[bytes]:
        """Yield the events of a chunk."""
        yield from self._begun()
        blocks, told = self.blocks, False
        for block, text in blocks.take(value):
            if block is not self._open:
                yield from self._closed("completed")
                yield from self._opened(block)
            if text:
                name, _ = _TEXTS[block.kind]
                grown = {**self._place(block), **_more(block), "delta": text}
                yield self._event(f"{name}.delta", blocks.news, **grown)
                told = True
        if blocks.finish is not None:
            self._late |= blocks.news
        elif blocks.news and not told:
            response = self._response("in_progress")
            yield self._event("response.in_progress", blocks.news, response=response)

    def ended(self) -> Iterator[bytes]:
        """Yield the events that end the response."""
        if self.blocks.finish is None:
            raise ValueError("a stream without a finish_reason")
        status = status_of(self.blocks.end)
        yield from self._closed(status)
        yield self._event(f"response.{status}", self._late, response=self._response(status))

    def broken(self, error: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the events that end a response that failed."""
        yield from self._begun()
        yield from self._closed("incomplete")
        yield self._event("response.failed", response=self._response("failed", _why(error)))
        yield from self.failed(error)

    def failed(self, error: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the event of an error: some clients read it flat, others below ``error``."""
        flat = {name: error.get(name) for name in ("code", "message", "param")}
        yield self._event("error", **flat, error=error)

    def refused(self, status: int, error: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an error, which is as in a chat."""
        return {"error": error}

    def _begun(self) -> Iterator[bytes]:
        """The first events, before any other."""
        if self._number == 0:
            for name in ("response.created", "response.in_progress"):
                yield self._event(name, response=self._response("in_progress"))

    def _opened(self, block: Block) -> Iterator[bytes]:
        self._open = block
        item = item_of(self.id, block, "in_progress")
        if block.kind != "call":
            item["content"] = []
        yield self._event("response.output_item.added", output_index=block.number, item=item)
        if block.kind != "call":
            part = part_of(block, "")
            yield self._event("response.content_part.added", **self._place(block), part=part)

    def _closed(self, status: str) -> Iterator[bytes]:
        """The events that close the open item, if there is one."""
        block, self._open = self._open, None
        if block is None:
            return
        place, (name, whole) = self._place(block), _TEXTS[block.kind]
        done = {**place, **_more(block), whole: block.text}
        if block.kind == "call":
            done["name"] = block.name
        yield self._event(f"{name}.done", **done)
        if block.kind != "call":
            part = part_of(block, block.text)
            yield self._event("response.content_part.done", **place, part=part)
        item = item_of(self.id, block, status)
        yield self._event("response.output_item.done", output_index=block.number, item=item)

    def _place(self, block: Block) -> dict[str, Any]:
        """Where a block stands in the response."""
        place: dict[str, Any] = {"item_id": item_id(self.id, block), "output_index": block.number}
        if block.kind == "call":
            return place
        return place | {"content_index": 0}

    def _response(self, status: str, error: Mapping[str, Any] | None = None) -> dict[str, Any]:
        blocks = self.blocks.all
        output = [item_of(self.id, block, "completed") for block in blocks]
        if blocks and status != "completed":
            output[-1]["status"] = "incomplete"
        return response_of(self, status=status, output=output, error=error)

    def _event(self, name: str, more: Mapping[str, Any] = {}, /, **fields: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        return event(name, {**more, "type": name, "sequence_number": number, **fields})


def _why(error: Mapping[str, Any]) -> dict[str, Any]:
    """Why a response failed, by the error as a chat tells it."""
    return {"code": error.get("code") or "server_error", "message": error.get("message")}


def _more(block: Block) -> dict[str, Any]:
    """What the events of text have beside it."""
    return {"logprobs": []} if block.kind == "text" else {}
