"""Read a chain while it is being written, from slices of any size."""

from dataclasses import dataclass

from gtalign.chain.belief import BeliefReader
from gtalign.chain.blocks import Chain, layout, skip_space
from gtalign.chain.payoff import PayoffReader
from gtalign.chain.reasoning import closing
from gtalign.chain.rules import empty_response, endless, misplaced, missing, nested, stray, unclosed
from gtalign.chain.thoughts import OPENING, closing_of, may_open
from gtalign.errors import ChainError
from gtalign.game.bimatrix import Bimatrix
from gtalign.game.form import USER_LLM, GameForm

_LONGEST = max(map(len, layout(True).tags))


@dataclass(frozen=True, slots=True)
class BlockOpened:
    """A block begins; its content starts at character ``position``."""

    block: str
    position: int


@dataclass(frozen=True, slots=True)
class BlockClosed:
    """A block is complete; its content ended before character ``position``."""

    block: str
    position: int


@dataclass(frozen=True, slots=True)
class PayoffRead:
    """The payoff block is complete and right; comes just before its `BlockClosed`."""

    payoff: Bimatrix


@dataclass(frozen=True, slots=True)
class TextAdded:
    """More of the text of a block other than the payoff.

    The texts of one block, joined, are its text in the `Chain`: without surrounding whitespace.
    """

    block: str
    text: str


@dataclass(frozen=True, slots=True)
class ChainBroken:
    """No continuation can make the text a chain. No event follows this one."""

    error: ChainError


Event = BlockOpened | BlockClosed | PayoffRead | TextAdded | ChainBroken
"""The events of `StreamParser.feed`, in the order of the text."""


