"""The words of a text, in every script, as users and measures compare them."""

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")

_MINUS: Final = "-\u2212"
_MONEY: Final = "$\u20ac\u00a3\u00a5\u20b9\u00a2"
_GROUP: Final = "[,\u00a0\u2009\u202f]"  # sets thousands apart
_SIGN: Final = rf"(?<![\w)\]%.-])[{_MINUS}+]"  # elsewhere a hyphen, a range or a sum
_NUMBER: Final = (
    rf"(?P<sign>{_SIGN})?(?:(?P<point>(?<![\w.])\.)?"
    rf"(?P<whole>\d{{1,3}}(?:{_GROUP}\d{{3}})+(?!\d)|\d+))(?P<rest>(?:[.,:/^]\d+)*[^\W_]*)"
)
_NAME: Final = (
    r"(?:(?<![\w.])\.(?=[^\W\d_]))?[^\W_]+"
    rf"(?:\+\+|\#|\+(?!\w)|(?<![^\W_]{{3}})[{_MINUS}](?![\w-]))?"
)
_SYMBOL: Final = f"[{_MONEY}%\u2030\u00b0\u00b1+<>=\u2264\u2265\u2260&@#]"
_TERM: Final = re.compile(f"{_NUMBER}|{_NAME}|{_SYMBOL}")
_DEBT: Final = re.compile(rf"({_SIGN})([{_MONEY}])(?=\.?\d)")  # -$5


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, numbers included, without punctuation."""
    return _WORD.findall(text.casefold())


def holds(text: str, phrase: str) -> bool:
    """Whether a text holds the words of a phrase one after another; no phrase is in no text."""
    return _within(words_of(phrase), words_of(text))


def terms_of(text: str) -> list[str]:
    """Return the words, numbers and symbols of a text, as answers are compared.

    A number is one term with its sign, its fraction and what else is written without a space
    (``9:00``, ``3/4``, ``10.0.0.1``, ``5th``); what sets its thousands apart is left out, and a
    plus. A word keeps what makes it another name (``C++``, ``C#``, ``.NET``, ``A-``). Units and
    other symbols (``$``, ``%``, ``@``, ``<``) are terms of their own. Case, quotation marks,
    emphasis and other punctuation are left out.
    """
    text = _DEBT.sub(r"\2\1", unicodedata.normalize("NFC", text.casefold()))
    return [_term(found) for found in _TERM.finditer(text)]


def states(answer: str, response: str) -> float:
    """Return 1 if a response holds the terms of an answer one after another; else 0.

    Nothing of the answer may be missing, and no other number or name may be in its place: see
    `terms_of`. The rule does not read: "It is not Hastings." holds Hastings, "no idea" holds "no",
    and other words for the same ("five", "5 percent", "1/2" for .5) do not count.
    """
    return float(_within(terms_of(answer), terms_of(response)))


def is_unicode(text: str) -> bool:
    """Whether a text can be written: a lone surrogate, half of a character, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unreadable(text: str) -> str | None:
    """Return why nobody can read a text; None if somebody can."""
    if not is_unicode(text):
        return "holds a lone surrogate, which is no Unicode text"
    # Letters, marks, numbers, punctuation and symbols: all but spaces, controls and formats.
    seen = any(unicodedata.category(character)[0] in "LMNPS" for character in text)
    return None if seen else "is empty"


def _within(wanted: list[str], given: list[str]) -> bool:
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(given)} "


def _term(found: re.Match[str]) -> str:
    if found["whole"] is None:
        return found.group().replace("\u2212", "-")
    sign = "-" if (found["sign"] or "+") in _MINUS else ""
    point = "0." if found["point"] else ""
    return sign + point + re.sub(_GROUP, "", found["whole"]) + found["rest"]
