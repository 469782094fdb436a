r"""The final answer that a response states: its last box, else what it calls the answer, else the
last formula or number.

What a sentence rules out ("it is not 12") is taken out first, in one place, so that nothing of it
is read. Words that name an answer, and those that rule one out, are those of English and of a few
other languages, Chinese, Japanese and Korean among them.
"""
# ruff: noqa: RUF001

import re
from typing import Final

from gtalign.judges.denial import affirmed
from gtalign.judges.equality import same_answer
from gtalign.judges.value import AROUND, DIGIT, LETTER, NEAR, PICTURE, last_match, last_value
from gtalign.tasks.spelling import untagged

_BOX: Final = re.compile(r"\\f?box(?:ed)?\s*(\{|(?<=\s)[^\s$.{]+|-?\d[^\s$.{]*)")
_BRACE: Final = re.compile(r"(?<!\\)(?:\\\\)*([{}])")
_LISTED: Final = re.compile(
    r"[\s$]*(?:(?:[,;&、，]|\\text\{\s*(?:and|or)\s*\}|\b(?:and|or|und|oder|et|ou|y|o|e)\b|和|或|と)"
    r"[\s$]*){1,2}(?:[A-Za-z](?:_\{?\w{1,3}\}?)?\s*=\s*)?[\s$]*"
)
"""What joins the boxes of one list."""
_PART_BEFORE: Final = re.compile(
    r"(?:(?:^|[^\s*_-])[-\u2212+]|[/^±√\d]|\\(?:sqrt|frac(?:\{[^{}]{0,20}\})?)\{|\\(?:pm|cdot|times|div)\s?"
    r"|(?:^|[=$])\s{0,3}[-\u2212])$"
)
_PART_AFTER: Final = re.compile(r"\s?(?:[/^](?!\{?\s*\\circ)|\\pi)|[\u00b2\u00b3]|[A-Za-z]\b")
"""What makes a box a part of a formula that goes on around it."""

_COLON: Final = "[:\uff1a]"
_OTHERS: Final = "respuesta|risposta|resposta|réponse|antwort|antwoord"
_OPENING: Final = rf"(?:{_COLON}|[*_\s\u3001]|\\\[|\$\$\s*\n|```\w*\n|(?<=\n)[->\u2022]\s)*"
"""What stands between an announcement and the answer: layout."""
_STATED: Final = re.compile(
    r"(?:\banswer[*_]{0,3}(?:\s+(?:to|of|for)\s[^.\n:]{1,80}?)?"
    rf"\s*(?:\b(?:is|equals|would be|must be|should be)\b|=(?!=)|{_COLON})"
    rf"|\b(?:{_OTHERS})\s+(?:final\s+|finale\s+)?(?:es|è|é|est|ist|lautet|is)\b"
    rf"|\b(?:{_OTHERS}|\u043e\u0442\u0432\u0435\u0442)\s*{_COLON}"
    rf"|答案[*_]*(?:(?:就|应该|應該)?是|为|為|等于|等於|=|{_COLON})"
    rf"|(?:答え|解答|正解)(?:は|{_COLON})|答{_COLON}"
    rf"|(?:정답|답)(?:은|{_COLON})"
    r"|(?<!\S)####(?=\s*[^\s#])|(?<=<)answer>)"
    rf"{_OPENING}",
    re.IGNORECASE,
)
"""What announces an answer: "the answer is", "Answer:", "答案是", "答えは", "정답은", "####"."""

_TITLE: Final = re.compile(
    rf"(?:answer|{_OTHERS}|\u043e\u0442\u0432\u0435\u0442|答案|解答|正解|答え|정답|답)"
    r"(?:\s+(?:final[eo]?|definitiv[ao]))?"
    rf"(?:</h\d>|_|[^\w\n$\\(（])*\n(?:[=-]{{3,}}\s*\n)?{_OPENING}",
    re.IGNORECASE,
)
_BEFORE_TITLE: Final = re.compile(
    r"(?:<h\d>|_|[^\w\n]|\d{1,2}\.)*(?:(?:the|my|our|final|correct|short|endgültige|finale|definitief)\s+"
    r"|最终|最終|最后|最後|최종\s?){0,3}",
    re.IGNORECASE,
)
"""A line that says "Answer" and nothing else, as a heading: what stands after and before."""

