r"""The final answer that a response states: its last box, else what it calls the answer, else the
last formula or number.

Words that name an answer are those of English and of a few other languages, Chinese, Japanese and
Korean among them.
"""

import re
from typing import Final

_BOX: Final = re.compile(r"\\f?box(?:ed)?\s*(\{|(?<=\s)[^\s$.{]+|-?\d[^\s$.{]*)")
_BRACE: Final = re.compile(r"(?<!\\)(?:\\\\)*([{}])")

_COLON: Final = "[:\uff1a]"
_STATED: Final = re.compile(
    r"(?:\banswer[*_]{0,3}(?:\s+(?:to|of|for)\s[^.\n:]{1,80}?)?"
    rf"\s*(?:\b(?:is|equals|would be|must be|should be)\b|=|{_COLON})"
    r"|\b(?:respuesta|risposta|resposta|réponse|antwort|antwoord)\s+(?:final\s+|finale\s+)?"
    r"(?:es|è|é|est|ist|lautet)\b"
    rf"|\b(?:respuesta|risposta|resposta|réponse|antwort|antwoord|\u043e\u0442\u0432\u0435\u0442)"
    rf"\s*{_COLON}"
    rf"|答案[*_]*(?:(?:就|应该|應該)?是|为|為|等于|等於|=|{_COLON})"
    rf"|(?:答え|解答|正解)(?:は|{_COLON})|答{_COLON}"
    rf"|(?:정답|답)(?:은|{_COLON})"
    r"|(?<!\S)####(?=\s*[^\s#])|(?<=<)answer>)"
    rf"(?:{_COLON}|[*_\s])*",
    re.IGNORECASE,
)
"""What announces an answer: "the answer is", "Answer:", "答案是", "答えは", "정답은", "####"."""

_STEMS: Final = re.compile(
    "answer|respuesta|risposta|resposta|réponse|antwort|antwoord|\u043e\u0442\u0432\u0435\u0442|答|解答|正解|정답|답"
    "|####"
)
"""What each of them begins with, in lower case."""

_SENTENCE: Final = re.compile(
    r"\.(?:[*_\"'\u201d\u2019)]*(?:\s|$))|(?<!\\)!|[\u3002\uff01\uff1b\n]|</answer>|(?<=\S)\s*\\\\\s"
    r"|,\s+(?:since|because|as|so|which|where|but|for|given)\b"
)
"""What ends it."""

_DENIED: Final = re.compile(r"not\b(?! (?:only|just)\b)", re.IGNORECASE)
"""What says that the text behind it is not the answer."""

_RULED_OUT: Final = re.compile(
    r"\banswer[*_]{0,3}\s+(?:is(?:n['\u2019]t| (?:definitely|certainly|clearly|surely) not)"
    r"|(?:can(?:not|['\u2019]t| not)|could(?:n['\u2019]t| not)|must(?:n['\u2019]t| not)) be)"
    r"\b(?:[^.\n]|\.(?=\d))*",
    re.IGNORECASE,
)
"""A sentence that says what the answer is not."""

_COPULA: Final = re.compile(
    r"\s*(?:です|である|だ|になります"
    r"|입니다|이다|이에요|예요)\s*$"
)
_FORMULA: Final = re.compile(
    r"\$\$([^$]+)\$\$|\$(?!\s)([^$\n]+)(?<!\s)\$(?!\d)"
    # an opening mark ends the attempt, so that many cost no more
    r"|\\\(((?:(?!\\[()]).)+)\\\)|\\\[((?:(?!\\[\[\]]).)+)\\\]",
    re.DOTALL,
)
_NEAR: Final = 400
"""Characters at the end of a response that are looked through first."""
_DIGITS: Final = r"\d[\d,\uff0c]*(?:[.\uff0e]\d+)?"
_MINUS: Final = r"(?:(?<![\w)\]}])[-\u2212\u2013\uff0d+])?"
_NUMBER: Final = re.compile(
    rf"(?<![A-Za-z0-9_.]){_MINUS}{_DIGITS}(?:[eE][+-]?\d+)?"
    r"(?:\s*(?:\\times|\\cdot|[\u00d7\u00b7*x])\s*10\s*(?:\^|\*\*)?\s*"
    r"(?:\{[-\u2212+]?\d+\}|[-\u2212+]?\d+|[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+))?"
    rf"(?:/{_DIGITS})?(?:\s?\\?[%\uff05])?"
)


def final_answer(response: str) -> str | None:
    r"""Return the final answer of a response, without marks of layout; None if there is none.

    It is the content of the last ``\boxed{..}`` or ``\fbox{..}``. Without a box it is the text
    after the last announcement ("the answer is", "Answer:", "####"), up to the end of its sentence;
    else the last formula between dollar signs or the last number, whichever comes later, but none
    of a sentence that says what the answer is not. A last box that is never closed, or is empty, is
    no answer, whatever else is in the response.
    """
    if _BOX.search(response) is not None:
        return last_boxed(response) or None
    stated = _last_stated(response)
    if stated is not None:
        rest = response[stated.end() :]
        ending = _SENTENCE.search(rest)
        text = rest if ending is None else rest[: ending.start()]
        text = _COPULA.sub("", text).strip(" \t*_`\"'\u201c\u201d「」")
        return None if _DENIED.match(text) else text or None
    denied = _last(_RULED_OUT, response)
    return _last_value(response if denied is None else response[denied.end() :])


def last_boxed(text: str) -> str | None:
    r"""Return what the last ``\boxed{...}`` (or ``\fbox{...}``, ``\boxed x``) of a text holds.

    None if there is none, or if its braces do not close.
    """
    last = _last(_BOX, text)
    if last is None:
        return None
    if last[1] != "{":
        return last[1]
    depth = 1
    for brace in _BRACE.finditer(text, last.end()):
        depth += 1 if brace[1] == "{" else -1
        if depth == 0:
            return text[last.end() : brace.start(1)].strip()
    return None


def _last_value(response: str) -> str | None:
    """Return the last formula or number; a number inside a formula is part of it."""
    number, formula = _last_number(response), _last(_FORMULA, response)
    if formula is not None and (number is None or number.start() < formula.end()):
        return next(text for text in formula.groups() if text is not None).strip() or None
    return None if number is None else number[0].strip(",\uff0c")


def _last_stated(text: str) -> re.Match[str] | None:
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters have longer forms
        return _last(_STATED, text)
    for stem in reversed(list(_STEMS.finditer(lowered))):
        found = _STATED.match(text, stem.start())
        if found is not None:
            return found
    return None


def _last_number(text: str) -> re.Match[str] | None:
    """The last number; it is mostly near the end, where it is looked for first."""
    near = max(0, len(text) - _NEAR)
    found: re.Match[str] | None = None
    for found in _NUMBER.finditer(text, near):  # noqa: B007 (the last one is kept)
        pass
    if found is not None and found.start() > near + _NEAR // 2:
        return found
    return _last(_NUMBER, text)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found: re.Match[str] | None = None
    for found in pattern.finditer(text):  # noqa: B007 (the last one is kept)
        pass
    return found
