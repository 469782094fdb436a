"""Read verdicts from a judge's reply, strictly: a doubtful verdict does not count.

A reply must end with its verdict, the only one in it. Reasoning and prose may come before it, and a
code fence with any label may surround it. A reply whose verdict is missing, given twice, followed
by other text, outside the scale or not finite is refused with a reason. The caller can send that
reason to the judge or keep it. A refused reply is never a low score.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from gtalign.chain import response_of

Form = Literal["json_schema", "tagged"]
"""How a verdict is written: as a JSON object under a schema, or in two tags."""

MAX_REPLY: Final = 100_000
"""Characters of the longest reply that is read."""

_FENCE: Final = re.compile(r"\s*(?:`{3,}|~{3,})\s*\Z")
_BEGINS: Final = re.compile(r'\{\s*"(?:reason|score)"')
_NUMBER: Final = re.compile(r"\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*")
_REASON, _SCORE = ("<reason>", "</reason>"), ("<score>", "</score>")


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
        text = response_of(reply)
        if not text:
            raise UnreadableReply("it holds no verdict")
        text = _FENCE.sub("", text)
        score, reason = _read_json(text) if form == "json_schema" else _read_tags(text)
        if score not in scale:
            allowed = ", ".join(f"{value:g}" for value in scale)
            raise UnreadableReply(f"its score is not one of {allowed}")
    except UnreadableReply as problem:
        return ReplyReading(None, str(problem))
    return ReplyReading(score, reason)


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


def _read_json(text: str) -> tuple[float, str]:
    if not text.startswith("{"):
        begins = [found.start() for found in _BEGINS.finditer(text)]
        if len(begins) > 1:
            raise UnreadableReply("it holds more than one verdict")
        text = text[begins[0] :] if begins else text
    try:
        found = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        raise UnreadableReply("it is not one JSON object") from None
    if not isinstance(found, dict):
        raise UnreadableReply("it is not one JSON object")
    if found.keys() != {"reason", "score"}:
        raise UnreadableReply("its keys are not 'reason' and 'score'")
    score, reason = found["score"], found["reason"]
    if not isinstance(score, int | float) or isinstance(score, bool):
        raise UnreadableReply("its score is not a number")
    if not isinstance(reason, str):
        raise UnreadableReply("its reason is not text")
    try:
        return float(score), reason.strip()
    except OverflowError:
        raise UnreadableReply("its score is not finite") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnreadableReply("a key comes twice")
    return found


def _refuse_constant(name: str) -> float:
    raise UnreadableReply(f"{name} is no score")


def _read_tags(text: str) -> tuple[float, str]:
    for name, tags in (("reason", _REASON), ("score", _SCORE)):
        counts = {text.count(tag) for tag in tags}
        if 0 in counts:
            raise UnreadableReply(f"there is no {name} tag, or it is not closed")
        if counts != {1}:
            raise UnreadableReply(f"the {name} tag comes more than once")
    _, _, rest = text.partition(_REASON[0])
    reason, _, rest = rest.partition(_REASON[1])
    between, found, rest = rest.partition(_SCORE[0])
    value, _, after = rest.partition(_SCORE[1])
    if not found or between.strip() or after.strip():
        raise UnreadableReply("there is text after the tags, or they are in another order")
    number = _NUMBER.fullmatch(value)
    if number is None:
        raise UnreadableReply("its score is not a number")
    return float(number[1]), reason.strip()
