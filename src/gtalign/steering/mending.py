"""Close a block that its model does not close, so that the chain can go on."""

from collections.abc import Iterator
from typing import Final

from gtalign.chain import TAGS, ChainBroken, Event, StreamParser
from gtalign.chain.blocks import BLOCKS

_LONGEST: Final = max(map(len, TAGS))


def mended(text: str, parser: StreamParser) -> str | None:
    """Return a message whose open block is closed and whose next block is open.

    What breaks the chain is left out: text between blocks, the tag of another block. The response
    is closed and nothing follows it.

    Args:
        text: The message so far.
        parser: A parser that has read it.

    Returns:
        The new message; None if it is a matrix that breaks off, or a chain that is complete, or a
        response without text.
    """
    name = parser.expected
    if name is None:
        return None
    if parser.error is not None:
        if parser.error.rule.startswith("payoff"):
            return None
        text = text[: parser.error.position]
    if parser.block is None:
        return f"{text.rstrip()}\n<{name}>".lstrip()
    text = _without_begun_tag(text)
    begun = text[text.rindex(f"<{name}>") + len(name) + 2 :]
    if name == "payoff":
        end = text.rfind("}") + 1
        return f"{text[:end]}</payoff>" if "}" in begun else None
    if name == "response":
        return f"{text}</response>" if begun.strip() else None
    return f"{text}</{name}>\n<{BLOCKS[BLOCKS.index(name) + 1]}>"


def _without_begun_tag(text: str) -> str:
    """A text without the beginning of a tag at its end."""
    at = text.rfind("<", max(len(text) - _LONGEST, 0))
    end = text[at:]
    begun = at >= 0 and end not in TAGS and any(tag.startswith(end) for tag in TAGS)
    return text[:at] if begun else text


class Meter:
    """Reads a chain as it is written, and tells when a block has had its tokens.

    Tokens are estimated: no engine tells how many a slice holds. A slice is a token or more, and a
    token is about four characters of ASCII or one of other scripts.

    Args:
        parser: Reads the chain.
        most: Most tokens by block; blocks without a number may go on.

    Attributes:
        parser: The same.
    """

    def __init__(self, parser: StreamParser, **most: int) -> None:
        self.parser = parser
        self._most = most
        self._block = parser.block
        self._slices = 0
        self._characters = 0.0

    def take(self, slice_: str) -> Iterator[Event]:
        """Read more text, and pass on the events that it completes up to a break."""
        for event in self.parser.feed(slice_):
            if not isinstance(event, ChainBroken):
                yield event
        if self.parser.block != self._block:
            self._block, self._slices, self._characters = self.parser.block, 0, 0.0
        self._slices += 1
        self._characters += sum(0.25 if character.isascii() else 1.0 for character in slice_)

    def enough(self) -> bool:
        """Whether the chain is broken, or the open block has had its tokens."""
        if self.parser.error is not None:
            return True
        most = self._most.get(self._block or "")
        return most is not None and max(self._slices, self._characters) >= most
