"""The rules of one schema under their names, and the parts of rules: literals and repetitions."""

from collections.abc import Mapping, Sequence
from typing import Final

from gtalign.errors import DataError

_MOST: Final = 2000  # rules
_REPEATED: Final = 500  # how often engines let one thing be repeated
_NEXT: Final = 'json-s "," json-s'


class RuleBook:
    """Collects the rules of one schema.

    Args:
        name: With which their names begin.

    Attributes:
        rules: The rules so far, by name.
    """

    def __init__(self, name: str) -> None:
        self.rules: dict[str, str] = {}
        self._name = name

    def rule(self, body: str) -> str:
        """Write a rule under a new name, which is returned.

        Raises:
            DataError: There are too many.
        """
        name = f"{self._name}-{len(self.rules)}"
        self.add({name: body})
        return name

    def add(self, rules: Mapping[str, str]) -> None:
        """Write rules under their names.

        Raises:
            DataError: There are too many.
        """
        self.rules |= rules
        if len(self.rules) > _MOST:
            raise DataError(f"it takes more than {_MOST} rules")

    def listing(self, first: Sequence[str], rest: str, low: int, high: int | None) -> str:
        """The content of brackets: parts in their order, then others, so many in all."""
        parts = [*first, *([rest] if rest and not first else [])]
        if not parts or high == 0:
            return "json-s"
        left = None if high is None else high - len(parts)
        content = ""
        if rest and left != 0:
            content = times(f"({_NEXT} {rest})", max(low - len(parts), 0), left)
        for number in range(len(parts) - 1, -1, -1):
            before = f"{_NEXT} " if number else ""
            content = f"{before}{parts[number]} {content}".rstrip()
            if low <= number and number:
                content = f"({self.rule(content)})?"
        return f"json-s {content} json-s" if low else f"json-s ({content} json-s)?"

    def some(
        self, parts: Sequence[str], wanted: Sequence[bool], low: int, high: int | None, place: str
    ) -> str:
        """Parts in their order, of which those that are not wanted may be missing.

        Args:
            parts: The parts.
            wanted: Which of them must be there.
            low: How many must be there.
            high: How many may be there; None for all.
            place: Of the schema.
        """
        most = len(parts) if high is None else high
        cap = max(1, low, most if most < len(parts) else 0)  # from here on nobody counts
        after: list[str | None] = [None if count < low else "" for count in range(cap + 1)]
        for at in range(len(parts) - 1, -1, -1):
            here: list[str | None] = []
            for count in range(min(at, cap) + 1):
                part = f"{_NEXT} {parts[at]}" if count else parts[at]
                rest = after[min(count + 1, cap)] if count < most else None
                without = None if wanted[at] else after[count]
                here.append(self._either(part, rest, without))
            after = here
        if after[0] is None:
            raise DataError(f"{place}: so many are not possible")
        return f"({after[0]} json-s)?" if not low and not any(wanted) else f"{after[0]} json-s"

    def _either(self, part: str, rest: str | None, without: str | None) -> str | None:
        """A rule for a part and what comes behind it, or what comes without it, if it can be so."""
        if rest is None:
            return without
        if rest == without:
            return self.rule(f"({part})? {rest}".rstrip())
        begun = f"{part} {rest}".rstrip()
        if without is None:
            return self.rule(begun)
        return self.rule(f"{begun} | {without}" if without else f"({begun})?")


def times(part: str, low: int, high: int | None) -> str:
    """A part of a rule, repeated. Engines limit one repetition, so a long one is several."""
    if high is None and low < 2:
        return part + "*+"[low]
    if low == high and low <= _REPEATED:
        return f"{part}{{{low}}}"
    if max(low, high or 0) <= _REPEATED:
        return f"{part}{{{low},{'' if high is None else high}}}"
    blocks, rest = divmod(low, _REPEATED)
    needed = " ".join([f"{part}{{{_REPEATED}}}"] * blocks + [f"{part}{{{rest}}}"] * (rest > 0))
    if high is None:
        return f"{needed} {part}*"
    blocks, rest = divmod(high - low, _REPEATED)
    more = f"{part}{{0,{rest}}}"
    for _ in range(blocks):
        more = f"({part}{{0,{_REPEATED - 1}}} | {part}{{{_REPEATED}}} {more})"
    return f"{needed} {more}".lstrip()


def quoted(text: str) -> str:
    """A text as the literal of a grammar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else point(ord(c)) for c in escaped) + '"'


def point(code: int) -> str:
    """A character in a class. Engines differ in how many digits ``\\x`` takes."""
    if code < 0x80 and chr(code).isalnum():
        return chr(code)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
