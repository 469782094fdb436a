"""Grammar rules for the strings of JSON that match patterns, or have a format.

Characters stand for themselves where JSON lets them. The others, and ``<``, are escaped.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from gtalign.chain.automaton import Automaton, Budget, automaton
from gtalign.chain.json_book import point, quoted, times
from gtalign.chain.regex import (
    ANY,
    LAST,
    SURROGATES,
    Edge,
    Ranges,
    Repeat,
    Sequence,
    complement,
    read_regex,
    union,
)

_ESCAPES: Final = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 0x22: '"', 0x5C: "\\"}
_ESCAPED: Final[Ranges] = ((0, 0x1F), (0x22, 0x22), (0x3C, 0x3C), (0x5C, 0x5C))

_N: Final = r"\d{1,9}"
_DAYS: Final = (
    r"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)"
    r"|02-(0[1-9]|1\d|2[0-8]))"
    r"|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
_HOURS: Final = r"([01]\d|2[0-3]):[0-5]\d"
_CLOCK: Final = rf"{_HOURS}:[0-5]\d(\.\d{{1,6}})?(Z|[+-]{_HOURS})"
_TIME: Final = f"T({_N}H({_N}M({_N}S)?)?|{_N}M({_N}S)?|{_N}S)"
_DATE: Final = f"({_N}Y({_N}M({_N}D)?)?|{_N}M({_N}D)?|{_N}D)"
_BYTE: Final = r"(25[0-5]|(2[0-4]|1\d|[1-9])?\d)"
_NAME: Final = "[A-Za-z0-9_'+-]+"
_URI: Final = r"([A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = "{0}{{8}}-{0}{{4}}-{1}{0}{{3}}-{2}{0}{{3}}-{0}{{12}}"

FORMATS: Final[Mapping[str, str]] = {
    "date": f"^(?!0000){_DAYS}$",
    "time": f"^{_CLOCK}$",
    "date-time": f"^(?!0000){_DAYS}T{_CLOCK}$",
    "duration": f"^P({_DATE}({_TIME})?|{_TIME}|{_N}W)$",
    "email": rf"^{_NAME}(\.{_NAME})*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{{2,}}$",
    "ipv4": rf"^({_BYTE}\.){{3}}{_BYTE}$",
    "uri": rf"^[A-Za-z][A-Za-z0-9+.-]*:{_URI}+(#{_URI}*)?$",
    "uuid": f"^{_UUID.format(_HEX, _HEX, _HEX)}$",
    **{f"uuid{n}": f"^{_UUID.format(_HEX, n, '[89abAB]')}$" for n in (1, 3, 4, 5)},
}
"""Patterns of the formats that a grammar keeps to. They know the lengths of months."""


class Matching(NamedTuple):
    """The strings that match some patterns.

    Args:
        name: Name of the rule for such a string.
        rules: This rule and those that it needs, by name.
        steps: The work that it took to make them.
    """

    name: str
    rules: Mapping[str, str]
    steps: int


@lru_cache(maxsize=128)  # a client sends the same schemas again and again
def matching(patterns: tuple[str, ...], low: int = 0, high: int | None = None) -> Matching:
    """The rules for the JSON strings that match all of some patterns.

    Strings of the same patterns have rules of the same names, in whichever schema they stand.

    Args:
        patterns: The patterns.
        low: Least number of characters.
        high: Greatest number of characters; None for any.

    Raises:
        DataError: A pattern cannot be read, no string matches, or their rules take too much work.
    """
    budget = Budget()
    trees = [read_regex(pattern) for pattern in patterns]
    if low or high is not None:
        trees.append(Sequence((Edge(True), Repeat(ANY, low, high), Edge(False))))
    digest = hashlib.sha256(repr((patterns, low, high)).encode()).hexdigest()
    name = f"match-{digest[:16]}"
    rules = automaton_rules(automaton(trees, budget), name)
    return Matching(name, rules, budget.spent)


def automaton_rules(of: Automaton, name: str) -> dict[str, str]:
    """The rules for the JSON strings that an automaton accepts, by name; the first is of the whole.

    Args:
        of: The automaton.
        name: Name of the first rule, with which the names of the others begin.
    """
    return _Writer(of, name).rules()


class _Writer:
    """Writes an automaton as rules, one for each state in which ways part or meet."""

    def __init__(self, of: Automaton, name: str) -> None:
        self._of = of
        self._name = name
        self._onward = [
            {target: _element(ranges) for target, ranges in moves.items() if target != state}
            for state, moves in enumerate(of.moves)
        ]
        self._loops = [
            f"{_element(moves[state])}*" if state in moves else ""
            for state, moves in enumerate(of.moves)
        ]
        self._counts = self._runs()
        self._met = [0] * len(of.moves)
        for each in self._onward:
            for target in each:
                self._met[target] += 1

    def rules(self) -> dict[str, str]:
        """The rules."""
        named = {f"{self._name}-{n}": n for n in range(len(self._onward)) if n and self._parts(n)}
        return {
            self._name: " ".join(_joined(['"\\""', *self._way(0), '"\\""'])),
            **{name: " ".join(_joined(self._way(state))) for name, state in named.items()},
        }

    def _runs(self) -> dict[int, int]:
        """How often one character or another may still come, for states in which nothing else may.

        A limit of the length leads to many such states.
        """
        found: dict[int, int] = {}
        for state in range(len(self._onward) - 1, -1, -1):
            ways = list(self._onward[state].items())
            if len(ways) > 1 or state not in self._of.accepting or self._loops[state]:
                continue
            if not ways:
                found[state] = 0
            elif (count := found.get(ways[0][0])) is not None and (
                not count or list(self._onward[ways[0][0]].values()) == [ways[0][1]]
            ):
                found[state] = count + 1
        return found

    def _straight(self, state: int) -> bool:
        """Whether one way alone leads on from a state."""
        return len(self._onward[state]) == 1 and state not in self._of.accepting

    def _parts(self, state: int) -> bool:
        """Whether a state has a rule of its own."""
        if state in self._counts:
            return False
        return bool(self._onward[state]) and not (self._straight(state) and self._met[state] == 1)

    def _way(self, state: int) -> Iterator[str]:
        """What comes from a state on, up to the next that has a rule."""
        yield self._loops[state]
        while self._straight(state):
            [(state, element)] = self._onward[state].items()
            yield element
            if self._parts(state):
                yield f"{self._name}-{state}"
                return
            yield self._loops[state]
        if self._counts.get(state):
            [char] = self._onward[state].values()
            yield times(char, 0, self._counts[state])
            return
        ways = " | ".join(
            " ".join(_joined([element, *self._tail(target)]))
            for target, element in self._onward[state].items()
        )
        if ways:
            yield f"({ways})?" if state in self._of.accepting else f"({ways})"

    def _tail(self, state: int) -> Iterator[str]:
        if self._parts(state):
            yield f"{self._name}-{state}"
        else:
            yield from self._way(state)


def _joined(parts: Iterable[str]) -> Iterator[str]:
    """Parts of a rule, with literals in one piece and counts for what is repeated."""
    literal = ""
    for part, same in groupby(filter(None, parts), key=lambda part: part.removesuffix("*")):
        some = list(same)
        least = sum(one == part for one in some)
        if least == len(some) and part.startswith('"'):
            literal += part[1:-1] * least
            continue
        if literal:
            yield f'"{literal}"'
            literal = ""
        if least == len(some) == 1:
            yield part
        else:
            yield times(part, least, least if least == len(some) else None)
    if literal:
        yield f'"{literal}"'


def _element(ranges: Ranges) -> str:
    """One of these characters, as JSON writes it in a string."""
    plain = complement((*complement(ranges), *_ESCAPED))
    kinds = [_class(plain)] if plain else []
    escaped = [
        char
        for low, high in _ESCAPED
        for char in range(low, high + 1)
        if any(low <= char <= high for low, high in ranges)
    ]
    short = [_ESCAPES[char] for char in escaped if char in _ESCAPES]
    if short:
        kinds.append(r'"\\" ' + _class(tuple((ord(sign), ord(sign)) for sign in short)))
    for char in escaped:
        if char not in _ESCAPES and (char >= 0x20 or not plain):  # else nobody misses them
            kinds.append(rf'"\\u00{char // 16}" ' + _hex(char % 16))
    return kinds[0] if len(kinds) == 1 and plain else f"({' | '.join(kinds)})"


def _hex(digit: int) -> str:
    return f'"{digit}"' if digit < 10 else f"[{digit:x}{digit:X}]"


def _class(ranges: Ranges) -> str:
    """A character of these, in a grammar."""
    ranges = union(ranges)
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return quoted(chr(ranges[0][0]))
    negative = ranges[-1][1] == LAST
    if negative:
        ranges = complement((*ranges, SURROGATES))
    inside = "".join(
        point(low) if low == high else f"{point(low)}-{point(high)}" for low, high in ranges
    )
    return f"[{'^' if negative else ''}{inside}]"
