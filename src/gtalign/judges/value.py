"""The last value of a text that announces none: its last formula or number, as a whole."""
# ruff: noqa: RUF001

import re
from typing import Final

from gtalign.judges.equality import SCALES

LETTER: Final = r"[^\W\d_\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209c\u2150-\u215e]"
"""A letter, and no raised or lowered digit."""
PICTURE: Final = (
    "\u2190-\u21ff\u220e\u25a0-\u25ff\u2600-\u2714\u2717-\u2794\u2798-\u27bf\u2b00-\u2bff"
    "\U0001f000-\U0001faff\ufe0f"
)
"""Arrows and pictures, as the inside of a class; not the signs of multiplication among them."""
_FORMULA: Final = re.compile(
    r"\$\$([^$]+)\$\$|\$(?!\s)([^$\n]+)(?<!\s)\$(?!\d)"
    # an opening mark ends the attempt, so that many cost no more
    r"|\\\(((?:(?!\\[()]).)+)\\\)|\\\[((?:(?!\\[\[\]]).)+)\\\]",
    re.DOTALL,
)
NEAR: Final = 400
"""Characters at the end of a response that are looked through first."""
_WIDE: Final = "\u0e00-\u0e7f\u1100-\u11ff\u3041-\u30fa\u30fc-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Letters of scripts that set no spaces around numbers, as the inside of a class."""
_NUMBER: Final = re.compile(
    rf"(?:(?<!\w)|(?<=[{_WIDE}]))"
    r"(?:\.(?=\d))?[\d\u00bc-\u00be\u2150-\u215e]"
)
"""Where a number begins."""
AROUND: Final = 160
"""Characters on either side of a number that are looked through for its formula."""

_FUNCTIONS: Final = r"(?:arc)?(?:sin|cos|tan)h?|sqrt|log|ln|exp|mod|choose"
_BEHIND: Final = "|".join(word for word in SCALES if word.isascii()) + (
    "|squared|cubed|factorial|percent|per ?cent|half|halves|thirds?|quarters?|fifths|tenths"
)
_BREAK: Final = re.compile(
    rf"(?<![\\A-Za-z\d])(?!(?:{_FUNCTIONS}|{_BEHIND})s?\b){LETTER}{{2,}}"
    rf"|[{_WIDE}]+(?<![万萬億亿千百만억])"
    r"|(?<!\S)[AaI](?=\s)|['\u2019](?:s|re|m|d|ll|ve)\b|(?<![\d)])\*\*|\*\*(?![\d(])|__"
    rf"|[\n\u3002\uff01\uff1f\uff1b?\u2014\"\u201c\u201d`$&\u20ac\u00a3{PICTURE}]"
    r"|\\(?:begin|end)\{\w+\*?\}|[-=]>|\.(?![\d\u0660-\u0669])|(?<=[^\s\d]):|:(?=\s)(?<!\s:)"
    r"|,(?!\s*[-+\u2212\d(])"
)
"""What no formula holds: words of prose, and the end of a sentence."""
_JOINED: Final = re.compile(
    r"[\d%)}\]]\W*\s(?:and|or|to|und|oder|bis|et|ou|à|a|y|o|e|u|en)\s\W*$|[\d]\s?(?:和|或|到|至|と|か)\s?$"
)
_QUALIFIED: Final = re.compile(
    r"\b(?:minus|negative|plus|than|at least|at most|half of|times|over|by|of|to the power of"
    r"|root|between|january|february|march|april|may|june|july|august|september|october|november"
    r"|december|steps?|equations?|figure|table|case|part|line|section|page|question|problem|example"
    r"|theorem|lemma|chapter|exercise|method)\s\W*$",
    re.IGNORECASE,
)
DIGIT: Final = re.compile(r"[\d\u00bc-\u00be\u2150-\u215e]")
_OPERATOR_FIRST: Final = re.compile(
    r"[+*/^×·÷<>≤≥≠⩽⩾!%]|-\s|[\u2212\u2013]\s|\\(?:le|ge|ne|lt|gt|times|cdot)"
)
_OPERATOR_LAST: Final = re.compile(r"[-+*/^×·÷<>≤≥≠⩽⩾=_\\√]\Z")
_SEVERAL: Final = re.compile(r"\d\s*,\s+[-\d(]|;|\d\s?[-\u2013]\s?\d|\d[^\S\u00a0\u2009\u202f]+\d")
_LISTING: Final = re.compile(r"\d\s*[,;]\s")
_GROUPED: Final = re.compile(
    r"[-+\u2212]?\d{1,3}(?: \d{3})+(?:[.,]\d+)?|[-+\u2212]?\d+ \d+\s?[/\u2044]\s?\d+"
)


