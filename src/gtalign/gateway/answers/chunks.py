"""The events of a streamed answer, in the form of OpenAI's interface."""

from typing import Any, Final

import orjson

DONE: Final = b"data: [DONE]\n\n"
COMMENT: Final = b": the answer is being written\n\n"


class Chunks:
    """Writes the chunks of one answer. They differ in their delta alone, so the rest is made once.

    Args:
        id: Of the answer.
        created: When, in seconds since 1970.
        model: The model's name as the client gave it.
        include_usage: Whether a chunk with the usage comes last; the others then say null.
    """

    def __init__(self, id: str, created: int, model: str, *, include_usage: bool) -> None:
        self._head = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        usage = ',"usage":null' if include_usage else ""
        head = orjson.dumps(self._head).decode().removesuffix("}")
        self._begin = f'data: {head},"choices":[{{"index":0,"delta":'.encode()
        self._end = f',"logprobs":null,"finish_reason":null}}]{usage}}}\n\n'.encode()

    def role(self) -> bytes:
        """The first chunk."""
        return b'%b{"role":"assistant","content":""}%b' % (self._begin, self._end)

    def content(self, text: str) -> bytes:
        """More of the response."""
        return b'%b{"content":%b}%b' % (self._begin, _quoted(text), self._end)

    def reasoning(self, text: str) -> bytes:
        """More of the chain before it."""
        return b'%b{"reasoning_content":%b}%b' % (self._begin, _quoted(text), self._end)

    def finish(self, reason: str, about: dict[str, Any]) -> bytes:
        """The chunk that ends the answer, with what was decided about it."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}
        return event(self._head | {"choices": [choice], "gtalign": about})

    def usage(self, usage: dict[str, Any]) -> bytes:
        """The chunk with the usage."""
        return event(self._head | {"choices": [], "usage": usage})


def event(value: Any) -> bytes:
    """One event with JSON data."""
    return b"data: %b\n\n" % orjson.dumps(value)


def _quoted(text: str) -> bytes:
    try:
        return orjson.dumps(text)
    except TypeError:  # a lone surrogate, which has no UTF-8
        return orjson.dumps(text.encode("utf-8", "replace").decode())
