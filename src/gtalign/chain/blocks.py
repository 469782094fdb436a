"""The four blocks of the reasoning chain, and the typed chain that they make.

A chain is the text ``<thinking>..</thinking><payoff>..</payoff><analyze>..</analyze>
<response>..</response>`` with nothing but whitespace around and between the blocks; only closed
reasoning, such as ``<think>..</think>``, may come before it. Whitespace is what ``str.isspace``
says it is, except inside the payoff, where JSON's own four characters hold.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gtalign.game.bimatrix import Bimatrix

BLOCKS: Final = ("thinking", "payoff", "analyze", "response")
"""Names of the blocks in the order in which they must come."""

TAGS: Final = tuple(tag for name in BLOCKS for tag in (f"<{name}>", f"</{name}>"))
"""The eight tags in the order in which they must come."""

TAG: Final = re.compile("</?(?:" + "|".join(BLOCKS) + ")>")
"""Matches any of the tags."""

_SPACE: Final = re.compile(r"\s*+")


@dataclass(frozen=True, slots=True)
class Repair:
    """One departure from the strict form that the tolerant parser repaired.

    ``kind`` is one of ``text-before``, ``text-between``, ``text-after``, ``code-fence``, ``tag``
    (whitespace or capitals in a tag), ``single-quotes``, ``typographic-quotes`` and
    ``trailing-comma``; ``position`` is the character offset of its beginning.
    """

    kind: str
    position: int


@dataclass(frozen=True, slots=True)
class Chain:
    """A parsed chain.

    ``thinking``, ``analyze`` and ``response`` are the contents of their blocks without surrounding
    whitespace. ``spans`` gives for each block the character span ``(start, end)`` of its content,
    whitespace included, in the text that was parsed.
    """

    thinking: str
    payoff: Bimatrix
    analyze: str
    response: str
    repairs: tuple[Repair, ...] = ()
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Return the four blocks as an object, the payoff as its cells."""
        return {
            "thinking": self.thinking,
            "payoff": self.payoff.to_json(),
            "analyze": self.analyze,
            "response": self.response,
        }

    def render(self) -> str:
        """Return the chain as text that parses strictly to the same blocks."""
        return render(self.thinking, self.payoff, self.analyze, self.response)


def render(thinking: str, payoff: Bimatrix, analyze: str, response: str) -> str:
    """Write a chain in the form that `parse` reads, one block a line."""
    contents = (thinking, json.dumps(payoff.to_json()), analyze, response)
    return "\n".join(
        f"<{name}>{content}</{name}>" for name, content in zip(BLOCKS, contents, strict=True)
    )


def skip_space(text: str, position: int) -> int:
    """Position of the first character from `position` on that is not whitespace."""
    found = _SPACE.match(text, position)
    return position if found is None else found.end()
