"""Read verdicts from a judge's reply, strictly: a doubtful verdict does not count.

A reply must hold one verdict and end with it. Reasoning and prose may come before it; a code fence
with any label, a tag, a list of one or a quotation may surround it; the same verdict may be
repeated, and a line of courtesy ("Hope that helps!") may follow. A reply whose verdict is missing,
contradicted by another, followed by other text, outside the scale or not finite is refused with a
reason, and so is one that copies its reason from the form ("one or two sentences"). The caller can
send that reason to the judge or keep it. A refused reply is never a low score.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from gtalign.chain import response_of
from gtalign.chain.prompt import fill
from gtalign.judges.criterion import prompt_file
from gtalign.tasks.spelling import plainly, spaced

Form = Literal["json_schema", "tagged"]
"""How a verdict is written: as a JSON object under a schema, or in two tags."""

MAX_REPLY: Final = 100_000
"""Characters of the longest reply that is read."""

_BEGINS: Final = re.compile(r'\{\s*"\s*(?:reason|score)\s*"', re.IGNORECASE)
_NUMBER: Final = re.compile(r"\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*")
_FENCE: Final = re.compile("`{3,}|~{3,}")
_MARGIN: Final = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_CLOSED: Final = re.compile(r"(?:\s|`{3,}|~{3,}|\]|\*\*|</\w{1,20}>)*")
"""What may close behind a verdict: fences, tags, a list, bold letters."""
_COURTESY: Final = re.compile(
    r"(?:i )?hope (?:that|this|it) (?:helps?|clarifies|is (?:helpful|useful|clear))(?: you)?"
    r"|(?:please )?let me know\b[^.!\n]*"
    r"|(?:please )?feel free\b[^.!\n]*|thank(?:s| you)\b[^.!\n]{0,30}|happy to help"
    r"|is there anything else\b[^.!\n?]*|(?:this|that|here) is my (?:verdict|assessment|evaluation)"
    r"|end of (?:verdict|assessment|evaluation)|done|best regards"
    r"|espero que (?:te |le |os |les )?(?:ayude|sirva|ajude)\w*"
    r"|j'espère que (?:cela|ça) (?:vous |t')?aide(?:ra)?"
    r"|ich hoffe,? (?:das|dies) hilft[^.!\n]{0,20}|spero (?:che )?(?:ti )?(?:aiuti|sia utile)"
    r"|希望(?:这|這)?(?:对|對)?(?:您|你)?有(?:所)?(?:帮助|幫助)|надеюсь,? это поможет",
    re.IGNORECASE,
)
"""A line after a verdict that takes nothing back. Anything else may."""
_SENTENCES: Final = re.compile(r"[.!?\u3002\uff01\n]+")
_WORD: Final = re.compile(r"\w+")
_EDGES: Final = re.compile(r"^\W+|\W+$")
_REASON, _SCORE = ("<reason>", "</reason>"), ("<score>", "</score>")
_TAGGED: Final = re.compile(
    r"<reason>((?:(?!</?reason>|</?score>).)*+)</reason>\s*+<score>([^<]*+)</score>",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ReplyReading:
    """The content of a reply.

    Args:
        score: Score on the scale; None if the reply is not a verdict.
        reason: The judge's reason; without a score, the error in the reply.
    """

    score: float | None
    reason: str


class UnreadableReply(Exception):
    """A reply is no verdict; says why. A signal inside this module (see `gtalign.errors`)."""


def read_verdict(reply: str, scale: Sequence[float], form: Form) -> ReplyReading:
    """Read a verdict.

    Args:
        reply: The judge's whole reply. Reasoning and prose before the verdict are skipped.
        scale: The allowed scores.
        form: The form in which the verdict had to be written.
    """
    try:
        if len(reply) > MAX_REPLY:
            raise UnreadableReply(f"it is longer than {MAX_REPLY} characters")
        text = spaced(response_of(reply))
        if not text:
            raise UnreadableReply("it holds no verdict")
        text = _unquoted(text)
        score, reason = _read_json(text) if form == "json_schema" else _read_tags(text)
        if score not in scale:
            allowed = ", ".join(f"{value:g}" for value in scale)
            raise UnreadableReply(f"its score is not one of {allowed}")
        if _is_copied(reason, form_of(form, tuple(scale))):
            raise UnreadableReply("its reason only repeats the form that was asked for")
    except UnreadableReply as problem:
        return ReplyReading(None, str(problem))
    return ReplyReading(score, reason)


@cache
def form_of(form: Form, scale: tuple[float, ...]) -> str:
    """Return the text that asks a judge for a verdict in a form, on a scale."""
    name = "form_json" if form == "json_schema" else "form_tagged"
    return fill(prompt_file(name), {"scale": ", ".join(f"{value:g}" for value in scale)})


def _is_copied(reason: str, form: str) -> bool:
    """Whether every sentence of a reason is a part of the form, of two words or more in all."""
    asked = f" {_words(form)} "
    said = [words for sentence in _SENTENCES.split(reason) if (words := _words(sentence))]
    return " " in " ".join(said) and all(f" {words} " in asked for words in said)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def schema(scale: Sequence[float]) -> dict[str, Any]:
    """Return the JSON Schema of a verdict on a scale."""
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "score": {"type": "number", "enum": [_plain(value) for value in scale]},
        },
        "required": ["reason", "score"],
        "additionalProperties": False,
    }


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _unquoted(text: str) -> str:
    """A reply that is a quotation, or that ends with one that holds a fence, without its margin."""
    lines = text.split("\n")
    start = len(lines)
    while start and lines[start - 1].lstrip().startswith(">"):
        start -= 1
    quotation = "\n".join(lines[start:])
    if start and _FENCE.search(quotation) is None:
        return text  # somebody is quoted in passing
    return "\n".join([*lines[:start], _MARGIN.sub("", quotation)]).strip()


def _read_json(text: str) -> tuple[float, str]:
    starts = [found.start() for found in _BEGINS.finditer(text)]
    if not starts or (text.startswith("{") and starts[0]):
        starts.insert(0, 0)
    verdicts: list[dict[str, Any]] = []
    end = 0
    for start in starts:
        if start >= end:  # not inside the one before
            verdict, end = _decoded(text, start)
            verdicts.append(verdict)
    if any(verdict != verdicts[0] for verdict in verdicts):
        raise UnreadableReply("it holds more than one verdict")
    found = {name.strip().casefold(): value for name, value in verdicts[0].items()}
    if len(found) < len(verdicts[0]):
        raise UnreadableReply("a key comes twice")
    if found.keys() != {"reason", "score"}:
        raise UnreadableReply("its keys are not 'reason' and 'score'")
    _check_end(text[end:])
    score, reason = found["score"], found["reason"]
    if isinstance(score, str) and _NUMBER.fullmatch(score):
        score = float(score)
    if not isinstance(score, int | float) or isinstance(score, bool):
        raise UnreadableReply("its score is not a number")
    if not isinstance(reason, str):
        raise UnreadableReply("its reason is not text")
    try:
        return float(score), reason.strip()
    except OverflowError:
        raise UnreadableReply("its score is not finite") from None


def _decoded(text: str, start: int) -> tuple[dict[str, Any], int]:
    """The JSON object at a place of a text, and where it ends."""
    try:
        found, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        raise UnreadableReply("it is not one JSON object") from None
    if not isinstance(found, dict):
        raise UnreadableReply("it is not one JSON object")
    return found, end


def _check_end(rest: str) -> None:
    """Check that nothing but closing marks and lines of courtesy follows a verdict."""
    closed = _CLOSED.match(rest)
    rest = rest if closed is None else rest[closed.end() :]
    if not rest:
        return
    begun = closed is not None and "\n" in closed.group()
    said = (_EDGES.sub("", sentence) for sentence in _SENTENCES.split(plainly(rest)))
    if not begun or any(one and _COURTESY.fullmatch(one) is None for one in said):
        raise UnreadableReply("there is text after the verdict")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnreadableReply("a key comes twice")
    return found


def _refuse_constant(name: str) -> float:
    raise UnreadableReply(f"{name} is no score")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant
)


def _read_tags(text: str) -> tuple[float, str]:
    pairs = list(_TAGGED.finditer(text))
    agree = len({(pair[1].strip(), pair[2].strip()) for pair in pairs}) == 1
    for name, tags in (("reason", _REASON), ("score", _SCORE)):
        counts = {text.lower().count(tag) for tag in tags}
        if 0 in counts:
            raise UnreadableReply(f"there is no {name} tag, or it is not closed")
        if counts != {len(pairs) if agree else 1}:
            raise UnreadableReply(f"the {name} tag comes more than once")
    if not pairs:
        raise UnreadableReply("there is text after the tags, or they are in another order")
    _check_end(text[pairs[-1].end() :])
    number = _NUMBER.fullmatch(pairs[0][2])
    if number is None:
        raise UnreadableReply("its score is not a number")
    return float(number[1]), pairs[0][1].strip()
