r"""Equality of two mathematical answers, without a computer algebra system.

Numbers are compared by value, in any notation: `1,000`, `0.5`, `\frac{1}{2}`, `1\frac12`, `50\%`,
`9.28 \times 10^{2}`, `1.6e-19`, with Unicode's minus signs, digits and fractions. Whole numbers and
fractions have to be equal. Where either number is a decimal, a relative difference of `TOLERANCE`
is allowed, so that a tiny number equals no other tiny number. Letters of choices are compared with
letters of choices. All else is equal if it is written alike, and otherwise unknown.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from gtalign.judges.notation import tex

TOLERANCE: Final = Fraction(1, 1_000_000)
"""Largest relative difference of two equal numbers, where either is written as a decimal."""

_LONGEST_COMPARED: Final = 4_000
"""Characters of the longest answer that is compared."""
_LONGEST: Final = 300
"""Characters of the longest answer that is read as a number."""
_MOST_DIGITS: Final = 1000
"""Largest power of ten that is computed."""

_WRAPPED: Final = re.compile(
    r"\\\((.*)\\\)|\\\[(.*)\\\]|\$\$(.*)\$\$|\$([^$]*)\$|\*\*(.*)\*\*|\"(.*)\"|\{([^{}]*)\}",
    re.DOTALL,
)
_STYLES: Final = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mbox|math(?:rm|bf|it|sf)|boldsymbol|bm|bf|rm|underline"
    r"|operatorname|(?:text)?color\s*\{[^{}]*\})\s*\{([^{}]*)\}"
)
_SPACING: Final = re.compile(
    r"\\(?:left|right|[dD]isplaystyle|textstyle|tiny|small|large|Large|LARGE|huge|Huge)(?![A-Za-z])|\\!"
)
_SPACES: Final = re.compile(r"\\(?:[,;: ]|quad|qquad)|~")
_GROUPED: Final = re.compile(
    # one sign between all groups of three; a comma between all of two, and of three at the end
    r"(?<![\d.,])[1-9]\d{0,2}(?:(?:(?:,(?:\\!)?|\{,\})\d{3})+(?!,?\d)"
    r"|(?P<sign>\\[,!;:]|[ '_~]|\\_)\d{3}(?:(?P=sign)\d{3})*(?!\d)(?!\s*(?:/|\\frac)))"
    r"|(?<![\d.,])[1-9]\d?(?:,\d\d)+,\d{3}(?!,?\d)"
)
_GAP: Final = r"(?:\\[,;: ]|\s)*"
_EXPONENT: Final = re.compile(
    rf"(?<=\d){_GAP}\\(?:mathrm|text)\s*\{{\s*[eE]\s*\}}{_GAP}\{{?\s*([-+]?\d+)\s*\}}?"
)
_COMMA: Final = re.compile(
    r"([-+]?)(\d{1,3}(?:\.\d{3})+|\d+)(?:,|\{,\})(\d+)((?:\s*(?:\\cdot|\\times|\*)\s*10.*|\s*[^\d,;]*)?)"
)
_POINTS: Final = re.compile(r"[-+]?\d{1,3}(?:\.\d{3}){2,}")
_DEGREES: Final = re.compile(r"\^\{?\s*\\circ\s*\}?")
_ASSIGNED: Final = re.compile(
    r"\s*(?:(?:\\angle\s*)?[A-Za-z]{1,3}(?:_\{?\w+\}?)?(?:\([A-Za-z]\))?\s*(?:=|\\approx|\\simeq)"
    r"|=|\\approx|\\simeq|approximately |about |(?i:(?:the\s+)?(?:final\s+)?answer\s+is\s))\s*"
)
_CHAINED: Final = re.compile(r"\s*(?:=|\\approx(?![A-Za-z])|\\simeq(?![A-Za-z])).*", re.DOTALL)
_NEGATIVE: Final = re.compile(r"(?:negative|minus)\s+(?=[\d.\\$])", re.IGNORECASE)

_Read = tuple[Fraction, bool, str, str]
"""A value, whether it is written exactly, the sign of percent behind it, and the rest."""

_DECIMAL: Final = r"(?:\d+(?:\.\d*)?|\.\d+)"
_POWER: Final = (
    r"(?:\s*(?:\\times|\\cdot|[*x])\s*10\s*(?:\^|\*\*)\s*(?:\{\s*([-+]?\d+)\s*\}|\(?([-+]?\d+)\)?)"
    r"|[eE]([-+]?\d+))"
)
_RATIO: Final = (
    rf"(?:\\frac\s*\{{\s*([-+]?{_DECIMAL})\s*\}}\s*\{{\s*([-+]?{_DECIMAL})\s*\}}"
    rf"|({_DECIMAL})\s*/\s*({_DECIMAL}))"
)
_SIGN: Final = r"([-+]?)\s*"
_MONEY: Final = r"(?:\\?\$|[\u20ac\u00a3\u00a5\u20b9]|(?:USD|EUR|GBP|Rs\.?)(?=[\s\d]))?\s*"
_REST: Final = r"(\s*\\?%|\s*per ?cent\b|\s*[\u2030\u2031])?(.*)"
_SCIENTIFIC: Final = re.compile(rf"{_SIGN}{_MONEY}({_DECIMAL}){_POWER}?{_REST}", re.DOTALL)
_TEN: Final = re.compile(
    rf"{_SIGN}10\s*(?:\^|\*\*)\s*(?:\{{\s*([-+]?\d+)\s*\}}|\(?([-+]?\d+)\)?){_REST}", re.DOTALL
)
_FRACTION: Final = re.compile(
    rf"{_SIGN}{_MONEY}(?:(\d+)(?:\s*(?=\\frac)|\s+(?=\d)))?{_RATIO}{_REST}", re.DOTALL
)

_REPEATING: Final = re.compile(
    rf"{_SIGN}(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*(?:\{{(\d+)\}}|(\d))|\((\d+)\)){_REST}",
    re.DOTALL,
)
_BASED: Final = re.compile(r"(\d+)_(?:\{?\(?(\d+)\)?\}?)")

_UNIT: Final = re.compile(
    r"(?:\s*(?:[/*.-]|\\cdot)?\s*(?:\\(?:mu|Omega)\s*)?[^\W\d_]*(?:[^\W\d_]|\\Omega)(?:\s*\^\{?-?\d\}?|-?\d)?"
    r"|\s*[\u20ac\u00a3\u00a5\u20b9]){1,6}"
)
_NO_UNIT: Final = re.compile(
    r"\b(?:and|or|to|pi|e|i|sqrt|ln|log|exp|sin|cos|tan|not|squared|cubed|factorial|times|choose|divided|by|half|halves"
    r"|thirds?|quarters?|(?:fif|six|seven|eigh|nin|ten|hundred)ths?|plus"
    r"|minus|over|more|less|than|mil|mille|mila|tausend|duizend|hundert|cent|milli(?:on|ard)\w*"
    r"|mil[hl][oõ](?:n|ne)?s|тыс\w*|миллион\w*)\b|^\s*[a-z]\b",
    re.IGNORECASE,
)
_ONE_LETTER: Final = re.compile(r"\s+[mgshJNWVAKCFLT](?:\^?\{?-?\d\}?)?(?![A-Za-z])")
_ATTACHED: Final = re.compile(
    r"(?:[kcdmn]?(?:m|g|s|l|L|J|N|W|V|A|Hz|Pa|mol|eV)|min|hr?s?|in|ft|lbs?|oz|mph|kmh|km/h|rpm|C|F|K"
    r"|st|nd|rd|th)(?:[\^/*{-].*|\d)?"
)
_DIVIDED: Final = re.compile(r"\s*(?:[/*]|\\cdot)\s*")
_PARTS: Final = {"\u2030": 1000, "\u2031": 10_000}
"""Signs of parts of a thousand and of ten thousand."""
SCALES: Final = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
    "lakh": 10**5,
    "crore": 10**7,
    **dict.fromkeys("百백", 10**2),
    **dict.fromkeys("千천", 10**3),
    **dict.fromkeys("万萬만", 10**4),
    **dict.fromkeys("亿億억", 10**8),
}
"""What a word behind a number multiplies it by."""
_SCALE: Final = re.compile(
    rf"\s*(?:({'|'.join(word for word in SCALES if word.isascii())})s?\b"
    rf"|([{''.join(word for word in SCALES if not word.isascii())}]))",
    re.IGNORECASE,
)

_CHOICE: Final = re.compile(
    r"(?:(?:option|choice|answer)\s*)?(?:\(([A-Ja-j])\)|([A-J])[.):]?)(?:(?<=[).:])\s+\S.*)?",
    re.DOTALL,
)
_LABEL: Final = re.compile(r"(?:\([A-Ja-j]\)|[A-J][.):])\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written in an answer.

    Args:
        value: Its exact value.
        exact: Whether it is written without a decimal point.
        percent: Whether a percent sign follows it; the value is that before the sign.
        unit: The unit that follows it, without spaces; empty if there is none.
    """

    value: Fraction
    exact: bool
    percent: bool
    unit: str