class StreamParser:
    """Parses a chain from slices, with the result of the strict `parse` for every slicing.

    Each character is looked at once, but for the few at the end of a slice that may begin a tag
    (at most 19; 400 before the chain, where reasoning may stand), and whitespace at the end of a
    slice, which is held back until text follows it.
    The payoff is checked as a whole, when its block closes, and so is a belief.

    Args:
        form: The game whose cells the payoff must name.
        low: Least payoff allowed, inclusive.
        high: Greatest payoff allowed, inclusive.
        belief: Whether the chain has to state a belief.

    Attributes:
        layout: The blocks of the chain.
        block: Name of the block that is open, None between blocks.
        belief: The belief, once its block is closed.
        payoff: The matrix, once its block is closed.
        error: The broken rule, once one is.
    """

    def __init__(
        self,
        form: GameForm = USER_LLM,
        *,
        low: float = -5.0,
        high: float = 5.0,
        belief: bool = False,
    ) -> None:
        self.layout = layout(belief)
        self.block: str | None = None
        self.belief: dict[str, float] | None = None
        self.payoff: Bimatrix | None = None
        self.error: ChainError | None = None
        self._reader = PayoffReader(form, low, high)
        self._expected = 0  # number of blocks that are closed
        self._thought = ""  # the tag of the reasoning that is open
        self._opened = 0  # where the tag of the open block begins
        self._start = 0  # where the content of the open block begins
        self._spans: dict[str, tuple[int, int]] = {}
        self._texts: dict[str, list[str]] = {name: [] for name in self.layout.blocks}
        self._space: list[str] = []  # whitespace that ends the block's text so far
        self._carry = ""  # what may begin a tag, and was not reported yet
        self._base = 0  # position of the first character that is not dealt with
        self._closed = False

    @property
    def expected(self) -> str | None:
        """Name of the block that is open or has to open next; None after the last one."""
        blocks = self.layout.blocks
        return blocks[self._expected] if self._expected < len(blocks) else None

    def feed(self, text: str) -> list[Event]:
        """Take the next slice and report what it completes.

        Raises:
            ValueError: The parser was closed before.
        """
        if self._closed:
            raise ValueError("a closed parser takes no more text")
        events: list[Event] = []
        if self.error is not None:
            return events
        buffer = self._carry + text
        self._carry = ""
        position = 0
        try:
            while position < len(buffer):
                if self._thought:
                    position = self._reasoning(buffer, position, self._thought)
                elif self.block is None:
                    position = self._between(buffer, position, events)
                else:
                    position = self._inside(buffer, position, self.block, events)
        except ChainError as error:
            self.error = error
            events.append(ChainBroken(error))
        self._base += len(buffer) - len(self._carry)
        return events

    def close(self) -> Chain:
        """End the text and return the chain; may be called again.

        Raises:
            ChainError: The same rule and position as `parse` of the whole text.
        """
        self._closed = True
        if self.error is None:
            self.error = self._incomplete()
        if self.error is not None:
            raise self.error
        assert self.payoff is not None
        return Chain(
            thinking="".join(self._texts["thinking"]),
            payoff=self.payoff,
            analyze="".join(self._texts["analyze"]),
            response="".join(self._texts["response"]),
            spans=self._spans,
            belief=self.belief,
        )

    def _incomplete(self) -> ChainError | None:
        """The error of a text that ends here, if it had none before."""
        if self._thought:
            return endless(self._thought, self._opened)
        if self.block is not None:
            return unclosed(self.block, self._opened)
        if self._carry:
            return stray(self.layout, self._expected, self._base)
        if self._expected < len(self.layout.blocks):
            return missing(self.layout, self._expected, self._base)
        return None

    def _between(self, buffer: str, position: int, events: list[Event]) -> int:
        """Read the text between blocks, up to the end of the next opening tag."""
        position = skip_space(buffer, position)
        if position == len(buffer):
            return position
        if self._expected == len(self.layout.blocks):
            raise stray(self.layout, self._expected, self._base + position)
        found = self.layout.tag.match(buffer, position)
        if found is None:
            thought = OPENING.match(buffer, position) if self._expected == 0 else None
            if thought is not None:
                self._thought, self._opened = thought.group(), self._base + position
                return thought.end()
            rest = buffer[position:]
            thoughtful = self._expected == 0 and may_open(rest)
            if not (thoughtful or _begins_tag(rest[:_LONGEST], self.layout.tags)):
                raise stray(self.layout, self._expected, self._base + position)
            self._carry = buffer[position:]
            return len(buffer)
        name = self.layout.blocks[self._expected]
        if found.group() != f"<{name}>":
            raise misplaced(self.layout, found.group(), self._expected, self._base + position)
        self.block = name
        self._opened = self._base + position
        self._start = self._base + found.end()
        events.append(BlockOpened(name, self._start))
        return found.end()

    def _reasoning(self, buffer: str, position: int, tag: str) -> int:
        """Read past reasoning before the chain, up to the end of its closing tag."""
        found = closing(tag).search(buffer, position)
        if found is not None:
            self._thought = ""
            return found.end()
        closes = closing_of(tag).lower()
        end = buffer.rfind(closes[0], max(position, len(buffer) - len(closes) + 1))
        if end >= 0 and closes.startswith(buffer[end:].lower()):
            self._carry = buffer[end:]
        return len(buffer)

    def _inside(self, buffer: str, position: int, name: str, events: list[Event]) -> int:
        """Read the content of a block, up to the end of its closing tag."""
        found = self.layout.tag.search(buffer, position)
        if found is None:
            end = buffer.rfind("<", max(position, len(buffer) - _LONGEST))
            if end < 0 or not _begins_tag(buffer[end:], self.layout.tags):
                end = len(buffer)
            self._add(buffer[position:end], name, events)
            self._carry = buffer[end:]
            return len(buffer)
        self._add(buffer[position : found.start()], name, events)
        end = self._base + found.start()
        if found.group() != f"</{name}>":
            raise nested(found.group(), name, end)
        if name == "payoff":
            content = "".join(self._texts[name])
            self.payoff = self._reader.read(content, 0, len(content), offset=self._start)
            events.append(PayoffRead(self.payoff))
        elif name == "belief":
            content = "".join(self._texts[name])
            reader = BeliefReader(self._reader.form)
            self.belief = reader.read(content, 0, len(content), offset=self._start)
            events.append(TextAdded(name, content.strip()))
        elif name == "response" and not self._texts[name]:
            raise empty_response(self._start)
        self._spans[name] = (self._start, end)
        self._space.clear()
        self._expected += 1
        self.block = None
        events.append(BlockClosed(name, end))
        return found.end()

    def _add(self, text: str, name: str, events: list[Event]) -> None:
        """Keep a piece of content, and report it where it is text."""
        texts = self._texts[name]
        if name in ("payoff", "belief"):
            texts.append(text)
            return
        if not texts:
            text = text.lstrip()
        body = text.rstrip()
        if body:
            body_and_space = "".join((*self._space, body))
            texts.append(body_and_space)
            events.append(TextAdded(name, body_and_space))
            self._space.clear()
        if texts and len(body) < len(text):
            self._space.append(text[len(body) :])


def _begins_tag(text: str, tags: tuple[str, ...]) -> bool:
    """Whether `text`, which holds no whole tag, may become one of some tags."""
    return any(tag.startswith(text) for tag in tags)
