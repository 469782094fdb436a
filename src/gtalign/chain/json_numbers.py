"""Grammar rules for the numbers of JSON that lie in a range, or are multiples of something.

An integer has up to 16 digits. A number with a fraction has so few digits that floats tell it apart
from the bounds of its range, and no exponent.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

from gtalign.errors import DataError

NUMBER_WORDS: Final = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
"""What a schema may say of a number."""

_WHOLE: Final = 16  # digits of an integer
_EXACT: Final = 15  # digits of decimal numbers no two of which are the same float
_LISTED: Final = 500  # most multiples that are listed


class _End(NamedTuple):
    """An end of a range, which `without` is not in the range itself."""

    value: Fraction
    without: bool


class _Places(NamedTuple):
    """The decimal places of an end."""

    digits: str
    without: bool


def number_rule(schema: Mapping[str, Any], *, whole: bool) -> str:
    """The rule for the numbers that a schema allows.

    Args:
        schema: The schema, which says one of `NUMBER_WORDS` or more.
        whole: Whether they are integers.

    Raises:
        DataError: No rule writes such numbers, or there are none.
    """
    lows = _ends(schema, "minimum", "exclusiveMinimum")
    highs = _ends(schema, "maximum", "exclusiveMaximum")
    low = max(lows, default=None)
    high = min(highs, key=lambda end: (end.value, not end.without), default=None)
    step = _value(schema, "multipleOf")
    if step is not None and step <= 0:
        raise DataError("'multipleOf' has to be more than 0")
    magnitudes = _magnitudes(step, whole)
    ways = list(_signed(low, high, magnitudes))
    if not ways:
        raise DataError("no number that a grammar writes lies in its range")
    return " | ".join(ways)


def _ends(schema: Mapping[str, Any], word: str, exclusive: str) -> list[_End]:
    """What a schema says of one end."""
    without = schema.get(exclusive)
    given = [(word, False), (exclusive, True)]
    if isinstance(without, bool):  # as in draft 4, and in OpenAPI
        given = [(word, without)]
    values = [(_value(schema, name), open_) for name, open_ in given]
    return [_End(value, open_) for value, open_ in values if value is not None]


def _value(schema: Mapping[str, Any], word: str) -> Fraction | None:
    if word not in schema:
        return None
    value = schema[word]
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(repr(value))
    raise DataError(f"{word!r} has to be a number")


_Magnitudes = Callable[[_End, _End | None], Iterator[str]]
"""Makes the alternatives for the numbers of a range that begins at 0 or above."""


def _magnitudes(step: Fraction | None, whole: bool) -> _Magnitudes:
    if whole or (step is not None and step.denominator == 1):
        multiple = 1 if step is None else step.numerator
        return lambda low, high: _integers(low, high, multiple)
    if step is None:
        return lambda low, high: _decimals(low, high, _EXACT)
    places = len(str(step.denominator)) - 1
    if step == Fraction(1, 10**places):
        return lambda low, high: _decimals(low, high, places)
    return lambda low, high: _listed(low, high, step)


def _signed(low: _End | None, high: _End | None, ways: _Magnitudes) -> Iterator[str]:
    """The alternatives on both sides of 0."""
    zero = _End(Fraction(0), False)
    least = None if low is None else _turned(low)
    if high is not None and (high.value < 0 or high == _End(Fraction(0), True)):
        below, above = list(ways(_turned(high), least)), []
    else:
        below = [] if least is not None and least.value <= 0 else list(ways(zero, least))
        above = list(ways(zero if low is None or low.value < 0 else low, high))
    if below and below == above:
        yield f'"-"? {_one_of(below)}'
        return
    yield from above
    if below:
        yield f'"-" {_one_of(below)}'


def _turned(end: _End) -> _End:
    return _End(-end.value, end.without)


def _first(low: _End, step: Fraction | int = 1) -> int:
    """How often a step fits into the least number of a range, which is a multiple of it."""
    times = low.value / step
    return math.floor(times) + 1 if low.without else math.ceil(times)


def _last(high: _End, step: Fraction | int = 1) -> int:
    times = high.value / step
    return math.ceil(times) - 1 if high.without else math.floor(times)


def _listed(low: _End, high: _End | None, step: Fraction) -> Iterator[str]:
    """The multiples of a number, one by one."""
    first, last = _first(low, step), None if high is None else _last(high, step)
    if last is None or last - first >= _LISTED:
        raise DataError(f"more than {_LISTED} multiples lie in its range")
    places = next(places for places in range(400) if (10**places * step).denominator == 1)
    for times in range(first, last + 1):
        digits = str((10**places * step * times).numerator).rjust(places + 1, "0")
        decimals = digits[-places:].rstrip("0")
        yield f'"{digits[:-places]}.{decimals}"' if decimals else f'"{digits[:-places]}"'


def _integers(low: _End, high: _End | None, step: int) -> Iterator[str]:
    """The integers of a range that are multiples of a number."""
    first, last = _first(low), 10**_WHOLE - 1
    last = last if high is None else min(last, _last(high))
    if first > last:
        return
    if step == 1:
        yield from _natural(first, last)
        return
    block = next((10**n for n in range(_WHOLE) if 10**n % step == 0), 0)
    if last // step - -(-first // step) < _LISTED:
        yield from (f'"{n}"' for n in range(-(-first // step) * step, last + 1, step))
    elif block and block // step <= _LISTED:
        # whatever comes before its last digits, these say whether it is a multiple
        begin, end = max(-(-first // block), 1), (last + 1) // block
        width = len(str(block)) - 1
        endings = [f'"{n:0{width}}"' for n in range(0, block, step)]
        yield from _integers(
            _End(Fraction(first), False), _End(Fraction(begin * block), True), step
        )
        yield f"{_one_of(_natural(begin, end - 1))} {_one_of(endings)}"
        yield from _integers(_End(Fraction(end * block), False), _End(Fraction(last), False), step)
    else:
        raise DataError(f"more than {_LISTED} multiples lie in its range")


def _natural(first: int, last: int) -> Iterator[str]:
    """The integers from one, not below 0, to another."""
    full: list[int] = []  # numbers of digits of which all integers are there
    for digits in range(len(str(first)), len(str(last)) + 1):
        least, most = (10 ** (digits - 1) if digits > 1 else 0), 10**digits - 1
        if digits > 1 and first <= least and most <= last:
            full.append(digits)
        elif max(first, least) <= min(last, most):
            yield from _of_one_length(str(max(first, least)), str(min(last, most)))
    if full:
        yield f"[1-9]{_more(full[0] - 1, full[-1] - 1)}"


def _of_one_length(low: str, high: str) -> Iterator[str]:
    """The numbers from one to another with as many digits."""
    if len(low) == 1:
        yield _digit(int(low), int(high))
        return
    begin, end, rest = int(low[0]), int(high[0]), len(low) - 1
    if begin == end:
        yield f'"{begin}" {_one_of(_of_one_length(low[1:], high[1:]))}'
        return
    if low[1:].strip("0"):
        yield f'"{begin}" {_one_of(_of_one_length(low[1:], "9" * rest))}'
        begin += 1
    if high[1:].strip("9"):
        yield f'"{end}" {_one_of(_of_one_length("0" * rest, high[1:]))}'
        end -= 1
    if begin <= end:
        yield f"{_digit(begin, end)}{_more(rest, rest)}"


def _digit(low: int, high: int) -> str:
    return f'"{low}"' if low == high else f"[{low}-{high}]"


def _more(low: int, high: int) -> str:
    """So many digits more."""
    if low == high:
        return f" [0-9]{{{low}}}" if low > 1 else " [0-9]" * low
    return f" [0-9]{{{low},{high}}}"


def _one_of(ways: Iterable[str]) -> str:
    """One of some alternatives, as a part of a rule."""
    all_of = list(ways)
    return all_of[0] if len(all_of) == 1 else f"({' | '.join(all_of)})"


def _decimals(low: _End, high: _End | None, places: int) -> Iterator[str]:
    """The numbers of a range with up to so many decimal places."""
    most = 10**_EXACT
    if low.value >= most:
        return
    if high is not None and high.value >= most:
        high = None
    begin, end = math.floor(low.value), None if high is None else math.floor(high.value)
    digits = len(str(begin if end is None else max(begin, end)))
    places = min(places, _EXACT - digits)
    above, below = _places(low, least=True), None if high is None else _places(high, least=False)
    first = begin if above == ("", False) else begin + 1
    last = most - 1 if end is None else end - 1
    if first <= last:
        fraction = f' ("." [0-9]{{1,{places}}})?' if places else ""
        yield f"{_one_of(_natural(first, last))}{fraction}"
    if begin == end:
        yield from _beside(begin, above, below, places)
        return
    if first > begin and (end is None or begin < end):
        yield from _beside(begin, above, None, places)
    if end is not None and begin < end:
        yield from _beside(end, None, below, places)


def _places(end: _End, *, least: bool) -> _Places:
    """The decimal places of an end, as many as matter to numbers that have fewer."""
    scaled = (end.value % 1) * 10 ** (_EXACT + 1)
    digits = f"{math.floor(scaled):0{_EXACT + 1}}".rstrip("0")
    # behind the digits there may be more: then a number with fewer is beyond them, or it is not
    return _Places(digits, end.without if scaled.denominator == 1 else least)


def _beside(whole: int, low: _Places | None, high: _Places | None, places: int) -> Iterator[str]:
    """The numbers between an integer and the next of which the decimal places lie in a range."""
    ways, alone = _fraction(low, high, places)
    if ways:
        more = f'"." {_one_of(ways)}'
        yield f'"{whole}" ({more})?' if alone else f'"{whole}" {more}'
    elif alone:
        yield f'"{whole}"'


def _fraction(low: _Places | None, high: _Places | None, places: int) -> tuple[list[str], bool]:
    """The alternatives for the digits that follow in a range, and whether there may be none."""
    if low == ("", False):
        low = None
    alone = low is None and high != ("", True)
    if not places or high == ("", True):
        return [], alone
    if high == ("", False):
        return ([f'"0"{{1,{places}}}'] if low is None else []), alone
    if low is None and high is None:
        return [f"[0-9]{{1,{places}}}"], alone
    begin = int(low.digits[:1] or 0) if low else 0
    end = int(high.digits[0]) if high else 9
    if begin > end:
        return [], alone
    ways = []
    for digit in {begin, end} if low and high else {begin} if low else {end}:
        above = low._replace(digits=low.digits[1:]) if low and digit == begin else None
        below = high._replace(digits=high.digits[1:]) if high and digit == end else None
        rest, enough = _fraction(above, below, places - 1)
        if rest:
            more = f"({' | '.join(rest)})?" if enough else _one_of(rest)
            ways.append(f'"{digit}" {more}')
        elif enough:
            ways.append(f'"{digit}"')
    free = (begin + 1 if low else 0), (end - 1 if high else 9)
    if free[0] <= free[1]:
        ways.append(f"{_digit(*free)}{_more(0, places - 1)}")
    return ways, alone