def last_value(text: str) -> str | None:
    """Return the last formula or number; a number inside a formula is part of it."""
    number, formula = _last_number(text), last_match(_FORMULA, text)
    if formula is not None and (number is None or number.start() < formula.end()):
        return next(found for found in formula.groups() if found is not None).strip() or None
    return None if number is None else _whole(text, number.start())


def _whole(text: str, at: int) -> str | None:
    """Return the number or formula without marks of TeX that a place is in; None if unsure."""
    first, last = max(0, at - AROUND), at + AROUND
    start, end = first, min(last, len(text))
    for found in _BREAK.finditer(text, first, last):
        if found.end() <= at:
            start = found.end()
        elif found.start() > at:
            end = found.start()
            break
    before, found_text = text[first:start], text[start:end]
    bulleted = not before.strip(" \t>") or before.rstrip(" \t>").endswith("\n")
    if found_text.rstrip().endswith("!"):
        return None  # of a sentence or a factorial
    value = found_text.lstrip(" \t*_'\u2019,:\u3001").rstrip(" \t*_'\u2019,.:;\u3001([{")
    if bulleted:
        value = re.sub(r"^[-+*\u2022]\s+", "", value)
    head, equals, tail = value.rpartition("=")
    value = tail.strip() if equals else value
    if equals and (head.rstrip().endswith((":", "<", ">", "!")) or _LISTING.search(head)):
        return None
    if equals and head[-2:].strip() and _assigned_before(head, before):
        return None
    about = re.split(r"\s*(?:≈|\\approx|≃)\s*", value, maxsplit=1)
    if len(about) == 2:
        value = about[0] if DIGIT.search(about[0]) else about[1]
    value = _unbracketed(value)
    spaced_sign = equals and re.match(r"[-\u2212\u2013]\s", value)
    if not value or (_OPERATOR_FIRST.match(value) and not spaced_sign):
        return None
    several = _SEVERAL.search(value) and not _enclosed(value) and not _GROUPED.fullmatch(value)
    if several or _OPERATOR_LAST.search(value):
        return None
    context = before + " "
    if _JOINED.search(context) or _QUALIFIED.search(context):
        return None
    return value


def _assigned_before(head: str, before: str) -> bool:
    """Whether the text before gives the same name another value: "x = 3, x = 4"."""
    name = head.split()[-1]
    return re.search(rf"(?<!\w){re.escape(name)}\s?=[^=\n]*,\s?$", before) is not None


def _enclosed(value: str) -> bool:
    """Whether a value is a tuple, a set or an interval."""
    return value[0] in "([{" and value[-1] in ")]}"


def _unbracketed(value: str) -> str:
    """Return a value without a bracket whose partner it lacks."""
    if value[:1] in "([{" and not any(closing in value for closing in ")]}"):
        return value[1:].strip()
    if value[-1:] in ")]}" and not any(opening in value for opening in "([{"):
        return value[:-1].strip()
    return value


def _last_number(text: str) -> re.Match[str] | None:
    """Where the last number begins; it is mostly near the end, which is looked through first."""
    near = max(0, len(text) - NEAR)
    found = last_match(_NUMBER, text, near)
    if found is not None and found.start() > near + NEAR // 2:
        return found
    return last_match(_NUMBER, text)


def last_match(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    """Return the last match of a pattern in a text from a place on; None if there is none."""
    found: re.Match[str] | None = None
    for found in pattern.finditer(text, start):  # noqa: B007 (the last one is kept)
        pass
    return found
