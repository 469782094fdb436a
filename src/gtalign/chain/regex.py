"""Regular expressions of JSON Schemas, read into a tree.

A schema's pattern has several readers: ECMAScript, which JSON Schema names, and Python and Rust,
in which validators are written. What they read in different ways, or only some of them, is
refused. Where only the characters of a class differ, as those of ``\\d`` do, a set holds both:
those that every reader takes, and those that some may take.
"""

import re
from dataclasses import dataclass
from typing import Final

from gtalign.errors import DataError

Ranges = tuple[tuple[int, int], ...]
"""Characters, as ranges of code points in their order, both ends included."""

LAST: Final = 0x10FFFF
"""The last code point."""

SURROGATES: Final = (0xD800, 0xDFFF)
"""Halves of characters, which no text holds alone."""

_LONGEST: Final = 4000  # characters of a pattern
_DEEPEST: Final = 40
_TIMES: Final = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")
_LIKE_TIMES: Final = re.compile(r"\{\d*(,\d*)?\}")
_NAMED: Final = re.compile(r"\?P?<[A-Za-z_][A-Za-z0-9_]*>")
_HEX: Final = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")


@dataclass(frozen=True, slots=True)
class Set:
    """One character of several.

    Args:
        sure: Those that every reader takes.
        possible: Those that some reader may take.
    """

    sure: Ranges
    possible: Ranges

    def inverse(self) -> "Set":
        """Any other character."""
        return Set(complement(self.possible), complement(self.sure))


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Alternation:
    """One of several."""

    options: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, from `low` to `high` times; with `high` None without end."""

    part: "Tree"
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Edge:
    """The beginning of the text, or its end."""

    beginning: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What the text goes on with, or if not `positive` does not go on with."""

    part: "Tree"
    positive: bool


Tree = Set | Sequence | Alternation | Repeat | Edge | Look


