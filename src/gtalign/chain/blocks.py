"""The four blocks of the reasoning chain, and the typed chain that they make.

A chain is the text ``<thinking>..</thinking><payoff>..</payoff><analyze>..</analyze>
<response>..</response>`` with nothing but whitespace around and between the blocks; only closed
reasoning, such as ``<think>..</think>``, may come before it. Whitespace is what ``str.isspace``
says it is, except inside the payoff, where JSON's own four characters hold.

There is one other form: with a block ``<belief>..</belief>`` between thinking and payoff, which
says how likely each action of the user is. It is read only where it is asked for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gtalign.chain.belief import written
from gtalign.chain.scan import Repair
from gtalign.game.bimatrix import Bimatrix

BLOCKS: Final = ("thinking", "payoff", "analyze", "response")
"""Names of the blocks in the order in which they must come."""

BELIEVING: Final = ("thinking", "belief", "payoff", "analyze", "response")
"""The blocks of the form that states a belief, in their order."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The blocks of a form of the chain.

    Args:
        blocks: Their names in order.
        tags: Their tags in order.
        tag: Matches any of the tags.
    """

    blocks: tuple[str, ...]
    tags: tuple[str, ...]
    tag: re.Pattern[str]

    @classmethod
    def of(cls, blocks: tuple[str, ...]) -> "Layout":
        """The layout of some blocks."""
        tags = tuple(tag for name in blocks for tag in (f"<{name}>", f"</{name}>"))
        return cls(blocks, tags, re.compile("</?(?:" + "|".join(blocks) + ")>"))


_LAYOUTS: Final = {False: Layout.of(BLOCKS), True: Layout.of(BELIEVING)}


def layout(belief: bool) -> Layout:
    """The layout of the published form, or of the one that states a belief."""
    return _LAYOUTS[belief]


TAGS: Final = layout(False).tags
"""The eight tags of the published form in the order in which they must come."""

TAG: Final = layout(False).tag
"""Matches any of these tags."""

_SPACE: Final = re.compile(r"\s*+")


@dataclass(frozen=True, slots=True)
class Chain:
    """A parsed chain.

    ``thinking``, ``analyze`` and ``response`` are the contents of their blocks without surrounding
    whitespace. ``belief`` is how likely each action of the user is; None in the published form.
    ``spans`` gives for each block the character span ``(start, end)`` of its content,
    whitespace included, in the text that was parsed.
    """

    thinking: str
    payoff: Bimatrix
    analyze: str
    response: str
    repairs: tuple[Repair, ...] = ()
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict, hash=False)
    belief: Mapping[str, float] | None = field(default=None, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Return the blocks as an object: the payoff as its cells, a belief as its shares."""
        stated = {} if self.belief is None else {"belief": dict(self.belief)}
        return {
            "thinking": self.thinking,
            **stated,
            "payoff": self.payoff.to_json(),
            "analyze": self.analyze,
            "response": self.response,
        }

    def render(self) -> str:
        """Return the chain as text that parses strictly to the same blocks."""
        return render(self.thinking, self.payoff, self.analyze, self.response, self.belief)


def render(
    thinking: str,
    payoff: Bimatrix,
    analyze: str,
    response: str,
    belief: Mapping[str, float] | None = None,
) -> str:
    """Write a chain in the form that `parse` reads, one block a line; with its belief, if any."""
    stated = () if belief is None else (written(belief),)
    contents = (thinking, *stated, json.dumps(payoff.to_json()), analyze, response)
    blocks = layout(belief is not None).blocks
    return "\n".join(
        f"<{name}>{content}</{name}>" for name, content in zip(blocks, contents, strict=True)
    )


def skip_space(text: str, position: int) -> int:
    """Position of the first character from `position` on that is not whitespace."""
    found = _SPACE.match(text, position)
    return position if found is None else found.end()
