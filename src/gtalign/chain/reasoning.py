"""Reasoning that a model writes in front of its answer: not a part of the response.

It stands between tags (`gtalign.chain.thoughts`), such as ``<think>...</think>``. A chat template
may have written the opening tag, so a closing tag alone ends reasoning that began with the text;
where the limit of tokens cuts a completion off, the closing tag is missing. Tags inside code, tags
that a sentence speaks of, and the elements of an answer in XML belong to the answer.
"""

import re
from typing import Final

from gtalign.chain.blocks import skip_space
from gtalign.chain.thoughts import (
    LONGEST,
    MARKS,
    OPENING,
    TAG,
    closing_of,
    is_sure,
    is_weighed,
    tags,
)

_BEGINS: Final = re.compile(rf"\s*(?:{OPENING.pattern})")

_LEADING: Final = re.compile(
    r"""\s*(?:<details\b[^<>]*\btype=["']?reasoning\b[^<>]*>(?s:.*?)(?:</details>|\Z)"""
    r"|(?P<fence>```|~~~)(?i:think(?:ing)?|thoughts?|reasoning)[ \t]*\n(?s:.*?)^(?P=fence)[ \t]*$"
    r"|analysis(?=[A-Z\"' ])(?s:.*)assistantfinal"
    r"|Here(?:'s| is) my thought process:(?s:.*?)Here(?:'s| is) my response:)",
    re.MULTILINE,
)
"""Reasoning without tags: of Open WebUI, in a fence, of gpt-oss without its marks, of Granite."""

_CODE: Final = r"^[ \t]*(?P<fence>```|~~~)[^\n]*\n(?s:.*?)^[ \t]*(?P=fence)[^\n]*$|`[^`\n]++`"
_PARTS: Final = re.compile(f"{_CODE}|{TAG.pattern}", re.MULTILINE)
"""Matches a tag, or a piece of code as a whole."""

_ELEMENT: Final = re.compile(r"\s*<(?:[?!]|(?P<element>[A-Za-z_][\w.-]*)[\s/>])")
_AROUND: Final = (
    "\"'(*_\u201c\u2018\u00ab\u2039\u300c\u300e",
    "\"')*_\u201d\u2019\u00bb\u203a\u300d\u300f",
)
_IN_SENTENCE: Final = re.compile(r"[\w,;][ \t]")
_GOES_ON: Final = {
    "open": re.compile(r"[.,;:)!?]|[ \t]+\S"),
    "close": re.compile(r"[.,;:)!?]|[ \t]+[a-z]"),
}
_IN_LIST: Final = re.compile(r"[-*+|][ \t]")
_LISTED: Final = re.compile(r"[ \t]*(?:\||\n|\Z)")
_NAMED: Final = (
    r"(?:[ \t]+(?:(?:is|was) (?:an?|the|my|used|not|where|how|what|for)\b|are\b|were\b"
    r"|(?:tag|token|element|block|marker)s?\b|(?:and|or)(?: then)? [\"'\u201c\u2018(*_]*<"
    r"|(?:means|marks|opens|denotes|stands|tells|wraps|signals|indicates)\b)|, "
    r"|[ \t]?(?:\u6807\u7b7e|\u6a19\u7c64|\u6807\u8bb0|\u6a19\u8a18|\u30bf\u30b0|\ud0dc\uadf8))"
)
"""What goes on after a tag that a sentence is about; the last words are "tag" in other scripts."""
_IS_NAMED: Final = re.compile(rf"{_NAMED}|[ \t]?(?:\.\.\.|\u2026)[ \t]?</[^<>\n]{{1,40}}>{_NAMED}")


def reasoning_end(text: str) -> int:
    """Return the position after the closed reasoning that a chain may follow; 0 without any.

    Only tags that may stand before a chain count, opened and closed.

    Args:
        text: The whole completion.
    """
    end = 0
    while True:
        opened = OPENING.match(text, skip_space(text, end))
        if opened is None:
            return end
        closed = closing(opened.group()).search(text, opened.end())
        if closed is None:
            return end
        end = closed.end()


def closing(opening: str) -> re.Pattern[str]:
    """Match the tag that closes a tag, in any case of letters."""
    return re.compile(re.escape(closing_of(opening)), re.IGNORECASE)


def behind_reasoning(text: str) -> str | None:
    """Return the text behind the last closed reasoning; None if it opens reasoning without end.

    The tags of a chain remain, so that the text can be a part of one. The closing tag of a model
    alone ends reasoning that began with the text.
    """
    end = reasoning_end(text)
    for tag in tags(text, end):
        chained = tag.group().lower() == "</thinking>"
        if tag["close"] and not chained and not _is_part(text, tag):
            end = tag.end()
    return None if _BEGINS.match(text, end) else text[end:]