def same_answer(answer: str, truth: str) -> bool | None:
    """Whether two mathematical answers are equal; None where that cannot be decided here.

    Args:
        answer: A final answer, such as `gtalign.judges.answer.final_answer` finds.
        truth: The right answer.
    """
    if max(len(answer), len(truth)) > _LONGEST_COMPARED:
        return None
    ours, theirs = spelled(answer), spelled(truth)
    if ours and ours == theirs:
        return True
    letter = choice(truth)
    if letter is not None:
        chosen = choice(answer)
        return None if chosen is None else chosen == letter
    one, other = number(answer), number(truth)
    if one is None or other is None or (one.unit and other.unit and one.unit != other.unit):
        return None
    if (
        one.value != other.value
        and "_" in (one.unit[:1], other.unit[:1])
        and one.unit != other.unit
    ):
        return None  # one is in another base
    if one.percent == other.percent:
        return _equal(one.value, other.value, exact=one.exact and other.exact)
    share, plain = (one, other) if one.percent else (other, one)
    wanted = (share.value, share.value / 100)  # "50%" for 50 and for 0.5
    return any(_equal(value, plain.value, exact=share.exact and plain.exact) for value in wanted)


def with_point(text: str) -> str | None:
    """Return a number that has a comma for its point, as much of the world writes it; else None.

    ``1.234,5`` and ``3,5`` become ``1234.5`` and ``3.5``, and ``1.000.000`` becomes ``1000000``. A
    comma before three digits may separate thousands: ``1,234`` is None.
    """
    text = _simple(text)
    if _POINTS.fullmatch(text):
        return text.replace(".", "")
    found = _COMMA.fullmatch(text)
    if found is None:
        return None
    sign, whole, decimals, rest = found.groups()
    return f"{sign}{whole.replace('.', '')}.{decimals}{rest}"