_STEMS: Final = re.compile(
    f"answer|{_OTHERS}|\u043e\u0442\u0432\u0435\u0442|答|解答|正解|정답|답|####"
)
"""What each of them begins with, in lower case."""

_SENTENCE: Final = re.compile(
    r"(?<!\bRs)\.(?:[*_\"'\u201d\u2019)]*(?:\s|$))|(?<!\\)!(?![.!=/*^)])|[\u3002\uff01\uff1b\n]|</answer>"
    r"|(?<=\S)\s*\\\\\s|,\s+(?:since|because|as|so|which|where|but|for|given)\b"
)
"""What ends it."""

_COPULA: Final = re.compile(
    r"\s*(?:です|である|だ|になります"
    r"|입니다|이다|이에요|예요)\s*$"
)
_LEADING: Final = re.compile(
    r"(?:(?:exactly|precisely|simply|just|only|therefore|thus|hence|so|clearly|obviously|indeed|actually"
    r"|then|now|also|definitely|certainly|equal to|given by|found to be|either)\s+)+",
    re.IGNORECASE,
)
_WORDS_THEN_NUMBER: Final = re.compile(
    rf"-?{LETTER}[^\d()（）\\$=+*/^]*(?:\s\(|（|(?<=[\u3400-\u9fff])\()\s*"
    r"((?:[-+\u2212$\u20ac]|\\\$)?\d[\d.,/\u2044]*(?:\s?[^\W\d]{1,20})?)\s*[)）]"
)
"""A number in words, and in digits in brackets: "twelve (12)"."""
_CLAIM: Final = re.compile(
    rf"{LETTER}{{2}}[^$\\=]*\s(?:is|are|equals|ist|est|es)\s+(?=[^\s])", re.IGNORECASE
)
_WORD: Final = rf"{LETTER}{{2}}"
_COMMENT: Final = re.compile(
    rf"(?:\s[(（\[](?=\s?{_WORD})|（(?=\s?{LETTER})|\s[-\u2013\u2014]\s(?={_WORD})"
    rf"|[,;]\s?(?!(?:and|or|und|oder|et|ou)\s[^A-Za-z]?\d)(?={_WORD})|[，；](?=\s?{LETTER})|;\s(?=\d+\s{_WORD})|:\s(?=[^\n]*{_WORD})"
    r"|,?\s(?:i\.e|e\.g|d\.h|viz|because|since|as|where|when|if|see)\b"
    r"|\s(?:and|or|,|;|-)?\s?[(（)）\[\]]{0,3}\s?$).*",
    re.DOTALL,
)
"""What is said about an answer behind it."""
_TWICE: Final = re.compile(r"([^()（）]+?)(?:,?\sor\s|\s[(（])([^()（）]+)[)）]?")
"""Two values of one answer: "3/4 or 75%", "3/4 (75%)"."""
_TRAILING: Final = re.compile(r"(?:[\s;,.]|\\\])+\Z")
_PICTURES: Final = re.compile(f"[{PICTURE}]+")
_LONGEST_SAID: Final = 2_000
"""Characters of the longest sentence whose value is looked for."""


def final_answer(response: str) -> str | None:
    r"""Return the final answer of a response, without marks of layout; None if there is none.

    It is the content of the last ``\boxed{..}`` or ``\fbox{..}``, or of the last ones where only
    commas or "and" stand between them. Without a box it is the text after the last announcement
    ("the answer is", a heading "Answer", "####"), up to the end of its sentence; else the last
    formula or number, whichever comes later, as a whole: of "2√3" it is not the 3. What a sentence
    rules out is never read. A last box that is never closed, or is empty, is no answer, whatever
    else is in the response; neither is a box inside a formula.
    """
    kept, ruled_out = affirmed(response)
    answer = _boxed(kept) if _BOX.search(kept) is not None else _announced(kept)
    if answer is None or len(answer) > NEAR:
        return answer or None
    told = kept.rfind(answer)
    taken_back = re.compile(rf"(?<![\w.,]){re.escape(answer)}(?![\w])")
    if any(start > told and taken_back.search(clause) for start, clause in ruled_out):
        return None
    return answer or None


