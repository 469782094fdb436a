"""Read JSON token by token: the keys and numbers of a payoff, and those of a belief.

The JSON of these blocks has one level or two, so a scanner for just that form is short. It knows
the position of every token, cannot recurse, reads any number in linear time, and reads repaired
quotes and commas without rewriting the text around them, so that no repair can touch a number.
"""

import json
import re
from dataclasses import dataclass
from typing import ClassVar, Final

from gtalign.errors import ChainError

NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![\w.+-])")
"""A number as JSON writes it."""

_SPACE: Final = re.compile(r"[ \t\n\r]*+")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_QUOTE: Final = "([\"'\u2018-\u201f\u00ab\u00bb\u2032\u2033\u00b4])"
_REPAIRED: Final = re.compile(_QUOTE + r"([\w-]{1,80}+)" + _QUOTE)
_FENCE: Final = re.compile(r"\s*+(`+)[\w-]*+")
_END: Final = re.compile(r"(,?+)[ \t\n\r]*+\}")


@dataclass(frozen=True, slots=True)
class Repair:
    """One departure from the strict form that the tolerant parser repaired.

    ``kind`` is one of ``text-before``, ``text-between``, ``text-after``, ``code-fence``, ``tag``
    (whitespace or capitals in a tag), ``single-quotes``, ``typographic-quotes`` and
    ``trailing-comma``; ``position`` is the character offset of its beginning.
    """

    kind: str
    position: int


class Scan:
    """One pass over the content of one block; `position` only grows.

    Args:
        text: The text that holds the block.
        start: Where its content begins.
        end: Where it ends.
        repairs: If given, other quotes, trailing commas and code fences are repaired, and each
            repair is appended to this list; without it they are errors.
        offset: What to add to positions in `text` for those that errors report.
    """

    block: ClassVar[str]
    """The block, after which the rules are named that it may break."""

    def __init__(
        self, text: str, start: int, end: int, repairs: list[Repair] | None, offset: int
    ) -> None:
        self.text = text
        self.position = start
        self.end = end
        self.repairs = repairs
        self.offset = offset

    def error(self, rule: str, message: str, position: int | None = None) -> ChainError:
        """The error for a broken rule, here or at a position in the text."""
        position = self.position if position is None else position
        return ChainError(rule, position + self.offset, message)

    def space(self) -> None:
        """Skip whitespace."""
        found = _SPACE.match(self.text, self.position, self.end)
        self.position = self.position if found is None else found.end()

    def take(self, character: str) -> bool:
        """Skip whitespace, and then this character where it comes next."""
        self.space()
        if self.position < self.end and self.text[self.position] == character:
            self.position += 1
            return True
        return False

    def close(self) -> bool:
        """Skip whitespace, and then the brace that ends an object where it comes next.

        A comma before it is repaired in tolerant mode.
        """
        self.space()
        found = _END.match(self.text, self.position, self.end)
        if found is None:
            return False
        if found.group(1):
            if self.repairs is None:
                return False
            self.repairs.append(Repair("trailing-comma", self.position))
        self.position = found.end()
        return True

    def key(self) -> str:
        """Read a key; raises ChainError if none comes next."""
        self.space()
        found = _STRING.match(self.text, self.position, self.end)
        if found is not None:
            self.position = found.end()
            key = found.group()
            return str(json.loads(key)) if "\\" in key else key[1:-1]
        if self.repairs is not None:
            found = _REPAIRED.match(self.text, self.position, self.end)
        if found is None or self.repairs is None:
            raise self.error(f"{self.block}-syntax", "a key in double quotes must come here")
        kind = "single-quotes" if set(found.group(1, 3)) <= {"'", '"'} else "typographic-quotes"
        self.repairs.append(Repair(kind, self.position))
        self.position = found.end()
        return str(found.group(2))

    def unfence(self) -> None:
        """Leave out a code fence around the JSON, in tolerant mode."""
        if self.repairs is None:
            return
        opened = _FENCE.match(self.text, self.position, self.end)
        if opened is None:
            return
        end = self.end
        while end > opened.end() and self.text[end - 1].isspace():
            end -= 1
        closed = end
        while closed > opened.end() and self.text[closed - 1] == "`":
            closed -= 1
        if closed < end:
            self.repairs.append(Repair("code-fence", opened.start(1)))
            self.position, self.end = opened.end(), closed
