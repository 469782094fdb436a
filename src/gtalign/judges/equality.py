r"""Equality of two mathematical answers, without a computer algebra system.

Numbers are compared by value, in any notation: `1,000`, `0.5`, `\frac{1}{2}`, `1\frac12`, `50\%`,
`9.28 \times 10^{2}`, `1.6e-19`, with Unicode's minus signs, digits and fractions. Whole numbers and
fractions have to be equal. Where either number is a decimal, a relative difference of `TOLERANCE`
is allowed, so that a tiny number equals no other tiny number. Letters of choices are compared with
letters of choices. All else is equal if it is written alike, and otherwise unknown.
"""

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

TOLERANCE: Final = Fraction(1, 1_000_000)
"""Largest relative difference of two equal numbers, where either is written as a decimal."""

_LONGEST_COMPARED: Final = 4_000
"""Characters of the longest answer that is compared."""
_LONGEST: Final = 300
"""Characters of the longest answer that is read as a number."""
_MOST_DIGITS: Final = 1000
"""Largest power of ten that is computed."""

_SIGNS: Final = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u00d7\u2715\u2a09", r"\times "),
    **dict.fromkeys("\u00b7\u22c5\u2219", r"\cdot "),
    **dict.fromkeys("\u2044\u2215\u00f7", "/"),
    **dict.fromkeys("\u2018\u2019\u2032", "'"),
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", "\u2009"),
    "\u00b0": r"^\circ",
    "\u03c0": r"\pi ",
    "\u00b1": r"\pm ",
    "\u066a": "%",
    "\u066b": ".",
    "\u066c": ",",
    "\u221e": r"\infty ",
    "\u3002": ".",
}
_ROOT: Final = re.compile(r"([\u221a\u221b\u221c])\s*(\d+|[A-Za-z])?")
_DEGREE: Final = {"\u221a": "", "\u221b": "[3]", "\u221c": "[4]"}
_RAISED: Final = re.compile("[\u207a\u207b\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")

_WRAPPED: Final = re.compile(
    r"\\\((.*)\\\)|\\\[(.*)\\\]|\$\$(.*)\$\$|\$([^$]*)\$|\*\*(.*)\*\*|\"(.*)\"|\{([^{}]*)\}",
    re.DOTALL,
)
_STYLES: Final = re.compile(
    r"\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf|mathit|boldsymbol|bf|rm)\s*\{([^{}]*)\}"
)
_SPACING: Final = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\!")
_SPACES: Final = re.compile(r"\\(?:[,;: ]|quad|qquad)|~|\u2009")
_GROUPS: Final = re.compile(
    r"(?<=\d)(?:,|\{,\}|\\[,!;:]|\u2009|'|\\?_)(?=\d{3}(?!\d))"
    r"|(?<=\d),(?=(?:\d\d,)+\d{3}(?!\d))"
)
_GAP: Final = r"(?:\\[,;: ]|\s)*"
_EXPONENT: Final = re.compile(
    rf"(?<=\d){_GAP}\\(?:mathrm|text)\s*\{{\s*[eE]\s*\}}{_GAP}\{{?\s*([-+]?\d+)\s*\}}?"
)
_COMMA: Final = re.compile(r"[-+]?(?:\d{1,3}(?:[. \u2009]\d{3})+|\d+)(?:,|\{,\})\d+")
_POINTS: Final = re.compile(r"[-+]?\d{1,3}(?:\.\d{3}){2,}")
_SHORT_FRACTION: Final = re.compile(r"\\frac\s*(\d)\s*(\d)(?!\d)")
_DEGREES: Final = re.compile(r"\^\{?\s*\\circ\s*\}?")
_ASSIGNED: Final = re.compile(
    r"\s*(?:[A-Za-z]{1,2}(?:_\{?\w+\}?)?(?:\([A-Za-z]\))?\s*(?:=|\\approx|\\simeq)"
    r"|=|\\approx|\\simeq|\u2248|approximately |about )\s*"
)

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
_MONEY: Final = r"(?:\\?\$|[\u20ac\u00a3\u00a5\u20b9])?\s*"
_REST: Final = r"(\s*\\?%)?(.*)"
_SCIENTIFIC: Final = re.compile(rf"{_SIGN}{_MONEY}({_DECIMAL}){_POWER}?{_REST}", re.DOTALL)
_TEN: Final = re.compile(
    rf"{_SIGN}10\s*(?:\^|\*\*)\s*(?:\{{\s*([-+]?\d+)\s*\}}|\(?([-+]?\d+)\)?){_REST}", re.DOTALL
)
_FRACTION: Final = re.compile(
    rf"{_SIGN}{_MONEY}(?:(\d+)(?:\s*(?=\\frac)|\s+(?=\d)))?{_RATIO}{_REST}", re.DOTALL
)

