"""Read the text of an answer while it is passed through; the answer itself is not touched."""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from gtalign.gateway.http.reply import EVENTS
from gtalign.steering.http.sse import EventReader

_LARGEST: Final = 1 << 20  # bytes of an answer that are read


class Tap:
    """Reads the choices of a completion, from JSON or from events.

    An answer in another form has no text, and neither has one that is too long or broken.

    Args:
        kind: The media type of the answer.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._body = bytearray()
        self._texts: list[str] = []
        self._all: list[str] = []
        self._lost = False
        self._uncounted = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer; they are read when the text is needed."""
        if self._lost or len(self._body) + len(chunk) > _LARGEST:
            self._lost = True
            self._body.clear()
        else:
            self._body += chunk

    @property
    def text(self) -> str | None:
        """The text of the first choice, at the end of the answer; None if it is unknown."""
        self._close()
        return None if self._lost else "".join(self._texts)

    @property
    def written(self) -> str | None:
        """All that the model wrote: of every choice, with its reasoning and its calls of tools."""
        self._close()
        return None if self._lost or self._uncounted else "".join(self._all)

    def _close(self) -> None:
        """Read all that has come so far."""
        body = bytes(self._body)
        self._body.clear()
        if self._kind != EVENTS:
            if body:
                self._take(body)
            return
        reader = EventReader()
        try:
            for event in reader.feed(body):
                self._take(event.data)
        except ValueError:
            self._lost = True

    def _take(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            return
        try:
            value = orjson.loads(data)
            self._texts.append(_content(value))
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
            self._lost = True
            return
        try:
            self._all += (text for choice in value["choices"] or () for text in _written(choice))
        except (TypeError, AttributeError):  # a call of another form: its text is still read
            self._uncounted = True


def _content(value: Any) -> str:
    """The text in an event or an answer; raises what Python does where it has another form."""
    choices = [choice for choice in value["choices"] or () if choice.get("index", 0) == 0]
    if not choices:
        return ""
    message = choices[0].get("delta") or choices[0].get("message") or {}
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _written(choice: Any) -> Iterator[str]:
    """The texts in a choice, or in the part of one that an event holds."""
    message = choice.get("delta") or choice.get("message") or choice
    for name in ("reasoning_content", "reasoning", "content", "refusal", "text"):
        if isinstance(message.get(name), str):
            yield message[name]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield from (text for text in function.values() if isinstance(text, str))
