"""What a price counts: tokens, characters and answers."""

from dataclasses import dataclass, fields
from typing import Final

from gtalign.steering.policy import Price


@dataclass(frozen=True, slots=True)
class Amounts:
    """What answers take, by the keys of `Price`; expected amounts need not be whole.

    Args:
        input: Tokens that the model reads.
        output: Tokens that it writes.
        input_characters: Characters that it reads.
        output_characters: Characters that it writes.
        answer: Answers.
    """

    input: float = 0.0
    output: float = 0.0
    input_characters: float = 0.0
    output_characters: float = 0.0
    answer: float = 0.0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: "Amounts") -> "Amounts":
        return self + other.times(-1.0)

    def times(self, share: float) -> "Amounts":
        """So many times these amounts."""
        return Amounts(*(getattr(self, f.name) * share for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that a price counts.

    Args:
        key: Key of `Price`, and of `Amounts`.
        kind: What is counted, in the plural.
        name: The same, with what happens to it: the name of its charge.
        rated: What the price is for, as in "15 a million output tokens".
        said: The same, as a prompt says it.
        size: How many of them the price is for.
    """

    key: str
    kind: str
    name: str
    rated: str
    said: str
    size: float

    def rate(self, price: Price) -> float:
        """What a price charges for `size` of them, in currency units."""
        return float(getattr(price, self.key))

    def count(self, amounts: Amounts) -> float:
        """How many of them some amounts hold."""
        return float(getattr(amounts, self.key))


def _unit(key: str, way: str, kind: str, done: str) -> Unit:
    """A unit that is priced by the million."""
    return Unit(
        *(key, kind, f"{way} {kind}", f"a million {way} {kind}", f"a million {kind} {done}", 1e6)
    )


UNITS: Final = (
    _unit("output", "output", "tokens", "written"),
    _unit("input", "input", "tokens", "read"),
    _unit("output_characters", "output", "characters", "written"),
    _unit("input_characters", "input", "characters", "read"),
    Unit("answer", "answers", "answers", "an answer", "an answer", 1.0),
)
"""Everything that a price can count, in the order in which charges are listed."""


def money_of(price: Price, amounts: Amounts) -> float:
    """The price of amounts, in currency units."""
    return sum(unit.rate(price) * unit.count(amounts) / unit.size for unit in UNITS)
