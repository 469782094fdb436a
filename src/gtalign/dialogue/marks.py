"""How a model that plays the user ends a conversation, and when it speaks for others as well."""

import re
import unicodedata
from typing import Final

from gtalign.chain import asked

_MARKUP: Final = re.compile("[*_`~\\\\\"'\u2018\u2019\u201c\u201d]")  # emphasis and quotation marks
_OPENS: Final = re.compile("[\\[({<\uff3b\u3010\uff08][\\[({<\\s/]*")
_CLOSES: Final = re.compile("(?<![\\s/])[\\s/]*+[\\])}>\uff3d\u3011\uff09]+")
_FRAMED: Final = re.compile(r"\[(?i:SATISFIED|LEAVE)\]")
_MARK: Final = re.compile(
    r"(?:\[(?i:(?P<framed>SATISFIED|LEAVE))\]|(?<!\w)(?P<bare>SATISFIED|LEAVE)(?!\w))[\s.!]*+"
)
_THANKS: Final = re.compile(
    r"(?:many thanks|thanks(?: a lot)?|thank you(?: (?:so|very) much)?|great|perfect|ok|okay)"
    r"[\s,\u2013\u2014-]*",
    re.IGNORECASE,
)
_OWN: Final = re.compile(r"[*_#>\s]*(?i:you|user|me|person|human)[*_]*\s*:[*_]*\s*")
_SPEAKERS: Final = re.compile(
    r"\A[*_#>\s]*(?i:assistant|ai)[*_]*\s*:"
    r"|\n[*_#> \t]*(?i:assistant|ai|you|user|human)[*_]*\s*:"
    r"|[.!?\])]\s+(?:Assistant|You):"
)


def ended(text: str) -> tuple[str, str] | None:
    """Return the mark that ends a text, in capitals, and the line before it; None if none does.

    The mark stands alone, or is the last sentence after a closing line, such as a thanks. Models
    write it without brackets (then in capitals), in other brackets, in emphasis or quotation
    marks, with a full stop, and twice.
    """
    before = _plain(text)
    marks = set()
    for found in reversed(list(_MARK.finditer(before))):
        if found.end() != len(before):
            break
        before = before[: found.start()]
        marks.add((found["framed"] or found["bare"]).upper())
    line = before.rstrip()
    if len(marks) != 1 or (line and "\n" not in before[len(line) :] and not _closed(line)):
        return None
    return marks.pop(), line


def mentions(text: str) -> bool:
    """Whether a text holds a mark in brackets, wherever it stands."""
    return _FRAMED.search(_plain(text)) is not None


def closes(line: str) -> bool:
    """Whether a line before a mark may be the last one: it asks nothing and holds no mark."""
    return not (asked(line) or mentions(line))


def unlabelled(text: str) -> str:
    """Return what a user says, without the label of the speaker in front."""
    label = _OWN.match(text)
    return text if label is None else text[label.end() :]


def speaks_for_others(text: str) -> bool:
    """Whether what a user says holds the label of a speaker, as a script of a conversation does."""
    return _SPEAKERS.search(text) is not None


def _plain(text: str) -> str:
    """The text without emphasis, with one kind of brackets."""
    return _CLOSES.sub("]", _OPENS.sub("[", _MARKUP.sub("", text))).strip()


def _closed(line: str) -> bool:
    """Whether a line is a sentence of its own, so that the mark after it is one as well."""
    ends = line[-1] in ".!\u2026\u3002\uff01" or unicodedata.category(line[-1]) == "So"
    return ends or _THANKS.fullmatch(line) is not None
