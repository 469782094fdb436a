r"""What a sentence rules out: "it is not 12", "x \ne 12", "12 rather than 13".

The one place that knows it: readers of answers look at what `affirmed` leaves. The words are those
of English and of a few other languages, Chinese, Japanese and Korean among them.
"""
# ruff: noqa: RUF001

import re
from typing import Final

_Rules = tuple[tuple[str, re.Pattern[str]], ...]
"""Patterns by the text that each begins with, so that a text without it is not searched."""


def _rules(stems: str, after: str = "") -> _Rules:
    return tuple((stem, re.compile(re.escape(stem) + after)) for stem in stems.split("|"))


_DENIALS: Final = (
    *_rules("not", r"\b(?! (?:only|just|merely|hard|difficult|too|surprising|surprisingly)\b)"),
    *_rules(
        "n't|n’t|cannot|never|neither|nor|no longer|no way|nobody|rather than|instead of|other than"
        "|anything but|all but|except|exclude|excludes|reject|rejects|discard|discards|rule out"
        "|differ from|differs from|different from|unequal|nicht|niet|geen|no es|no son|no puede"
        "|n'est pas|n’est pas|non è|non può|não|не",
        r"\b",
    ),
    *_rules("kein", r"\w{0,2}\b"),
    *_rules("不是|并非|並非|不等于|不等於|不可能|不会|不為|不为"),
)
"""Words that rule out the rest of their clause."""
_UNEQUAL: Final = (
    *_rules("≠|!="),
    *_rules(r"\ne", r"q?(?![a-z])"),
    *_rules(r"\not", r"\s{0,3}="),
)
"""Signs that do, with the name before them."""
_ENDINGS: Final = (
    *_rules(
        "n't |n’t |not ",
        r"(?:be )?(?:the|an?|it|right|correct|possible|valid|true|work|fit|hold|do(?!\s))\b",
    ),
    *_rules("is too |are too ", r"(?:small|large|big|high|low|much|few|many|long|short)\b"),
    *_rules("?", r"\s{1,3}no\b"),
    *_rules("is |are |was ", r"(?:wrong|incorrect|impossible|false|ruled out)\b"),
    *_rules("ではな|ではあり|じゃな|아니|아닙"),
)
"""Words that rule out the whole clause, which they end."""

_RETRACTIONS: Final = (
    *_rules(
        "that's wrong|that’s wrong|that is wrong|that's incorrect|that’s incorrect"
        "|that is incorrect|that's not right|that’s not right|that is not right|scratch that",
        r"\b",
    ),
    *_rules("it is not|it's not|it’s not|it isn't|it isn’t", r"\s{0,2}(?=[.;!\n]|\Z)"),
)
"""Words that take back what stands before them in their line."""

_BOX: Final = re.compile(r"\\f?box(?:ed)?\s{0,3}\{(?:[^{}]|\{[^{}]*\})*\}")
_LEAD: Final = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|does|do|did)\s{1,3}(?:[^\W\d]{1,15},?\s{1,3})?"
    r"|\b(?:ist|lautet|is|ce)\s{1,3}|\b[a-z]{2,7})\Z"
)
_NAME: Final = re.compile(r"\$?\\?[a-z]{0,10}\s{0,3}\Z")
_CLAUSE_BEFORE: Final = re.compile(r"(?<![^,;.\n。，、！？(])[^,;.\n。，、！？(]{0,60}\Z")
_LINE_BEFORE: Final = re.compile(r"[^\n]*\Z")
_CLAUSE_BEHIND: Final = re.compile(
    r"(?:(?![;\n!?。；！？)）]|,(?!\s?[\d$])|[，、](?!\s?\d)|:(?!\d)|：|\.(?!\d)"
    r"|\b(?:but|so|hence|thus|therefore|then|whereas|since|because|sondern|sino|mais|ma|mas|maar|а|но"
    r")\b|而是).){0,200}\)?",
    re.DOTALL,
)
_NEAR: Final = 60
"""Characters before a denial that are looked through."""


def affirmed(text: str) -> tuple[str, list[tuple[int, str]]]:
    """Blank the clauses of a text that rule something out; return them with their places.

    What is inside a box stays: it is an answer as a whole.
    """
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters have longer forms
        lowered = text
    denials = [
        *((place, _LINE_BEFORE) for place in _places(_RETRACTIONS, lowered)),
        *((place, _CLAUSE_BEFORE) for place in _places(_ENDINGS, lowered)),
        *((place, _LEAD) for place in _places(_DENIALS, lowered) if not _in_word(lowered, place)),
        *((place, _NAME) for place in _places(_UNEQUAL, lowered)),
    ]
    if not denials:
        return text, []
    boxes = [found.span() for found in _BOX.finditer(text)][::-1] if "box" in text else []
    kept: list[str] = []
    clauses: list[tuple[int, str]] = []
    done = 0
    for (start, end), before in sorted(denials, key=lambda one: one[0][0]):
        while boxes and boxes[-1][1] <= start:
            boxes.pop()
        if start < done or (boxes and boxes[-1][0] < start):
            continue
        lead = before.search(lowered, max(done, start - _NEAR), start)
        behind = _CLAUSE_BEHIND.match(lowered, end)
        first = start if lead is None else lead.start()
        last = end if behind is None else behind.end()
        kept += (text[done:first], " " * (last - first))
        clauses.append((first, text[first:last]))
        done = last
    return "".join(kept) + text[done:], clauses


def _places(rules: _Rules, text: str) -> list[tuple[int, int]]:
    return [found.span() for stem, rule in rules if stem in text for found in rule.finditer(text)]


def _in_word(text: str, place: tuple[int, int]) -> bool:
    """Whether a word begins inside another, as "not" does in "knot"; "n't" always does."""
    start = place[0]
    if text[start : start + 3] in ("n't", "n’t") or not text[start].isalpha():
        return False
    return start > 0 and text[start - 1].isalpha() and not "\u3400" <= text[start] <= "\u9fff"
