"""A fence around graded text, so that a text cannot grade itself.

The text is data, written by the model under test, and that model may have learned to influence a
judge. Four measures keep the text from giving orders:

- *nonce*: the lines that open and close a block carry a code that is drawn for each request and
  occurs in no block, so a text cannot close its own block;
- *margin*: every line inside begins with a bar, after every kind of line break;
- *look-alikes*: a raised dot breaks every text that imitates a fence, a form of verdict, a turn of
  a chat template or a block of reasoning, in any spelling that folds to it (full width, homoglyphs,
  invisible characters in between);
- *bounds*: a block has a largest length, and a line that no text can imitate marks the cut.

Invisible characters and controls are left out; the rest reads as before.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gtalign.tasks.spelling import INVISIBLE

MARGIN: Final = "| "
DOT: Final = "\u00b7"
"""Put into look-alikes."""

# Single characters that NFKC leaves alone and that look like one of those in a reserved form.
_HOMOGLYPHS: Final = str.maketrans(
    {
        **dict.fromkeys("\u2039\u2329\u27e8\u276e\u2770\u3008\u1438\u02c2\u29fc", "<"),
        **dict.fromkeys("\u203a\u232a\u27e9\u276f\u2771\u3009\u1433\u02c3\u29fd", ">"),
        **dict.fromkeys("\u2044\u2215\u29f8\u2571", "/"),
        **dict.fromkeys("\u2223\u23d0\u01c0\u2758\u00a6\u2502\u2503", "|"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b'", '"'),
        **dict.fromkeys("\u2236\ua789\u02d0", ":"),
        **dict(zip("авсԁеһіјкӏмопрԛгѕтуѵԝхɡ", "abcdehijklmonpqrstuvwxg", strict=True)),
        **dict(zip("αβεικνορτυχ", "abeiknoptux", strict=True)),
        "\u2581": "_",
    }
)

_NAMES: Final = (
    "score|reason|verdict|grade|think|thinking|thought|reasoning|analysis|system|user|assistant"
    "|human|instruction|instructions|begin|end|cut|s|bos|eos|pad|start_of_turn|end_of_turn"
    "|start|message|channel|inst|sys|tool|tool_call|tool_response"
)
_GAP: Final = r"[\s_]*"
# What is matched is the first character of a look-alike; the dot goes behind it.
_RESERVED: Final = re.compile(
    rf"(?P<fence><(?=\s*<\s*<|\s*<\s*/?\s*sys))"
    rf"|(?P<tag><(?={_GAP}/?{_GAP}(?:{_NAMES})\b))"
    r"|(?P<token><(?=\s*\|))"
    r"|(?P<turn>\[(?=\s*/?\s*(?:inst|system_prompt|available_tools|tool_calls)\b))"
    r'|(?P<json>"(?=\s*(?:score|verdict|grade|rating)\s*"\s*:))'
)

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# Characters that some program treats as a line break.
_BREAKS: Final = re.compile(r"\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Of a longer text, only this many times the limit is processed at either end.
_SPARE: Final = 4


@dataclass(frozen=True, slots=True)
class Quote:
    """A text that was made safe to show; see `quote`.

    Args:
        head: All of it, or its first part, line by line with the margin.
        missing: Number of characters left out between the parts.
        tail: Its last part; empty if nothing is missing.
    """

    head: str
    missing: int
    tail: str

    def fenced(self, name: str, nonce: str) -> str:
        """Return the text as a block that it cannot leave.

        Args:
            name: What the block holds, in plain words of ours.
            nonce: The request's code, which occurs in no block of the request (see `is_free`).
        """
        lines = [f"<<<BEGIN {name} {nonce}>>>", self.head]
        if self.missing:
            lines += [f"<<<CUT {self.missing} {nonce}>>>", self.tail]
        return "\n".join([*lines, f"<<<END {name} {nonce}>>>"])


def quote(text: str, limit: int) -> Quote:
    """Make a text safe to show.

    Args:
        text: A text from outside.
        limit: Largest number of characters to keep; of a longer text the two ends are kept, half of
            the limit each.
    """
    head, missing, tail = _cut(text, limit)
    return Quote(_margin(head), missing, _margin(tail) if missing else "")


def is_free(nonce: str, text: str) -> bool:
    """Whether a code does not occur in a text, in any spelling that folds to it."""
    return nonce.lower() not in _fold(text)


def neutralise(text: str) -> str:
    """Return a text without invisible characters, its look-alikes of reserved forms broken."""
    shown = _visible(text)
    pieces, done = [], 0
    for found in _RESERVED.finditer(_fold(shown)):
        pieces += [shown[done : found.end()], DOT]
        done = found.end()
    return "".join([*pieces, shown[done:]])


def _cut(text: str, limit: int) -> tuple[str, int, str]:
    """Return the kept parts of a neutralised text, and the number of characters left out."""
    spare = limit * _SPARE
    flood = max(0, len(text) - 2 * spare)
    head = neutralise(text[:spare] if flood else text)
    if not flood and len(head) <= limit:
        return head, 0, ""
    tail = neutralise(text[-spare:]) if flood else head
    first, last = head[: (limit + 1) // 2], tail[max(0, len(tail) - limit // 2) :]
    whole = len(head) + flood + len(tail) if flood else len(head)
    return first, whole - len(first) - len(last), last


def _margin(text: str) -> str:
    return MARGIN + text.replace("\n", "\n" + MARGIN)


def _visible(text: str) -> str:
    """Leave out invisible characters; every line break becomes a line feed."""
    text = _BREAKS.sub("\n", text)
    if text.isascii():
        return _CONTROLS.sub("", text)
    return "".join(map(_shown, text))


@lru_cache(maxsize=8192)
def _shown(character: str) -> str:
    if character < "\x7f":
        return "" if _CONTROLS.match(character) else character
    # Controls, formats, surrogates, private use and unassigned; then what is ignorable by default.
    invisible = (
        unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
        or INVISIBLE.match(character) is not None
    )
    return "" if invisible else character


def _fold(text: str) -> str:
    """Return a text of the same length in which characters that look alike are alike."""
    if text.isascii():
        return text.lower()
    return "".join(map(_fold_one, text))


@lru_cache(maxsize=8192)
def _fold_one(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character).lower().translate(_HOMOGLYPHS)
    # An accent is no disguise that a reader would miss.
    folded = unicodedata.normalize("NFD", folded)[:1] if folded else " "
    return folded if len(folded) == 1 else character
