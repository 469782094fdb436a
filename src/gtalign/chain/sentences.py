"""Sort the sentences of a response into questions and statements, by rule."""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from gtalign.chain.unmarked import asks_unmarked, is_value, may_ask
from gtalign.tasks.spelling import spaced, untagged

_MARKS: Final = (
    "?\uff1f\u061f\u2047\u2048\u2049\u203d\u2e2e\ufe56\u1367\ua60f\u1945\u2cfa\u2cfb\u037e"
)
"""Question marks: Latin, full-width, Arabic, doubled and mixed, interrobang, mirrored, small,
Ethiopic, Vai, Limbu, Coptic, Greek."""

_MARK: Final = re.compile(f"[{_MARKS}]")

_STOPS: Final = ".!\u2026\u3002\uff01\uff0e\uff61\u0964\u0965\u06d4\u0589\u1362\u104b"
"""Full stops: Latin, ellipsis, Chinese and Japanese, Devanagari, Urdu, Armenian, Ethiopic,
Burmese."""

_DENSE: Final = "\uff1f\u3002\uff01\uff0e\uff61"
"""Full stops without a space after them."""

_CLOSERS: Final = "\"'\u2019\u201d\u00bb\u300d\u300f)\\]*_"
_END: Final = re.compile(rf"(?P<marks>[{_MARKS}{_STOPS}]++)(?P<closers>[{_CLOSERS}]*+)")
_ARMENIAN: Final = "\u055e"  # stands inside the word that is asked about
_OPENING: Final = "\u00bf"
_WITHIN: Final = (_ARMENIAN, _OPENING)
"""Marks that stand inside a question, whatever ends it."""
_ASKED: Final = re.compile(f"[{_MARKS}{_ARMENIAN}{_OPENING};]")
_WRITTEN: Final = re.compile(r"[^\W\d_]")
_GREEK: Final = re.compile(r"(?<=[\u0370-\u03ff\u1f00-\u1fff]);(?=\s|$)")

_FENCED: Final = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`[^`\n]++`")
_URL: Final = re.compile(r"(?:https?://|www\.)\S++")
_QUOTED: Final = re.compile(  # an opening mark ends the attempt, so that many cost no more
    r'"[^"\n]*+"|\u201c[^\u201c\u201d\n]*+\u201d|\u00ab[^\u00ab\u00bb\n]*+\u00bb'
    r"|\u300c[^\u300c\u300d\n]*+\u300d|\u201e[^\u201c-\u201e\n]*+[\u201c\u201d]"
)
_QUOTES: Final = '"\u201c\u201d\u00ab\u00bb\u300c\u300d\u201e'
_INNER: Final = re.compile(f"[{_QUOTES}{_MARKS}{_STOPS}{_ARMENIAN}{_OPENING}]")
Quoted = str | Callable[[re.Match[str]], str]
"""What a quotation is replaced by."""
_HIDING: Final = (*_QUOTES, "`", "~~~", "http", "www.")
"""A quotation, a piece of code and an address begin with one of these."""
_CODE: Final = "\nCode.\n"
_NAME: Final = "it"
"""The word that replaces a piece of code, a quotation or an address inside a sentence."""