def last_boxed(text: str) -> str | None:
    r"""Return what the last ``\boxed{...}`` (or ``\fbox{...}``, ``\boxed x``) of a text holds.

    None if there is none, or if its braces do not close.
    """
    last = last_match(_BOX, text)
    return None if last is None else _inside(text, last)[0]


def _boxed(text: str) -> str | None:
    """Return the last box, or the boxes of the list that it ends."""
    boxes = list(_BOX.finditer(text))
    last = boxes.pop()
    inside, end = _inside(text, last)
    if inside is None or _PART_AFTER.match(text, end, end + 40):
        return None
    if _PART_BEFORE.search(text[max(0, last.start() - 40) : last.start()]):
        return None
    listed, start = [inside], last.start()
    while boxes:
        box = boxes.pop()
        inside, end = _inside(text, box, start)
        if inside is None or start - end > AROUND or not _LISTED.fullmatch(text, end, start):
            break
        listed.append(inside)
        start = box.start()
    return ", ".join(reversed(listed)) if len(set(listed)) > 1 else listed[0]


def _inside(text: str, box: re.Match[str], limit: int | None = None) -> tuple[str | None, int]:
    """Return what a box holds, and where it ends; None if it does not close before the limit."""
    if box[1] != "{":
        return box[1], box.end()
    depth = 1
    for brace in _BRACE.finditer(text, box.end(), len(text) if limit is None else limit):
        depth += 1 if brace[1] == "{" else -1
        if depth == 0:
            return text[box.end() : brace.start(1)].strip(), brace.end()
    return None, box.end()


def _announced(text: str) -> str | None:
    """Return what a text without a box calls its answer, else its last formula or number."""
    start = _last_stated(text)
    if start is None:
        return last_value(text)
    rest = text[start:]
    ending = _SENTENCE.search(rest)
    said = rest if ending is None else rest[: ending.start()]
    said = _PICTURES.sub("", untagged(_COPULA.sub("", said))).strip(" \t*_`=\"'\u201c\u201d「」")
    return _value_of(said) or None


def _value_of(said: str) -> str:
    """Return the value in what a text calls its answer, without what it says about it."""
    if len(said) > _LONGEST_SAID:
        return said
    said = _LEADING.sub("", said, count=1) if _LEADING.match(said) else said
    worded = _WORDS_THEN_NUMBER.fullmatch(said)
    if worded is not None:
        return worded[1].strip()
    claim = _CLAIM.match(said)
    if claim is not None:
        said = said[claim.end() :]
    comment = _COMMENT.search(said)
    value = said if comment is None else said[: comment.start()]
    if DIGIT.search(value) and value.count("{") == value.count("}"):
        said = value
    twice = _TWICE.fullmatch(said)
    if twice is not None and same_answer(twice[1], twice[2]):
        return twice[1]
    return _TRAILING.sub("", said).strip(" \t*_`\"'")


def _last_stated(text: str) -> int | None:
    """Return where the last announced answer begins; None if none is announced."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters have longer forms
        found = last_match(_STATED, text)
        return None if found is None else found.end()
    for stem in reversed(list(_STEMS.finditer(lowered))):
        found = _STATED.match(text, stem.start()) or _titled(text, stem.start())
        if found is not None:
            return found.end()
    return None


def _titled(text: str, start: int) -> re.Match[str] | None:
    """A heading that says "Answer", which begins somewhere in its line."""
    title = _TITLE.match(text, start)
    if title is None:
        return None
    line = text.rfind("\n", max(0, start - 60), start) + 1 or max(0, start - 60)
    return title if _BEFORE_TITLE.fullmatch(text, line, start) else None