_UNIT: Final = re.compile(
    r"(?:\s*(?:[/\u00b7*.-]|\\cdot)?\s*[A-Za-z\u00b5\u03bc\u03a9\u2126\u00c5]+(?:\^?\{?-?\d\}?)?){1,6}"
)
_NO_UNIT: Final = re.compile(
    r"\b(?:and|or|to|pi|e|i|sqrt|ln|log|exp|sin|cos|tan|not)\b|^\s*[a-z]\b"
)
_ONE_LETTER: Final = re.compile(r"\s+[mgshJNWVAKCFLT](?:\^?\{?-?\d\}?)?(?![A-Za-z])")

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
    if _COMMA.fullmatch(text) is None:
        return None
    whole, _, rest = text.replace("{,}", ",").rpartition(",")
    return f"{re.sub('[^0-9+-]', '', whole)}.{rest}"


@lru_cache(maxsize=4096)
def number(text: str) -> Number | None:
    """Return the number that an answer is, with its unit; None if it is something else."""
    text = _simple(text)
    if len(text) > _LONGEST:
        return None
    text = _ASSIGNED.sub("", text, count=1) if _ASSIGNED.match(text) else text
    label = _LABEL.match(text)
    text = (text if label is None else text[label.end() :]).strip()
    for read in (_read_fraction, _read_ten, _read_scientific):
        found = read(text)
        if found is not None:
            value, exact, percent, rest = found
            unit = _unit(rest)
            return None if unit is None else Number(value, exact, percent, unit)
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


def tex(text: str) -> str:
    """Return a text whose digits, signs, fractions, roots and raised numbers are ASCII and TeX."""
    if text.isascii():
        return text
    text = _RAISED.sub(lambda found: f"^{{{unicodedata.normalize('NFKC', found[0])}}}", text)
    text = _ROOT.sub(_root, text)
    return "".join(map(_character, text)).replace("\u2212", "-")


def _simple(text: str) -> str:
    """Return an answer in plain characters, without its wrapping and marks of layout."""
    text = tex(text).strip()
    while True:
        wrapped = _WRAPPED.fullmatch(text)
        if wrapped is None:
            break
        text = next(group for group in wrapped.groups() if group is not None).strip()
    text = _EXPONENT.sub(r"e\1", text)
    text = _SPACING.sub("", re.sub(r"\\[dt]frac(?![A-Za-z])", r"\\frac", text))
    text = _SPACES.sub(" ", _STYLES.sub(r" \1 ", _GROUPS.sub("", text)))
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text).strip()
    return text[:-1].rstrip() if text.endswith(".") else text


def _root(found: re.Match[str]) -> str:
    """A root of a number or a letter in TeX; of anything else the sign, before its brackets."""
    inner = "" if found[2] is None else f"{{{found[2]}}}"
    return rf"\sqrt{_DEGREE[found[1]]}{inner}"


@lru_cache(maxsize=4096)
def _character(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    folded = unicodedata.normalize("NFKC", character)
    if "\u2044" in folded:  # a vulgar fraction: 1 and a half is not 11/2
        return r" \frac{{{}}}{{{}}}".format(*folded.split("\u2044"))
    return folded


def _read_fraction(text: str) -> tuple[Fraction, bool, bool, str] | None:
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
    return (-value if sign == "-" else value), exact, percent is not None, rest


def _read_ten(text: str) -> tuple[Fraction, bool, bool, str] | None:
    found = _TEN.fullmatch(text)
    if found is None:
        return None
    sign, braced, bare, percent, rest = found.groups()
    power = _ten(braced or bare)
    if power is None:
        return None
    return (-power if sign == "-" else power), True, percent is not None, rest


def _read_scientific(text: str) -> tuple[Fraction, bool, bool, str] | None:
    found = _SCIENTIFIC.fullmatch(text)
    if found is None:
        return None
    sign, digits, *powers, percent, rest = found.groups()
    power = _ten(next((one for one in powers if one is not None), "0"))
    if power is None:
        return None
    value = Fraction(digits) * power
    return (-value if sign == "-" else value), "." not in digits, percent is not None, rest


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
    if rest[0].isalpha() and not rest[1:2].isalpha():
        return None  # "2x" is a product
    return re.sub(r"\s", "", rest)


def _equal(one: Fraction, other: Fraction, *, exact: bool) -> bool:
    if exact or one == other:
        return one == other
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))
