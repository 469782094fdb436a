"""Close a block that its model does not close, so that the chain can go on."""

import re
from collections.abc import Iterator
from typing import Final

from gtalign.chain import ChainBroken, Event, StreamParser
from gtalign.chain.blocks import layout
from gtalign.chain.grammar import ENDING_TOKENS

_LONGEST: Final = max(map(len, layout(True).tags))
_LAST: Final = 64  # tokens before the last one, at most, in which a sentence may end a response
_TAIL: Final = 16  # characters in which the end of a sentence is looked for
# A mark that ends a sentence, in any script, but not the point of a number; or a line that is not
# followed up. Quotes, brackets and emphasis may close behind it.
_SENTENCE: Final = re.compile(
    r"(?:(?<!\d)\.|[!?\u2026\u3002\uff01\uff1f\u061f\u0964]|[^\s:,;]\n)"
    r"[\"'\u201d\u2019\u00bb)\]*_`]*\s*\Z"
)


def mended(text: str, parser: StreamParser) -> str | None:
    """Return a message whose open block is closed and whose next block is open.

    What breaks the chain is left out: text between blocks, the tag of another block. The response
    is closed and nothing follows it.

    Args:
        text: The message so far.
        parser: A parser that has read it.

    Returns:
        The new message; None if it is a matrix or a belief that breaks off, or a chain that is
        complete, or a response without text.
    """
    name = parser.expected
    if name is None:
        return None
    if parser.error is not None:
        if parser.error.rule.startswith(("payoff", "belief")):
            return None
        text = text[: parser.error.position]
    if parser.block is None:
        return f"{text.rstrip()}\n<{name}>".lstrip()
    text = _without_begun_tag(text, parser.layout.tags)
    begun = text[text.rindex(f"<{name}>") + len(name) + 2 :]
    if name == "payoff":
        end = text.rfind("}") + 1
        return f"{text[:end]}</payoff>" if "}" in begun else None
    if name == "response":
        return f"{text}</response>" if begun.strip() else None
    if name == "belief":
        return None
    blocks = parser.layout.blocks
    return f"{text}</{name}>\n<{blocks[blocks.index(name) + 1]}>"


def _without_begun_tag(text: str, tags: tuple[str, ...]) -> str:
    """A text without the beginning of a tag at its end."""
    at = text.rfind("<", max(len(text) - _LONGEST, 0))
    end = text[at:]
    begun = at >= 0 and end not in tags and any(tag.startswith(end) for tag in tags)
    return text[:at] if begun else text


class Meter:
    """Reads a chain as it is written, and tells when a block has had its tokens.

    No engine tells how many tokens a slice holds. A block is closed by an estimate: a slice is a
    token or more, and a token is about four characters of ASCII or one of other scripts. A response
    that its model does not end is ended at the end of a sentence, once few tokens are left, or in
    the middle of one, once very few are. There a slice counts as one token, so that nothing is
    ended too early.

    Args:
        parser: Reads the chain.
        left: Tokens that are left for the message; None if that does not matter.
        ending: Whether a sentence can be brought to its end: it is broken off in time for that.
        most: Most tokens by block; blocks without a number may go on.

    Attributes:
        parser: The same.
        ended: Whether the response was ended at the end of a sentence.
        broken_off: Whether it was ended in the middle of one.
    """

    def __init__(
        self, parser: StreamParser, left: int | None = None, ending: bool = False, **most: int
    ) -> None:
        self.parser = parser
        self.ended = self.broken_off = False
        self._most = most
        # A short response keeps no tokens back: they would be too much of it.
        self._late = None if left is None else left - min(_LAST, left // 8)
        self._last = (
            None if left is None or left < 4 * _LAST or not ending else left - ENDING_TOKENS
        )
        self._block = parser.block
        self._slices = 0
        self._characters = 0.0
        self._all_slices = 0
        self._tail = ""

    def take(self, slice_: str) -> Iterator[Event]:
        """Read more text, and pass on the events that it completes up to a break."""
        for event in self.parser.feed(slice_):
            if not isinstance(event, ChainBroken):
                yield event
        if self.parser.block != self._block:
            self._block, self._slices, self._characters = self.parser.block, 0, 0.0
        self._slices += 1
        self._all_slices += 1
        self._characters += sum(0.25 if character.isascii() else 1.0 for character in slice_)
        self._tail = (self._tail + slice_)[-_TAIL:]

    def enough(self) -> bool:
        """Whether the chain is broken, the open block has had its tokens, or the response ends."""
        if self.parser.error is not None:
            return True
        most = self._most.get(self._block or "")
        if most is not None and max(self._slices, self._characters) >= most:
            return True
        if self._block != "response":
            return False
        late = self._late is not None and self._all_slices >= self._late
        self.ended = late and ends_sentence(self._tail)
        self.broken_off = self._last is not None and self._all_slices >= self._last
        return self.ended or self.broken_off


def ends_sentence(text: str) -> bool:
    """Whether a text that was cut off ends with a sentence or a line all the same."""
    return _SENTENCE.search(text) is not None
