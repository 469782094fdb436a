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
_LETTER: Final = r"[^\W\d_\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209c\u2150-\u215e]"
"""A letter, and no raised or lowered digit."""
_LEADING: Final = re.compile(
    r"(?:(?:exactly|precisely|simply|just|only|therefore|thus|hence|so|clearly|obviously|indeed|actually"
    r"|then|now|also|definitely|certainly|equal to|given by|found to be|either)\s+)+",
    re.IGNORECASE,
)
_WORDS_THEN_NUMBER: Final = re.compile(
    rf"-?{_LETTER}[^\d()（）\\$=+*/^]*(?:\s\(|（|(?<=[\u3400-\u9fff])\()\s*"
    r"((?:[-+\u2212$\u20ac]|\\\$)?\d[\d.,/\u2044]*(?:\s?[^\W\d]{1,20})?)\s*[)）]"
)
"""A number in words, and in digits in brackets: "twelve (12)"."""
_CLAIM: Final = re.compile(
    rf"{_LETTER}{{2}}[^$\\=]*\s(?:is|are|equals|ist|est|es)\s+(?=[^\s])", re.IGNORECASE
)
_WORD: Final = rf"{_LETTER}{{2}}"
_COMMENT: Final = re.compile(
    rf"(?:\s[(（\[](?=\s?{_WORD})|（(?=\s?{_LETTER})|\s[-\u2013\u2014]\s(?={_WORD})"
    rf"|[,;]\s?(?={_WORD})|[，；](?=\s?{_LETTER})|;\s(?=\d+\s{_WORD})|:\s(?=[^\n]*{_WORD})"
    r"|,?\s(?:i\.e|e\.g|d\.h|viz|because|since|as|where|when|if|see)\b"
    r"|\s(?:and|or|,|;|-)?\s?[(（)）\[\]]{0,3}\s?$).*",
    re.DOTALL,
)
"""What is said about an answer behind it."""
_TWICE: Final = re.compile(r"([^()（）]+?)(?:,?\sor\s|\s[(（])([^()（）]+)[)）]?")
"""Two values of one answer: "3/4 or 75%", "3/4 (75%)"."""
_TRAILING: Final = re.compile(r"(?:[\s;,.]|\\\])+\Z")
_PICTURE: Final = (
    "\u2190-\u21ff\u220e\u25a0-\u25ff\u2600-\u2714\u2717-\u2794\u2798-\u27bf\u2b00-\u2bff"
    "\U0001f000-\U0001faff\ufe0f"
)
"""Arrows and pictures, as the inside of a class; not the signs of multiplication among them."""
_PICTURES: Final = re.compile(f"[{_PICTURE}]+")

_FORMULA: Final = re.compile(
    r"\$\$([^$]+)\$\$|\$(?!\s)([^$\n]+)(?<!\s)\$(?!\d)"
    # an opening mark ends the attempt, so that many cost no more
    r"|\\\(((?:(?!\\[()]).)+)\\\)|\\\[((?:(?!\\[\[\]]).)+)\\\]",
    re.DOTALL,
)
_LONGEST_SAID: Final = 2_000
"""Characters of the longest sentence whose value is looked for."""
_NEAR: Final = 400
"""Characters at the end of a response that are looked through first."""
_WIDE: Final = "\u0e00-\u0e7f\u1100-\u11ff\u3041-\u30fa\u30fc-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Letters of scripts that set no spaces around numbers, as the inside of a class."""
_NUMBER: Final = re.compile(
    rf"(?:(?<!\w)|(?<=[{_WIDE}]))"
    r"(?:\.(?=\d))?[\d\u00bc-\u00be\u2150-\u215e]"
)
"""Where a number begins."""
_AROUND: Final = 160
"""Characters on either side of a number that are looked through for its formula."""

