"""One spelling for all that is read by rules: what a reader cannot see or would not hear goes.

Rules look for words, and one word can be written in many ways that look alike: with a soft hyphen
or a zero-width space inside, with a typographic apostrophe, with no-break spaces around it, in bold
letters, with entities of HTML. The functions here bring a text into one form, so that no rule has
to know the others. Texts in plain ASCII cost almost nothing.
"""

import html
import re
import unicodedata
from functools import lru_cache
from typing import Final

INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Controls other than white space, and what Unicode calls ignorable by default: soft hyphens,
joiners, marks of direction, variation selectors, fillers, tags."""

APOSTROPHES: Final = (
    "'`\u00b4\u02b9\u02bb-\u02bd\u02c8\u02ca\u02cb\u2018-\u201b\u2032\u2035\u2039\u203a\uff07"
)
"""Apostrophes and single quotes, as the inside of a class of characters."""
QUOTES: Final = '"\u00ab\u00bb\u201c-\u201f\u2033\u2036\u275d\u275e\u2e42\u301d-\u301f\uff02'
"""Double quotes, likewise."""
HYPHENS: Final = "\u2010\u2011\ufe63\uff0d"
"""Hyphens other than that of ASCII."""

_SPACE: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"

_WIDTHS: Final = re.compile(f"[{_SPACE}]")


def _every(inside: str) -> list[str]:
    """Every character of a class, whose ranges have a hyphen between their ends."""
    found: list[str] = []
    for one in re.finditer("(.)-(.)|(.)", inside):
        first, last = one[1] or one[3], one[2] or one[3]
        found += map(chr, range(ord(first), ord(last) + 1))
    return found


_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys(_every(APOSTROPHES), "'"),
        **dict.fromkeys(_every(QUOTES), '"'),
        **dict.fromkeys(_every(HYPHENS), "-"),
        **dict.fromkeys(_every(_SPACE), " "),
        **dict.fromkeys("\x85\u2028\u2029", "\n"),
        "\u2026": "...",
    }
)

_NAMES: Final = (
    "a|abbr|b|big|blockquote|br|center|cite|dd|del|div|dl|dt|em|font|h[1-6]|hr|i|ins|li|mark|ol|p"
    "|q|s|small|span|strike|strong|sub|sup|table|tbody|td|th|thead|tr|u|ul"
)
_TAG: Final = re.compile(
    rf"</?(?:{_NAMES})(?:\s+[\w-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>\"']+))*\s*/?>",
    re.IGNORECASE,
)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_EMPHASIS: Final = re.compile(r"[*_~]+")
_ESCAPE: Final = re.compile(r"\\(?=['\"*_`~#>!])")


_ODD: Final = re.compile("[^\t\n\r -~]+")
"""Runs of characters other than those of ASCII that are seen."""


def visible(text: str) -> str:
    """Return a text without its invisible characters; white space stays as it is."""
    return _ODD.sub(lambda found: INVISIBLE.sub("", found[0]), text)


def spaced(text: str) -> str:
    """Return a text without its invisible characters, every space of any width as that of ASCII."""
    return _ODD.sub(lambda found: _WIDTHS.sub(" ", INVISIBLE.sub("", found[0])), text)


def plainly(text: str) -> str:
    """Return a text of composed letters, its punctuation in ASCII, without invisible characters.

    Apostrophes, quotes, hyphens, ellipses and spaces of any kind become those of ASCII. Dashes and
    the punctuation of other scripts stay.
    """
    text = _ODD.sub(_plain_run, text).replace("`", "'")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _plain_run(found: re.Match[str]) -> str:
    return _translated(found[0])


@lru_cache(maxsize=4096)
def _translated(run: str) -> str:
    return INVISIBLE.sub("", run).translate(_PLAIN)


def untagged(text: str) -> str:
    """Return a text without the tags of HTML that shape words, its entities as characters."""
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    return _TAG.sub("", text) if "<" in text else text


def unmarked(text: str) -> str:
    """Return a text without the marks of HTML and of Markdown that shape words inside a sentence.

    Bold, italic and struck letters lose their marks, and what a backslash keeps from being a mark
    loses the backslash. Headings, lists, quotations and code stay: they begin lines and sentences.
    """
    text = untagged(text)
    if "\\" in text:
        text = _ESCAPE.sub("", text)
    return _EMPHASIS.sub(_unemphasised, text)


def _unemphasised(found: re.Match[str]) -> str:
    """Nothing in place of a mark around words; a bullet, a blank and a part of a word stay."""
    marks, text = found[0], found.string
    before, after = (
        text[max(0, found.start() - 1) : found.start()],
        text[found.end() : found.end() + 1],
    )
    blank = (not before or before.isspace()) and (not after or after.isspace())
    inside = "*" not in marks and before.isalnum() and after.isalnum()
    return marks if blank or inside or marks == "~" else ""