_BREAK: Final = re.compile(r"\n\s*\n|\n(?=[ \t]*(?:[-*+\u2022]|\d{1,3}[.)]|[#>|])[ \t])")
_ITEM: Final = re.compile(r"[ \t]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]++")
_WORD: Final = re.compile(r"\w")
_TITLE: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|Mt|Fig|No|Vol|approx|e\.g|i\.e|cf|Inc|Ltd|Co"
    r"|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)|\b[A-Z][\w-]*\s[A-Z]|\b[A-Z]\.\s?[A-Z]|^[A-Z])$"
)
_LETTER: Final = re.compile(r"\b[A-Z]$")
_INITIAL: Final = re.compile(r"[A-Z]\.")
_OPENS_QUESTION: Final = re.compile(
    r"(?:What|Which|Who|Whose|When|Where|Why|How|Do|Does|Did|Is|Are|Was|Were|Can|Could|Would|Will"
    r"|Should|Shall|May|Have|Has|If)\b"
)
_COURTESY: Final = re.compile(
    r"(?:(?:oh,? )?(?:sure|certainly|of course|absolutely|definitely|okay|ok|great|hello|hi|hey)"
    r"(?: thing| there)?|got it|no problem|thanks|thank you|great question|good question"
    r"|happy to help|glad to help|(?:i'd|i would|i'll|i will|i'm|i am) (?:be )?(?:happy|glad)\b.*"
    r"|i (?:can|could) help (?:you )?with (?:that|this)\b.*|thanks for\b.*|thank you for\b.*"
    r"|(?:just )?to (?:make sure|be sure|help|give|answer|assist|provide|clarify)\b.*"
    r"\b(?:need|want|know|ask|understand)\b.*"
    r"|i(?:'d)? (?:just )?(?:need|want|would like|like) (?:to (?:know|make sure|understand)"
    r"|a (?:bit|little)|some|more)\b.*"
    r"|(?:please )?let me know\b.*|(?:once|when|with that|that way)\b.*\bi(?:'ll| can| will)\b.*)",
    re.IGNORECASE | re.DOTALL,
)


class Said(NamedTuple):
    """What the sentences of a text do.

    Attributes:
        states: Whether one of them states something, or all are courtesies.
        asks: Whether one of them asks.
        last: Whether the last one asks, courtesies aside.
    """

    states: bool
    asks: bool
    last: bool


def said(response: str) -> Said:
    """Whether the sentences of a response state or ask.

    A sentence asks if it ends with a question mark of any script, or in the way of a question (see
    `gtalign.chain.unmarked`). Code, addresses and quotations count as parts of their sentence, and
    the marks inside them are ignored, as are those that stand for a value ("WHERE a = ?"); a block
    of code is a statement. Numbers, abbreviations and initials end no sentence. The items of a list
    belong to the question that introduces them. Opening and closing courtesies in English ("Happy
    to help!", "Let me know.") are no statement beside a question. Tags of HTML and invisible
    characters count for nothing.

    Limits: a request in the form of a statement ("Please tell me the year.") states; a rhetorical
    question asks; courtesies in other
    languages, and reasons given for asking, state. Takes time linear in the length of the text.
    """
    if not _may_ask(response) and _WRITTEN.search(response) is not None:
        return _STATES  # nothing asks, and no reading of a text drops its words
    response = _readable(response)
    states = asks = courteous = last = False
    for sentence, asking in _sentences(response):
        if asking:
            asks = last = True
        elif _COURTESY.fullmatch(sentence.strip(" \t\n*_.!\u2026")):
            courteous = True
        else:
            states, last = True, False
    return Said(states or (courteous and not asks), asks, last)


_STATES: Final = Said(states=True, asks=False, last=False)


def asks(response: str) -> bool:
    """Whether a response asks something; see `said`."""
    at = response.find("?")
    ends = at > 0 and response[at - 1].isalnum() and not response[at + 1 : at + 2].strip()
    if ends and not any(mark in response for mark in _HIDING):
        return True  # as nearly all that ask do
    return bool(asked(response))


def asked(response: str) -> list[str]:
    """The sentences of a response that ask, as `said` tells them from statements.

    Code and addresses in them are replaced by a word, and quotations lose their punctuation.

    Args:
        response: The text that the user reads.
    """
    if not _may_ask(response):
        return []
    response = _readable(response)
    found = _sentences(response, _unmarked)
    return [sentence.strip() for sentence, asking in found if asking]


def _readable(text: str) -> str:
    """A text without tags of HTML, its spaces those of ASCII and nothing in it invisible."""
    return untagged(text if text.isascii() else spaced(text))


def _may_ask(text: str) -> bool:
    return _ASKED.search(text) is not None or may_ask(text)


def _sentences(text: str, quoted: Quoted = _NAME) -> Iterator[tuple[str, bool]]:
    """The sentences of a response, each with whether it asks."""
    if _WORD.search(text) is None and _MARK.search(text) is not None:
        yield text, True  # "?" and nothing else
        return
    introduced = False  # by a question: the list that follows it is part of it
    unmarked = may_ask(text)
    blocks = list(_blocks(_plain(text, quoted)))
    for block, item in blocks:
        found = list(_split(block, unmarked, whole=len(blocks) == 1))
        if item and introduced and not any(asking for _, asking in found):
            continue
        yield from found
        if found:
            introduced = found[-1][1]


