"""The tags between which models reason before they answer.

A model has tags of its own, such as ``<think>`` or ``[THINK]``, and prompts ask for others whose
name speaks of thinking: ``<inner_monologue>``, ``<thought_process>``, ``<chain of thought>``. So a
name is any that is made of such words. It may have attributes, and any case of letters.
"""

import re
from collections.abc import Iterator
from typing import Final

_THOUGHT: Final = (
    "think(?:ing|s)?|thoughts?|reasoning|scratch[_ -]?pad|monologue|cot|consciousness|rumination"
    "|思考|推理|(?:inner|internal)[_ -]?(?:voice|dialog(?:ue)?|speech|notes?)"
)
_WEIGHED: Final = (
    "analysis|reflections?|reflexion|rationale|deliberations?|introspection|contemplation|planning"
    "|brainstorm(?:ing)?|ponder(?:ing)?|cognition|workings?|self[_ -]?(?:talk|critique)"
)
"""Nouns that may name a part of an answer as well."""
_BESIDE: Final = (
    "inner|internal|hidden|private|silent|secret|chain|train|stream|line|of|steps?|by|self|my|model"
    "|assistant|ai|deep|extended|initial|raw|process|trace|log|block|content|text|section|phase"
    "|space|notes?|effort|pre|response|ant|过程|過程"
)
"""Words that may stand beside these nouns in a name."""

_NAME: Final = (
    rf"(?i:(?:(?:{_BESIDE})[_ -]?){{0,4}}(?:{_THOUGHT}|{_WEIGHED})"
    rf"(?:[_ -]?(?:{_BESIDE}|{_THOUGHT}|{_WEIGHED})){{0,2}})(?![\w-])"
)
_SPACE: Final = r"(?:\w{1,20}+:)?"
_VALUE: Final = r"""(?:"[^"<>\n]{0,40}"|'[^'<>\n]{0,40}'|[^\s"'<>=]{1,40})"""
_ATTRIBUTES: Final = rf"(?:[ \t]{{1,2}}[\w:.-]{{1,20}}={_VALUE}){{0,3}}[ \t]?"
_BAR: Final = (r"[<\u2039][|\uff5c]", r"[|\uff5c][>\u203a]")
_GAP: Final = r"[_ \u2581-]"
_BEGIN: Final = rf"(?:begin|start){_GAP}(?:of{_GAP})?"
_END: Final = rf"end{_GAP}(?:of{_GAP})?"
_CHANNEL: Final = r"<\|(?i:channel)\|>"

OPENING: Final = re.compile(
    rf"(?!<(?i:thinking)[\s>])<(?P<name>{_SPACE}{_NAME}){_ATTRIBUTES}>|\[(?P<square>{_NAME})\]"
    rf"|{_BAR[0]}(?P<bar>(?i:{_BEGIN})?){_NAME}{_BAR[1]}|\u25c1(?i:think)\u25b7"
)
"""Matches an opening tag that may stand before a chain: not ``<thinking>``, a tag of the chain."""

LONGEST: Final = 400
"""No such tag has more characters."""

_OPEN: Final = (
    rf"<{_SPACE}{_NAME}{_ATTRIBUTES}>|\[{_NAME}\]|&lt;{_NAME}&gt;|\u25c1(?i:think)\u25b7"
    rf"|{_BAR[0]}(?i:(?:{_BEGIN})?{_NAME}|think{_GAP}(?:begin|start)|inner_prefix){_BAR[1]}"
    rf"|<\|channel>(?:thought|analysis)\b|(?:<\|start\|>assistant)?{_CHANNEL}"
    r"(?:analysis|commentary)[^<\n]*<\|message\|>"
)
_CLOSE: Final = (
    rf"<\\?/{_SPACE}{_NAME}[ \t]?>|\[/{_NAME}\]|&lt;/{_NAME}&gt;|\u25c1(?i:/think)\u25b7"
    rf"|{_BAR[0]}(?i:(?:{_END}|/){_NAME}|think{_GAP}end|inner_suffix){_BAR[1]}"
    rf"|<channel\|>|(?:<\|end\|>)?(?:<\|start\|>assistant)?{_CHANNEL}final[^<\n]*<\|message\|>"
)
TAG: Final = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})")
"""Matches any tag, in a group ``open`` or ``close``."""

MARKS: Final = ("<", "[", "&lt;", "\u2039", "\u25c1")
"""A tag begins with one of these."""
_MARK: Final = re.compile(  # most tags of HTML are shorter
    r"[<\u2039](?=[|\uff5c]|\\?/?\w{2}[\w: >-])|&lt;(?=/?\w{3})|\[(?=/?[A-Za-z]{2}[\w -])|\u25c1"
)

_SURE: Final = re.compile(
    r"</?(?:\w{1,20}:)?think[\s>]|\[/?THINK\]|[<\u2039][|\uff5c]|<channel|\u25c1|&lt;/?think&gt;",
    re.IGNORECASE,
)
_SPECIAL: Final = re.compile(rf"{_THOUGHT}|[|\uff5c]", re.IGNORECASE)
_PART: Final = re.compile(  # of a tag that is being written
    r"<[\w:]*(?:[ -][^<>\n]*)?|\[[\w -]*|[<\u2039](?:[|\uff5c][^<>\u2039\u203a\n]*)?"
    r"|\u25c1[A-Za-z]*"
)


def tags(text: str, start: int) -> Iterator[re.Match[str]]:
    """Yield the tags in a text. Most texts have few characters that may begin one."""
    for mark in _MARK.finditer(text, start):
        found = TAG.match(text, mark.start())
        if found is not None and mark.start() >= start:
            start = found.end()
            yield found


def is_sure(tag: str) -> bool:
    """Whether a tag belongs to a model: an answer in XML has none of these."""
    return _SURE.match(tag) is not None and (tag[0] != "[" or tag.isupper())


def is_weighed(tag: str) -> bool:
    """Whether a tag may as well name a part of an answer, such as ``<analysis>``."""
    return _SPECIAL.search(tag) is None


def closing_of(opening: str) -> str:
    """Return the tag that closes one which `OPENING` matches."""
    found = OPENING.fullmatch(opening)
    if found is None or opening[0] == "\u25c1":
        return "\u25c1/think\u25b7"
    if found["name"]:
        return f"</{found['name']}>"
    if found["square"]:
        return f"[/{found['square']}]"
    if not found["bar"]:
        return f"{opening[:2]}/{opening[2:]}"
    gap = found["bar"][5:]  # both words have five letters
    end = "END" if found["bar"].isupper() else "end"
    return opening.replace(found["bar"], end + gap, 1)


def may_open(text: str) -> bool:
    """Whether a text, which begins with no tag that `OPENING` matches, may become one of them."""
    return len(text) < LONGEST and _PART.fullmatch(text) is not None