def shown(text: str) -> list[tuple[int, int]]:
    """Return the spans of a plain answer that the user reads: all but its reasoning.

    Args:
        text: The whole completion, of which no chain was asked for.

    Returns:
        Character spans (start, end) in the order of the text; empty if reasoning is all there is.
    """
    led = _LEADING.match(text)
    start = 0 if led is None else led.end()
    first = next(tags(text, start), None) if any(mark in text for mark in MARKS) else None
    if first is None:
        return [(start, len(text))] if start < len(text.rstrip()) or not text.strip() else []
    if first["open"] and not text[start : first.start()].strip() and _leads(text, first):
        # Reasoning is no Markdown: a mark of code in it hides no tag.
        closed = next((tag for tag in tags(text, first.end()) if tag["close"]), None)
        if closed is None:
            return []
        if is_weighed(first.group()) and not text[closed.end() :].strip():
            return [(start, len(text))]
        start = closed.end()
    spans: list[tuple[int, int]] = []
    hidden = mentioned = False
    inside = _element_end(text, start)
    for part in _PARTS.finditer(text, start):
        within = part.start() < inside and not is_sure(part.group())
        if part["close"]:
            if hidden or not (mentioned or within or _is_part(text, part)):
                if not hidden:
                    spans.clear()  # it was open from the beginning
                hidden, start = False, part.end()
            mentioned = False
        elif part["open"] and not hidden:
            if not within and _opens(text, part):
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
    return TAG.sub("", text[: spans[0][0] if spans else len(text)]).strip()


def with_reasoning(reasoning: str, answer: str) -> str:
    """Return a plain answer with its reasoning in front of it, as models write it."""
    return f"<think>\n{reasoning}\n</think>\n\n{answer}" if reasoning.strip() else answer


def left_open(prompt: str) -> str:
    """Return the tag, with the whitespace after it, by which a prompt opens the answer's reasoning.

    Empty if the prompt ends otherwise. Put in front of a completion, it makes whole what the
    template and the model wrote together.
    """
    bare = prompt.rstrip()
    at = max(bare.rfind(mark, -LONGEST) for mark in MARKS)
    opened = at >= 0 and OPENING.fullmatch(bare, at)
    return prompt[at:] if opened else ""


def _leads(text: str, tag: re.Match[str]) -> bool:
    """Whether an opening tag at the beginning of an answer opens reasoning."""
    if _is_spoken_of(text, tag):
        return False
    square = tag.group()[0] == "[" and not is_sure(tag.group())
    return not square or closing(tag.group()).search(text, tag.end()) is not None


def _opens(text: str, tag: re.Match[str]) -> bool:
    """Whether an opening tag behind the beginning of an answer opens reasoning."""
    if _is_spoken_of(text, tag):
        return False
    if is_sure(tag.group()):
        return True
    line = text.rfind("\n", 0, tag.start()) + 1
    return tag.group()[0] != "[" and not text[line : tag.start()].strip()


def _is_part(text: str, tag: re.Match[str]) -> bool:
    """Whether a closing tag that nothing has opened is a part of the answer."""
    return not _is_own(tag) or _is_spoken_of(text, tag)


def _is_own(tag: re.Match[str]) -> bool:
    """Whether a tag opens or closes reasoning wherever it stands."""
    square = tag.group()[0] == "["
    return is_sure(tag.group()) or not (square or is_weighed(tag.group()))


def _is_spoken_of(text: str, tag: re.Match[str]) -> bool:
    """Whether a sentence speaks of a tag: it is quoted, a subject, or a word among others."""
    before, after = text[max(tag.start() - 2, 0) : tag.start()], text[tag.end() : tag.end() + 1]
    opened, closed = _AROUND
    if before and after and before[-1] in opened and after == closed[opened.index(before[-1])]:
        return True
    if tag["open"] and _IS_NAMED.match(text, tag.end()):
        return True
    if _IN_LIST.match(before) and _LISTED.match(text, tag.end()):
        return True
    goes_on = _GOES_ON[tag.lastgroup or "open"].match(text, tag.end())
    return _IN_SENTENCE.match(before) is not None and goes_on is not None


def _element_end(text: str, start: int) -> int:
    """Where the XML ends with which an answer begins; `start` if it begins otherwise."""
    found = _ELEMENT.match(text, start)
    if found is None or TAG.match(text, skip_space(text, start)):
        return start
    bare = text.rstrip()
    if bare.endswith(">") and not TAG.match(text, bare.rfind("<")):
        return len(text)
    end = text.find(f"</{found['element']}>", start) if found["element"] else -1
    return len(text) if end < 0 else end