@lru_cache(maxsize=4096)
def number(text: str) -> Number | None:
    """Return the number that an answer is, with its unit; None if it is something else."""
    text = _simple(text)
    if len(text) > _LONGEST:
        return None
    text = _ASSIGNED.sub("", text, count=1) if _ASSIGNED.match(text) else text
    label = _LABEL.match(text)
    text = (text if label is None else text[label.end() :]).strip()
    text = _NEGATIVE.sub("-", _CHAINED.sub("", text), count=1)
    based = _BASED.fullmatch(text)
    if based is not None:
        return Number(Fraction(based[1]), True, False, f"_{based[2]}")
    for read in (_read_repeating, _read_fraction, _read_ten, _read_scientific):
        found = read(text)
        if found is not None:
            return _scaled(*found)
    return None


def choice(text: str) -> str | None:
    """Return the letter of the choice that an answer names, as in "(C)", "C." or "(C) 12"."""
    found = _CHOICE.fullmatch(_simple(text))
    return None if found is None else (found[1] or found[2]).upper()


@lru_cache(maxsize=4096)
def spelled(text: str) -> str:
    r"""Return an answer in one spelling, for comparison as text.

    Spaces, marks of layout and of degrees, dollar and percent signs, separators of thousands,
    capitals and a final full stop go; ``\dfrac``, ``\tfrac`` and ``\frac12`` become ``\frac{}{}``.
    """
    text = _DEGREES.sub("", _simple(text))
    return re.sub(r"\\?[%$]|\s", "", text).rstrip(".").casefold()


