"""Read the JSON of a payoff block and say where it is wrong."""

import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

import numpy as np

from gtalign.chain.scan import NUMBER, Repair, Scan
from gtalign.game.bimatrix import PLAYER_KEYS, Bimatrix
from gtalign.game.form import TOLERANCE, GameForm

_LARGEST: Final = sys.float_info.max
_CONSTANT: Final = re.compile(r"-?(?:NaN|Infinity)\b")
_OTHER: Final = re.compile(r"true\b|false\b|null\b|[\[{\"]")


class _Numbers(dict[str, float]):
    """Numbers by how they are written; those with one decimal, as payoffs are, at hand."""

    def __missing__(self, written: str) -> float:
        return float(written) if NUMBER.fullmatch(written) else math.nan


number_written: Final = _Numbers(
    {str(tenths / 10): tenths / 10 for tenths in range(-100, 101)}
    | {str(number): float(number) for number in range(-10, 11)}
).__getitem__
"""The number that `as_written` finds; NaN if JSON does not write numbers so."""


@dataclass(frozen=True, slots=True)
class PayoffReader:
    """Reads payoff blocks of one game form, with payoffs in ``[low, high]``."""

    form: GameForm
    low: float
    high: float

    def read(
        self,
        text: str,
        start: int,
        end: int,
        *,
        repairs: list[Repair] | None = None,
        numbers: dict[tuple[str, str], tuple[int, int]] | None = None,
        offset: int = 0,
    ) -> Bimatrix:
        """Return the matrix written in ``text[start:end]``.

        Args:
            text: The text that holds the payoff.
            start: Where the content of the payoff block begins.
            end: Where it ends.
            repairs: If given, other quotes, trailing commas and code fences are repaired, and each
                repair is appended to this list; without it they are errors.
            numbers: If given, it is filled with the character span in `text` of each number, by
                cell and player key.
            offset: What to add to positions in `text` for those that errors report.

        Raises:
            ChainError: The payoff breaks a ``payoff-*`` rule; the error holds the first and its
                position.
        """
        found = _matrix(self.form).fullmatch(text, start, end)
        payoff = None if found is None else self.matrix(found.groups())
        if found is not None and payoff is not None:
            if numbers is not None:
                keys = product(self.form.cells, reversed(PLAYER_KEYS))
                numbers |= zip(keys, found.regs[1:], strict=True)
            return payoff
        return _Scan(self, text, start, end, repairs, numbers, offset).matrix()

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest number that is in range."""
        # A number that overflows float() is out of every range.
        return max(self.low - TOLERANCE, -_LARGEST), min(self.high + TOLERANCE, _LARGEST)

    def matrix(self, numbers: Sequence[str]) -> Bimatrix | None:
        """Return the matrix of what `as_written` finds; None if one is no number in range."""
        values = list(map(number_written, numbers))
        low, high = self.limits
        if not all(low <= value <= high for value in values):
            return None
        payoffs = np.array(values).reshape(*self.form.shape, 2)[..., ::-1] + 0.0
        return Bimatrix.unchecked(self.form, payoffs)


def as_written(form: GameForm) -> str:
    """A regular expression of a matrix as `render` writes it, spaces aside.

    Its groups are the numbers: of each cell in order, the LLM's and then the user's. A group may be
    any run of the characters of numbers; `number_written` checks whether it is one.
    """
    space, number = r"[ \t\n\r]*+", r"([-+.0-9eE]++)"

    def item(key: str, value: str) -> str:
        return rf'{space}"{re.escape(key)}"{space}:{space}{value}{space}'

    pair = ",".join(item(player, number) for player in reversed(PLAYER_KEYS))
    cells = ",".join(item(cell, rf"\{{{pair}\}}") for cell in form.cells)
    return rf"{space}\{{{cells}\}}{space}"


@cache
def _matrix(form: GameForm) -> re.Pattern[str]:
    return re.compile(as_written(form))


class _Scan(Scan):
    """One pass over one payoff block."""

    block = "payoff"

    def __init__(
        self,
        reader: PayoffReader,
        text: str,
        start: int,
        end: int,
        repairs: list[Repair] | None,
        numbers: dict[tuple[str, str], tuple[int, int]] | None,
        offset: int,
    ) -> None:
        super().__init__(text, start, end, repairs, offset)
        self.reader = reader
        self.start = start
        self.numbers = numbers

    def matrix(self) -> Bimatrix:
        form = self.reader.form
        cells = form.cells
        pairs = [[0.0, 0.0] for _ in cells]
        self.unfence()
        for key in self.items(cells, self.start):
            pair = pairs[cells.index(key)]
            self.space()
            for player in self.items(PLAYER_KEYS, self.position, key):
                self.space()
                where = self.position
                pair[PLAYER_KEYS.index(player)] = self.number()
                if self.numbers is not None:
                    self.numbers[key, player] = (where, self.position)
        self.space()
        if self.position < self.end:
            raise self.error("payoff-syntax", "the payoff continues after its closing brace")
        return Bimatrix(form, np.array(pairs).reshape(*form.shape, len(PLAYER_KEYS)))

    def items(self, allowed: Sequence[str], where: int, cell: str = "") -> Iterator[str]:
        """Yield the keys of one object; the caller reads the value after each."""
        missing = list(allowed)
        if not self.take("{"):
            raise self.error("payoff-syntax", "an opening brace must come here")
        closed = self.take("}")
        while not closed:
            self.space()
            position = self.position
            key = self.key()
            if key not in missing:
                inside = f" in cell {cell}" if cell else ""
                if key in allowed:
                    raise self.error("payoff-duplicate", f"{key} comes twice{inside}", position)
                message = f"unknown key {key[:40]!r}{inside}; the keys are {', '.join(allowed)}"
                raise self.error("payoff-key", message, position)
            missing.remove(key)
            if not self.take(":"):
                raise self.error("payoff-syntax", "a colon must come here")
            yield key
            closed = self.close()
            if not closed and not self.take(","):
                raise self.error("payoff-syntax", "a comma or a closing brace must come here")
        if missing:
            message = f"{cell or 'the payoff'} lacks {', '.join(missing)}"
            raise self.error("payoff-missing", message, where)

    def number(self) -> float:
        found = NUMBER.match(self.text, self.position, self.end)
        if found is None:
            if _CONSTANT.match(self.text, self.position, self.end):
                raise self.error("payoff-finite", "a payoff must be finite")
            if _OTHER.match(self.text, self.position, self.end):
                raise self.error("payoff-number", "a payoff must be a number")
            raise self.error("payoff-syntax", "a number must come here")
        # float() reads digits of any length in linear time; what overflows becomes infinite and
        # so out of range.
        value = float(found.group())
        low, high = self.reader.low, self.reader.high
        if not low - TOLERANCE <= value <= high + TOLERANCE:
            raise self.error("payoff-range", f"a payoff must lie in [{low:g}, {high:g}]")
        if not math.isfinite(value):
            raise self.error("payoff-finite", "a payoff must be finite")
        self.position = found.end()
        return value