_FUNCTIONS: Final = r"(?:arc)?(?:sin|cos|tan)h?|sqrt|log|ln|exp|mod|choose"
_SCALES: Final = (
    r"squared|cubed|factorial|percent|per ?cent|hundred|thousand|million|billion|trillion|dozen"
    r"|lakh|crore|half|halves|thirds?|quarters?|fifths|tenths"
)
_BREAK: Final = re.compile(
    rf"(?<![\\A-Za-z\d])(?!(?:{_FUNCTIONS}|{_SCALES})\b){_LETTER}{{2,}}"
    rf"|[{_WIDE}]+(?<![万萬億亿千百만억])"
    r"|(?<!\S)[AaI](?=\s)|['\u2019](?:s|re|m|d|ll|ve)\b|(?<![\d)])\*\*|\*\*(?![\d(])|__"
    rf"|[\n\u3002\uff01\uff1f\uff1b?\u2014\"\u201c\u201d`$&\u20ac\u00a3{_PICTURE}]"
    r"|\\(?:begin|end)\{\w+\*?\}|[-=]>|\.(?![\d\u0660-\u0669])|(?<=[^\s\d]):|:(?=\s)(?<!\s:)"
    r"|,(?!\s*[-+\u2212\d(])"
)
"""What no formula holds: words of prose, and the end of a sentence."""
_JOINED: Final = re.compile(
    r"[\d%)}\]]\W*\s(?:and|or|to|und|oder|bis|et|ou|à|a|y|o|e|u|en)\s\W*$|[\d]\s?(?:和|或|到|至|と|か)\s?$"
)
_QUALIFIED: Final = re.compile(
    r"\b(?:minus|negative|plus|than|at least|at most|half of|times|over|by|of|to the power of"
    r"|root|between|january|february|march|april|may|june|july|august|september|october|november"
    r"|december|steps?|equations?|figure|table|case|part|line|section|page|question|problem|example"
    r"|theorem|lemma|chapter|exercise|method)\s\W*$",
    re.IGNORECASE,
)
_DIGIT: Final = re.compile(r"[\d\u00bc-\u00be\u2150-\u215e]")
_OPERATOR_FIRST: Final = re.compile(
    r"[+*/^×·÷<>≤≥≠⩽⩾!%]|-\s|[\u2212\u2013]\s|\\(?:le|ge|ne|lt|gt|times|cdot)"
)
_OPERATOR_LAST: Final = re.compile(r"[-+*/^×·÷<>≤≥≠⩽⩾=_\\√]\Z")
_SEVERAL: Final = re.compile(r"\d\s*,\s+[-\d(]|;|\d\s?[-\u2013]\s?\d|\d[^\S\u00a0\u2009\u202f]+\d")
_LISTING: Final = re.compile(r"\d\s*[,;]\s")
_GROUPED: Final = re.compile(
    r"[-+\u2212]?\d{1,3}(?: \d{3})+(?:[.,]\d+)?|[-+\u2212]?\d+ \d+\s?[/\u2044]\s?\d+"
)


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
    if answer is None or len(answer) > _NEAR:
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
    last = _last(_BOX, text)
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
        if inside is None or start - end > _AROUND or not _LISTED.fullmatch(text, end, start):
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
        return _last_value(text)
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
    if comment is not None and _DIGIT.search(said[: comment.start()]):
        said = said[: comment.start()]
    twice = _TWICE.fullmatch(said)
    if twice is not None and same_answer(twice[1], twice[2]):
        return twice[1]
    return _TRAILING.sub("", said).strip(" \t*_`\"'")


def _last_value(text: str) -> str | None:
    """Return the last formula or number; a number inside a formula is part of it."""
    number, formula = _last_number(text), _last(_FORMULA, text)
    if formula is not None and (number is None or number.start() < formula.end()):
        return next(found for found in formula.groups() if found is not None).strip() or None
    return None if number is None else _whole(text, number.start())


def _whole(text: str, at: int) -> str | None:
    """Return the number or formula without marks of TeX that a place is in; None if unsure."""
    first, last = max(0, at - _AROUND), at + _AROUND
    start, end = first, min(last, len(text))
    for found in _BREAK.finditer(text, first, last):
        if found.end() <= at:
            start = found.end()
        elif found.start() > at:
            end = found.start()
            break
    before, found_text = text[first:start], text[start:end]
    bulleted = not before.strip(" \t>") or before.rstrip(" \t>").endswith("\n")
    if found_text.rstrip().endswith("!"):
        return None  # of a sentence or a factorial
    value = found_text.lstrip(" \t*_'\u2019,:\u3001").rstrip(" \t*_'\u2019,.:;\u3001([{")
    if bulleted:
        value = re.sub(r"^[-+*\u2022]\s+", "", value)
    head, equals, tail = value.rpartition("=")
    value = tail.strip() if equals else value
    if equals and (head.rstrip().endswith((":", "<", ">", "!")) or _LISTING.search(head)):
        return None
    if equals and head[-2:].strip() and _assigned_before(head, before):
        return None
    about = re.split(r"\s*(?:≈|\\approx|≃)\s*", value, maxsplit=1)
    if len(about) == 2:
        value = about[0] if _DIGIT.search(about[0]) else about[1]
    value = _unbracketed(value)
    spaced_sign = equals and re.match(r"[-\u2212\u2013]\s", value)
    if not value or (_OPERATOR_FIRST.match(value) and not spaced_sign):
        return None
    several = _SEVERAL.search(value) and not _enclosed(value) and not _GROUPED.fullmatch(value)
    if several or _OPERATOR_LAST.search(value):
        return None
    context = before + " "
    if _JOINED.search(context) or _QUALIFIED.search(context):
        return None
    return value


def _assigned_before(head: str, before: str) -> bool:
    """Whether the text before gives the same name another value: "x = 3, x = 4"."""
    name = head.split()[-1]
    return re.search(rf"(?<!\w){re.escape(name)}\s?=[^=\n]*,\s?$", before) is not None


def _enclosed(value: str) -> bool:
    """Whether a value is a tuple, a set or an interval."""
    return value[0] in "([{" and value[-1] in ")]}"


def _unbracketed(value: str) -> str:
    """Return a value without a bracket whose partner it lacks."""
    if value[:1] in "([{" and not any(closing in value for closing in ")]}"):
        return value[1:].strip()
    if value[-1:] in ")]}" and not any(opening in value for opening in "([{"):
        return value[:-1].strip()
    return value


def _last_stated(text: str) -> int | None:
    """Return where the last announced answer begins; None if none is announced."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters have longer forms
        found = _last(_STATED, text)
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


def _last_number(text: str) -> re.Match[str] | None:
    """Where the last number begins; it is mostly near the end, which is looked through first."""
    near = max(0, len(text) - _NEAR)
    found = _last(_NUMBER, text, near)
    if found is not None and found.start() > near + _NEAR // 2:
        return found
    return _last(_NUMBER, text)


def _last(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    found: re.Match[str] | None = None
    for found in pattern.finditer(text, start):  # noqa: B007 (the last one is kept)
        pass
    return found