def without_code(text: str) -> str:
    """A text with code, quotations and addresses replaced by words."""
    return _plain(text, _NAME) if any(mark in text for mark in _HIDING) else text


def _plain(text: str, quoted: Quoted) -> str:
    """The text with code, quotations and addresses replaced by words."""
    text = text.strip().replace("\u2019", "'")
    if text[:1] in _QUOTES and text[-1:] in _QUOTES and len(_QUOTED.findall(text)) == 1:
        text = text[1:-1]  # the response as a whole is quoted
    text = _FENCED.sub(_CODE, text)
    text = _INLINE.sub(_NAME, text)
    text = _URL.sub(lambda found: _NAME + _tail(found), text)
    text = _QUOTED.sub(quoted, text)
    return _GREEK.sub("?", text)


def _unmarked(quotation: re.Match[str]) -> str:
    """The words of a quotation, without what would end a sentence; a word if it has none."""
    words = _INNER.sub("", quotation.group())
    return words if _WORD.search(words) else _NAME


def _tail(found: re.Match[str]) -> str:
    """The punctuation after an address that ends the sentence; it is not part of it."""
    address, end = found.group(), found.end()
    if found.string[end : end + 2].lstrip()[:1].islower():
        return ""
    return address[len(address.rstrip("?.!,;:)]\"'")) :]


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Paragraphs and list items, without their bullets; and whether each is an item.

    An introduction that ends with a colon is kept together with the items after it.
    """
    pending: list[str] = []
    for part in _BREAK.split(text):
        bullet = _ITEM.match(part)
        content = part if bullet is None else part[bullet.end() :]
        if pending and bullet is None:
            yield " ".join(pending), False
            pending = []
        if pending or content.rstrip(" \t\n*_").endswith((":", "\uff1a")):
            pending.append(content)
        else:
            yield content, bullet is not None
    if pending:
        yield " ".join(pending), False


def _split(block: str, unmarked: bool, whole: bool) -> Iterator[tuple[str, bool]]:
    """The sentences of one paragraph or item, each with whether it asks.

    Args:
        block: The paragraph or item.
        unmarked: Whether to look for questions without a mark.
        whole: Whether it is the whole text.
    """
    start = 0
    # A text that begins in lower case has all its sentences in lower case.
    capitals = not next((c for c in block if c.isalpha()), "A").islower()
    for found in _END.finditer(block):
        marks, closers, end = found["marks"], found["closers"], found.end()
        after = block[end : end + 1]
        if after and not after.isspace() and marks[-1] not in _DENSE:
            continue  # 3.5, example.com
        before = block[max(start, found.start() - 40) : found.start()]
        asking = any(mark in _MARKS for mark in marks) and not is_value(before, block[start:end])
        following = block[end : end + 12].lstrip()
        if following[:1].islower() and ((capitals and not asking) or ")" in closers):
            continue  # "approx. ten", "(which one?) is"
        if marks == "." and _abbreviated(before, following):
            continue
        sentence = block[start:end]
        if _WORD.search(sentence):
            stopped = unmarked and "!" not in marks
            asking = asking or _asks_within(sentence)
            yield sentence, asking or (stopped and asks_unmarked(sentence, ended=True))
        start = end
    rest = block[start:]
    if _WORD.search(rest):
        ended = whole and start == 0
        yield rest, _asks_within(rest) or (unmarked and asks_unmarked(rest, ended))


def _asks_within(sentence: str) -> bool:
    return any(mark in sentence for mark in _WITHIN)


def _abbreviated(before: str, following: str) -> bool:
    """Whether a full stop after `before` ends an abbreviation or an initial, not a sentence."""
    if _LETTER.search(before) and _INITIAL.match(following):
        return True
    titled = _TITLE.search(before) is not None and bool(following)
    return titled and _OPENS_QUESTION.match(following) is None
