"""Reasoning that a model writes in front of its answer: not a part of the response.

Models mark it by tags of their own, such as ``<think>...</think>`` or ``[THINK]...[/THINK]``. A
chat template may have written the opening tag, so a closing tag alone ends reasoning that began
with the text; where the limit of tokens cuts a completion off, the closing tag is missing. Tags
inside code belong to the answer.
"""

import re
from collections.abc import Iterator
from typing import Final

from gtalign.chain.blocks import skip_space

PAIRS: Final = {
    "<think>": "</think>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "\u25c1think\u25b7": "\u25c1/think\u25b7",
}
"""Tags that models write on their own, the closing one by the opening one. They may stand in front
of a chain; ``<thinking>`` may not, as it is a tag of the chain."""

LONGEST: Final = max(len(tag) for pair in PAIRS.items() for tag in pair)
"""Characters of the longest of these tags."""

OPENING: Final = re.compile("|".join(map(re.escape, PAIRS)))
"""Matches any of the opening tags."""

_BEGINS: Final = re.compile(rf"\s*(?:{OPENING.pattern})", re.IGNORECASE)
_ENDS: Final = re.compile("|".join(map(re.escape, PAIRS.values())), re.IGNORECASE)

_NAMES: Final = (
    "think|thinking|thoughts?|reasoning|reflection|scratchpad|(?:inner|internal)_?(?:monologue|thoughts?)"
    "|analysis"
)
_CHANNEL: Final = r"<\|(?i:channel)\|>"
_BAR: Final = (r"[<\u2039][|\uff5c]", r"[|\uff5c][>\u203a]")
_GAP: Final = r"[_ \u2581]"
_OPEN: Final = (
    rf"<(?:\w{{1,20}}:)?(?i:{_NAMES})>|&lt;(?i:{_NAMES})&gt;|\[THINK\]|\u25c1think\u25b7"
    rf"|{_BAR[0]}begin{_GAP}of{_GAP}think(?:ing)?{_BAR[1]}"
    r"|<\|(?i:begin_of_thought|start_thinking|begin_thought)\|>"
    rf"|(?:<\|start\|>assistant)?{_CHANNEL}(?:analysis|commentary)[^<\n]*<\|message\|>"
)
_CLOSE: Final = (
    rf"</(?:\w{{1,20}}:)?(?i:{_NAMES})>|&lt;/(?i:{_NAMES})&gt;|\[/THINK\]|\u25c1/think\u25b7"
    rf"|{_BAR[0]}end{_GAP}of{_GAP}think(?:ing)?{_BAR[1]}"
    r"|<\|(?i:end_of_thought|end_thinking|end_thought)\|>"
    rf"|(?:<\|end\|>)?(?:<\|start\|>assistant)?{_CHANNEL}final[^<\n]*<\|message\|>"
)
_TAGS: Final = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})")
_MARK: Final = re.compile(r"[<\u2039](?=[/|\uff5c\w])|&lt;(?=[/\w])|\[(?=/?THINK)|\u25c1")
"""What a tag begins with."""
_SURE: Final = re.compile(
    r"<(?:\w{1,20}:)?think>|\[|[<\u2039][|\uff5c]|\u25c1|&lt;think&gt;", re.IGNORECASE
)
"""Opening tags that no answer would mention in a sentence."""

_CODE: Final = r"^[ \t]*(?P<fence>```|~~~)[^\n]*\n(?s:.*?)^[ \t]*(?P=fence)[^\n]*$|`[^`\n]++`"
_PARTS: Final = re.compile(f"{_CODE}|{_TAGS.pattern}", re.MULTILINE)
"""Matches a tag, or a piece of code as a whole."""


def reasoning_end(text: str) -> int:
    """Return the position after the closed reasoning that a chain may follow; 0 without any.

    Only the tags of `PAIRS` count, opened and closed.

    Args:
        text: The whole completion.
    """
    end = 0
    while True:
        opened = OPENING.match(text, skip_space(text, end))
        closing = "" if opened is None else PAIRS[opened.group()]
        closed = -1 if opened is None else text.find(closing, opened.end())
        if closed < 0:
            return end
        end = closed + len(closing)


def behind_reasoning(text: str) -> str | None:
    """Return the text behind the last closed reasoning; None if it opens reasoning without end.

    Only the tags of `PAIRS` count, in any case of letters: the tags of a chain remain, so that the
    text can be a part of one. A closing tag alone ends reasoning that began with the text.
    """
    end = max((tag.end() for tag in _ENDS.finditer(text)), default=0)
    return None if _BEGINS.match(text, end) else text[end:]


def shown(text: str) -> list[tuple[int, int]]:
    """Return the spans of a plain answer that the user reads: all but its reasoning.

    Args:
        text: The whole completion, of which no chain was asked for.

    Returns:
        Character spans (start, end) in the order of the text; empty if reasoning is all there is.
    """
    first = None
    if any(mark in text for mark in ("<", "[", "&lt;", "\u2039", "\u25c1")):
        first = next(_tags(text, 0), None)
    if first is None:
        return [(0, len(text))]
    start = 0
    if first["open"] and not text[: first.start()].strip():
        # Reasoning is no Markdown: a mark of code in it hides no tag.
        closed = next((tag for tag in _tags(text, first.end()) if tag["close"]), None)
        if closed is None:
            return []
        start = closed.end()
    spans: list[tuple[int, int]] = []
    hidden = mentioned = False
    for part in _PARTS.finditer(text, start):
        if part["close"]:
            if not mentioned:
                if not hidden:
                    spans.clear()  # it was open from the beginning
                hidden, start = False, part.end()
            mentioned = False
        elif part["open"] and not hidden:
            if _opens(text, part):
                spans.append((start, part.start()))
                hidden = True
            else:
                mentioned = True
    if not hidden:
        spans.append((start, len(text)))
    return [span for span in spans if text[slice(*span)].strip()]


def response_of(text: str) -> str:
    """Return the response of a plain answer, without reasoning and surrounding whitespace."""
    return "".join(text[start:end] for start, end in shown(text)).strip()


def reasoning_of(text: str) -> str:
    """Return the reasoning in front of a plain answer, without its tags; empty without any."""
    spans = shown(text)
    return _TAGS.sub("", text[: spans[0][0] if spans else len(text)]).strip()


def with_reasoning(reasoning: str, answer: str) -> str:
    """Return a plain answer with its reasoning in front of it, as models write it."""
    return f"<think>\n{reasoning}\n</think>\n\n{answer}" if reasoning.strip() else answer


def left_open(prompt: str) -> str:
    """Return the tag, with the whitespace after it, by which a prompt opens the answer's reasoning.

    Empty if the prompt ends otherwise. Put in front of a completion, it makes whole what the
    template and the model wrote together.
    """
    bare = prompt.rstrip()
    tag = next((tag for tag in PAIRS if bare.endswith(tag)), None)
    return "" if tag is None else prompt[len(bare) - len(tag) :]


def _tags(text: str, start: int) -> Iterator[re.Match[str]]:
    """Yield the tags in a text. Most texts have few characters that may begin one."""
    for mark in _MARK.finditer(text, start):
        found = _TAGS.match(text, mark.start())
        if found is not None and mark.start() >= start:
            start = found.end()
            yield found


def _opens(text: str, tag: re.Match[str]) -> bool:
    """Whether an opening tag behind the beginning of an answer opens reasoning."""
    if _SURE.match(tag.group()):
        return True
    line = text.rfind("\n", 0, tag.start()) + 1
    return not text[line : tag.start()].strip()