def _simple(text: str) -> str:
    """Return an answer in plain characters, without its wrapping and marks of layout."""
    text = tex(text).strip()
    while True:
        wrapped = _WRAPPED.fullmatch(text)
        if wrapped is None:
            break
        text = next(group for group in wrapped.groups() if group is not None).strip()
    text = _EXPONENT.sub(r"e\1", text)
    text = _SPACING.sub("", _STYLES.sub(r" \1 ", _GROUPED.sub(_ungrouped, text)))
    text = _SPACES.sub(" ", text).strip()
    return text.rstrip(".\\ ") if text.endswith((".", "\\")) else text


def _ungrouped(found: re.Match[str]) -> str:
    return re.sub(r"\D", "", found[0])


def _scaled(value: Fraction, exact: bool, mark: str, rest: str) -> Number | None:
    """A number with what follows it: a percent sign, a word such as "million", a unit."""
    if mark in _PARTS:
        value, exact = value / _PARTS[mark], False
    scale = None if mark else _SCALE.match(rest)
    if scale is not None:
        value *= SCALES[(scale[1] or scale[2]).lower()]
        rest = rest[scale.end() :]
    unit = _unit(rest)
    return None if unit is None else Number(value, exact, bool(mark) and mark not in _PARTS, unit)


def _read_repeating(text: str) -> _Read | None:
    found = _REPEATING.fullmatch(text)
    if found is None:
        return None
    sign, whole, fixed, *periods, mark, rest = found.groups()
    period = next(one for one in periods if one is not None)
    once = Fraction(int(period), 10 ** len(period) - 1) / 10 ** len(fixed)
    value = Fraction(f"{whole or 0}.{fixed or 0}") + once
    return (-value if sign == "-" else value), True, (mark or "").strip(), rest


def _read_fraction(text: str) -> _Read | None:
    found = _FRACTION.fullmatch(text)
    if found is None:
        return None
    sign, whole, *parts, percent, rest = found.groups()
    above, below = (part for part in parts if part is not None)
    bottom = Fraction(below)
    if bottom == 0:
        return None
    value = Fraction(whole or 0) + Fraction(above) / bottom
    exact = "." not in above + below
    return (-value if sign == "-" else value), exact, (percent or "").strip(), rest


def _read_ten(text: str) -> _Read | None:
    found = _TEN.fullmatch(text)
    if found is None:
        return None
    sign, braced, bare, percent, rest = found.groups()
    power = _ten(braced or bare)
    if power is None:
        return None
    return (-power if sign == "-" else power), True, (percent or "").strip(), rest


def _read_scientific(text: str) -> _Read | None:
    found = _SCIENTIFIC.fullmatch(text)
    if found is None:
        return None
    sign, digits, *powers, percent, rest = found.groups()
    power = _ten(next((one for one in powers if one is not None), "0"))
    if power is None:
        return None
    value = Fraction(digits) * power
    return (-value if sign == "-" else value), "." not in digits, (percent or "").strip(), rest


def _ten(exponent: str) -> Fraction | None:
    """A power of ten; None for one that would fill the memory."""
    if len(exponent) > 6 or abs(int(exponent)) > _MOST_DIGITS:
        return None
    return Fraction(10) ** int(exponent)


def _unit(rest: str) -> str | None:
    """The unit that follows a number; None if what follows is no unit."""
    rest = _DEGREES.sub("", rest).rstrip(". ")
    if not rest.strip():
        return ""
    if _UNIT.fullmatch(rest) is None:
        return None
    if _ONE_LETTER.match(rest) is None and _NO_UNIT.search(rest) is not None:
        return None
    divided = _DIVIDED.match(rest)
    if divided is not None and _ATTACHED.fullmatch(rest, divided.end()) is None:
        return None
    if rest[0].isascii() and rest[0].isalpha() and _ATTACHED.fullmatch(rest) is None:
        return None  # "2x" is a product
    return re.sub(r"[\s{}^]", "", rest)


def _equal(one: Fraction, other: Fraction, *, exact: bool) -> bool:
    if exact or one == other:
        return one == other
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))