def union(ranges: Ranges) -> Ranges:
    """The same characters, in their order and in as few ranges as possible."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    found, begin = [], 0
    for low, high in union(ranges):
        if begin < low:
            found.append((begin, low - 1))
        begin = high + 1
    return (*found, *([(begin, LAST)] if begin <= LAST else []))


def _chars(text: str) -> Ranges:
    return union(tuple((ord(char), ord(char)) for char in text))


_DIGITS: Final[Ranges] = ((0x30, 0x39),)
_WORDS: Final[Ranges] = (*_DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACES: Final = _chars("\t\n\v\f\r ")
_NO_DIGITS: Final[Ranges] = (  # no script of these has digits of its own
    *complement((*_DIGITS, (0x660, LAST))),
    *((0x2000, 0x2FFF), (0x3000, 0xA4CF), (0xAC00, 0xD7A3), (0x1F300, 0x1F6FF)),
)
_NO_WORDS: Final[Ranges] = (  # punctuation, signs and pictures
    *complement((*_WORDS, (0x80, LAST))),
    *((0xA1, 0xA9), (0xAB, 0xAC), (0xAE, 0xB1), (0xB4, 0xB4), (0xB6, 0xB6), (0xB8, 0xB8)),
    *((0xBB, 0xBB), (0xBF, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x2010, 0x2027), (0x2030, 0x203E)),
    *((0x20A0, 0x20BF), (0x2190, 0x23FF), (0x2500, 0x26FF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6C5)),
)
_MORE_SPACES: Final[Ranges] = (
    *((0x1C, 0x1F), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E)),
    *((0x2000, 0x200F), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
    (0xFEFF, 0xFEFF),
)
_CLASSES: Final = {
    "d": Set(_DIGITS, complement(_NO_DIGITS)),
    "w": Set(union(_WORDS), complement(_NO_WORDS)),
    "s": Set(_SPACES, union((*_SPACES, *_MORE_SPACES))),
}
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_DOT: Final = Set(complement(_chars("\n\r\x85\u2028\u2029")), complement(_chars("\n")))
ANY: Final = Set(((0, LAST),), ((0, LAST),))
"""Any character."""


def read_regex(text: str) -> Tree:
    """The tree of a regular expression.

    Raises:
        DataError: It is none, or its readers do not agree on it; the message names the character.
    """
    if len(text) > _LONGEST:
        raise DataError(f"a pattern of more than {_LONGEST} characters")
    reader = _Reader(text)
    tree = reader.choice(0)
    if reader.at < len(text):
        raise reader.refusal("a ')' that closes nothing")
    return tree


class _Reader:
    """Reads one expression from left to right.

    Args:
        text: The expression.

    Attributes:
        at: How many of its characters have been read.
    """

    def __init__(self, text: str) -> None:
        self.at = 0
        self._text = text

    def refusal(self, what: str) -> DataError:
        """The error for what cannot be read here."""
        return DataError(f"no grammar for {what}, at character {self.at + 1} of the pattern")

    def choice(self, depth: int) -> Tree:
        """Alternatives, up to the end of their group."""
        if depth > _DEEPEST:
            raise self.refusal(f"groups more than {_DEEPEST} deep")
        options = [self._sequence(depth)]
        while self._takes("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Alternation(tuple(options))

    def _takes(self, word: str) -> bool:
        if self._text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def _sequence(self, depth: int) -> Tree:
        parts = []
        while self._next() not in ("", "|", ")"):
            parts.append(self._repeated(self._one(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, part: Tree) -> Tree:
        times = self._times()
        if times is None:
            return part
        if isinstance(part, Edge | Look):
            raise self.refusal("an edge or a look ahead that is repeated")
        self._takes("?")  # lazy: of all matches together there are no others
        if self._next() in ("*", "+", "?") or self._times() is not None:
            raise self.refusal("a repetition that is repeated")
        return Repeat(part, *times)

    def _times(self) -> tuple[int, int | None] | None:
        """How often what came before is repeated; None where nothing is said."""
        for sign, times in {"*": (0, None), "+": (1, None), "?": (0, 1)}.items():
            if self._takes(sign):
                return times
        said = _TIMES.match(self._text, self.at)
        if said is None:
            if _LIKE_TIMES.match(self._text, self.at):
                raise self.refusal("such a repetition")
            return None
        self.at = said.end()
        low, comma, most = said.groups()
        high = (int(most) if most else None) if comma else int(low)
        if high is not None and high < int(low):
            raise self.refusal("a repetition that has fewer at most than at least")
        return int(low), high

    def _one(self, depth: int) -> Tree:
        for sign, edge in {"^": Edge(True), "$": Edge(False)}.items():
            if self._takes(sign):
                return edge
        if self._takes("("):
            return self._group(depth)
        if self._takes("["):
            return self._class()
        if self._takes("."):
            return _DOT
        if self._takes("\\"):
            return self._escape()
        if self._next() in ("*", "+", "?"):
            raise self.refusal("a repetition of nothing")
        return self._char()

    def _char(self) -> Set:
        char = self._next()
        self.at += 1
        return Set(_chars(char), _chars(char))

    def _group(self, depth: int) -> Tree:
        look = None
        if self._takes("?=") or self._takes("?!"):
            look = self._text[self.at - 1] == "="
        elif name := _NAMED.match(self._text, self.at):
            self.at = name.end()
        elif self._next() == "?" and not self._takes("?:"):
            raise self.refusal(f"a group that begins with {self._text[self.at : self.at + 3]!r}")
        part = self.choice(depth + 1)
        if not self._takes(")"):
            raise self.refusal("a group that is not closed")
        return part if look is None else Look(part, look)

    def _escape(self, within: str = "") -> Set:
        """What comes after a backslash, in a class or (`within` empty) outside of one."""
        sign = self._next()
        if sign.lower() in _CLASSES and sign:
            self.at += 1
            found = _CLASSES[sign.lower()]
            return found if sign.islower() else found.inverse()
        if code := _HEX.match(self._text, self.at):
            self.at = code.end()
            point = int(code[1] or code[2], 16)
            if SURROGATES[0] <= point <= SURROGATES[1]:
                raise self.refusal("half a character")
            return Set(((point, point),), ((point, point),))
        if sign in _CONTROLS or (sign == "b" and within):
            self.at += 1
            char = _CONTROLS.get(sign, "\b")
            return Set(_chars(char), _chars(char))
        if not sign or (sign.isascii() and sign.isalnum()):
            raise self.refusal(f"'\\{sign}'")
        return self._char()

    def _class(self) -> Set:
        """A class, behind the bracket that opens it."""
        negative = self._takes("^")
        if self._next() == "]":
            raise self.refusal("a class that begins with ']'")
        found: list[Set] = []
        while not self._takes("]"):
            low = self._member()
            if self._next() == "-" and self._text[self.at + 1 : self.at + 2] != "]":
                begun = self.at
                self.at += 1
                high = self._member()
                if _single(low) and _single(high):
                    first, last = low.sure[0][0], high.sure[0][0]
                    if last < first:
                        raise self.refusal("a range that ends before it begins")
                    low = Set(((first, last),), ((first, last),))
                else:  # a hyphen beside a class, as in [\w-.], stands for itself
                    self.at = begun
            found.append(low)
        sure = union(tuple(pair for one in found for pair in one.sure))
        members = Set(sure, union(tuple(pair for one in found for pair in one.possible)))
        return members.inverse() if negative else members

    def _member(self) -> Set:
        if not self._next():
            raise self.refusal("a class that is not closed")
        for pair in ("[", "&&", "--", "~~"):  # of which some readers make sets of sets
            if self._text.startswith(pair, self.at):
                raise self.refusal(f"{pair!r} in a class")
        return self._escape("class") if self._takes("\\") else self._char()


def _single(of: Set) -> bool:
    return len(of.sure) == 1 and of.sure[0][0] == of.sure[0][1]
