r"""One notation for mathematics: characters of Unicode as TeX, and TeX in one form.

What a character is comes from Unicode's own data: raised and lowered characters by their
decomposition, operators by their names. Quotes, spaces, hyphens and invisible characters are those
of `gtalign.tasks.spelling`.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import groupby
from typing import Final

from gtalign.tasks.spelling import plainly

_NAMED: Final = tuple(
    (re.compile(names), written)
    for names, written in (
        (r"LESS-THAN (?:OR|OVER) (?:SLANTED )?EQUAL TO", r"\le "),
        (r"GREATER-THAN (?:OR|OVER) (?:SLANTED )?EQUAL TO", r"\ge "),
        (r"NOT EQUAL TO", r"\ne "),
        (r"(?:ALMOST|ASYMPTOTICALLY|APPROXIMATELY) EQUAL TO", r"\approx "),
        (r"(?:HEAVY )?MULTIPLICATION (?:SIGN|X)|VECTOR OR CROSS PRODUCT", r"\times "),
        (r"MIDDLE DOT|KATAKANA MIDDLE DOT|DOT OPERATOR|BULLET(?: OPERATOR)?", r"\cdot "),
        (r"(?:LOW )?ASTERISK(?: OPERATOR)?", "*"),
        (r"(?:FRACTION|DIVISION) SLASH|(?:HEAVY )?DIVISION SIGN|BIG SOLIDUS", "/"),
        (r"(?:HEAVY |MODIFIER LETTER )?MINUS SIGN", "-"),
        (r"(?:HEAVY )?PLUS SIGN", "+"),
        (r"PLUS-MINUS SIGN", r"\pm "),
        (r"MINUS-OR-PLUS SIGN", r"\mp "),
        (r"RATIO", ":"),
        (r"DIVIDES", "|"),
        (r"INFINITY", r"\infty "),
        (r"EMPTY SET", r"\emptyset "),
        (r"UNION", r"\cup "),
        (r"INTERSECTION", r"\cap "),
        (r"ELEMENT OF", r"\in "),
        (r"LEFT FLOOR", r"\lfloor "),
        (r"RIGHT FLOOR", r"\rfloor "),
        (r"LEFT CEILING", r"\lceil "),
        (r"RIGHT CEILING", r"\rceil "),
        (r"DEGREE SIGN|RING ABOVE|MASCULINE ORDINAL INDICATOR", r"^\circ "),
        (r"(?:ARABIC )?PERCENT SIGN", "%"),
        (r"(?:ARABIC-INDIC )?PER MILLE SIGN", "\u2030"),
        (r"(?:ARABIC-INDIC )?PER TEN THOUSAND SIGN", "\u2031"),
        (r"ARABIC DECIMAL SEPARATOR|IDEOGRAPHIC FULL STOP", "."),
        (r"ARABIC THOUSANDS SEPARATOR|(?:ARABIC|IDEOGRAPHIC) COMMA", ","),
        (r"ARABIC SEMICOLON", ";"),
    )
)
_DOUBLE_STRUCK: Final = re.compile(r"(?:MATHEMATICAL )?DOUBLE-STRUCK CAPITAL ([A-Z])")
_GREEK: Final = re.compile(r"GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)")
_GREEK_CAPITALS: Final = frozenset(
    ("GAMMA", "DELTA", "THETA", "LAMDA", "XI", "PI", "SIGMA", "PHI", "PSI", "OMEGA")
)

_ROOTS: Final = {"\u221a": "", "\u221b": "[3]", "\u221c": "[4]"}
_ROOT: Final = re.compile(r"(?:(?<![\w)}\]])\^\{(\w+)\})?([\u221a\u221b\u221c])\s*(\d+|[A-Za-z])?")
_ROOT_OF: Final = re.compile(r"\\sqrt(?:\[\w+\])?\s*\(")
_BRACKET: Final = re.compile("[()]")
_RAISED_OVER_LOWERED: Final = re.compile(r"\^\{(\d+)\}/(?:_\{(\d+)\}|(\d+))")
_POWER_FRACTION: Final = re.compile(r"\^\s*(\\frac\{\d+\}\{\d+\})")

_INTERVAL: Final = re.compile(r"\s*([\[\]])([^\[\]()]+)([\[\]])\s*")
_SEMICOLONS: Final = re.compile(r"\s*(?:\\left)?[\[(][^,]*;[^,]*")

_MACROS: Final = tuple(
    (re.compile(names), written)
    for names, written in (
        (r"\\(?:[dtc]frac|sfrac|nicefrac)(?![A-Za-z])", r"\\frac"),
        (r"\\geq(?:q|slant)?(?![A-Za-z])", r"\\ge"),
        (r"\\leq(?:q|slant)?(?![A-Za-z])", r"\\le"),
        (r"\\neq(?![A-Za-z])|\\not\s*=|(?<=\s)!=", r"\\ne "),
        (r">=", r"\\ge "),
        (r"<=", r"\\le "),
        (r"(?<=[\w)}])\s*\*\*\s*(?=[\w({+-])", "^"),
        (r"\\[bB]igg?[lr]?(?![A-Za-z])", ""),
        (r"\\sqrt(\[\w+\])\s*(\w)", r"\\sqrt\1{\2}"),
        (
            r"(?<![A-Za-z\\])((?:arc)?(?:sin|cos|tan)|sqrt|log|ln)(?=[\s_({\d\\^]|\Z)",
            r"\\\1",
        ),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset"),
        (r"\\degree(?![A-Za-z])", r"^\\circ"),
        (r"\\mathbb\s*([A-Z])(?![A-Za-z])", r"\\mathbb{\1}"),
        (r"\\frac\s*(\d)\s*(\d)(?!\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s+([A-Za-z\d])\s*([A-Za-z\d])(?![A-Za-z\d])", r"\\frac{\1}{\2}"),
    )
)


def tex(text: str) -> str:
    r"""Return a formula in ASCII and one form of TeX.

    Digits, signs, fractions, roots, raised and lowered characters of Unicode become ASCII and TeX;
    names of one thing become one: ``\dfrac`` and ``\frac``, ``\geqslant`` and ``\ge``.
    """
    if not text.isascii():
        text = _from_unicode(text)
    for macro, written in _MACROS:
        text = macro.sub(written, text)
    outward = _INTERVAL.fullmatch(text)
    if outward is not None and (outward[1] == "]" or outward[3] == "["):  # ]0, 1[ is (0, 1)
        text = f"{'(' if outward[1] == ']' else '['}{outward[2]}{')' if outward[3] == '[' else ']'}"
    if _SEMICOLONS.fullmatch(text):
        text = text.replace(";", ",")
    return _braced_roots(text)


def _from_unicode(text: str) -> str:
    runs = ((tag, "".join(run)) for tag, run in groupby(plainly(text), _tag))
    text = "".join(_run(tag, run) for tag, run in runs)
    text = _RAISED_OVER_LOWERED.sub(
        lambda found: rf" \frac{{{found[1]}}}{{{found[2] or found[3]}}}", text
    ).replace("^{-}", "-")
    text = _ROOT.sub(_root, _POWER_FRACTION.sub(r"^{\1}", text))
    return text.replace("\u2212", "-")


@lru_cache(maxsize=4096)
def _tag(character: str) -> str:
    """How a character is set: ``<super>``, ``<sub>``, or empty; a degree is no raised letter."""
    form = unicodedata.decomposition(character).partition(" ")[0]
    return form if form in ("<super>", "<sub>") and character != "\u00ba" else ""


def _run(tag: str, run: str) -> str:
    if not tag:
        return "".join(map(_character, run))
    mark = "^" if tag == "<super>" else "_"
    return f"{mark}{{{unicodedata.normalize('NFKC', run)}}}".replace("\u2212", "-")


@lru_cache(maxsize=4096)
def _character(character: str) -> str:
    if character.isascii() or character in _ROOTS:
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if unicodedata.category(character) == "Pd":
        return "-"
    name = unicodedata.name(character, "")
    written = next((written for names, written in _NAMED if names.fullmatch(name)), None)
    if written is not None:
        return written
    struck = _DOUBLE_STRUCK.fullmatch(name)
    if struck is not None:
        return rf"\mathbb{{{struck[1]}}}"
    folded = unicodedata.normalize("NFKC", character)
    if "\u2044" in folded:  # a vulgar fraction: 1 and a half is not 11/2
        return r" \frac{{{}}}{{{}}}".format(*folded.split("\u2044"))
    return _greek(name) or ("".join(map(_character, folded)) if folded != character else folded)


def _greek(name: str) -> str:
    """A letter of Greek as TeX calls it; empty if TeX has no name for it."""
    found = _GREEK.fullmatch(name)
    if found is None or found[2] == "OMICRON":
        return ""
    if found[1] == "CAPITAL" and found[2] not in _GREEK_CAPITALS:
        return ""
    called = found[2].replace("LAMDA", "LAMBDA")
    return f"\\{called.lower() if found[1] == 'SMALL' else called.capitalize()} "


def _root(found: re.Match[str]) -> str:
    """A root of a number or a letter in TeX; of anything else the sign, before its brackets."""
    degree = _ROOTS[found[2]] if found[1] is None else f"[{found[1]}]"
    inner = "" if found[3] is None else f"{{{found[3]}}}"
    return rf"\sqrt{degree}{inner}"


def _braced_roots(text: str) -> str:
    r"""Write ``\sqrt(x+1)`` as ``\sqrt{x+1}``."""
    opened = {found.end() - 1 for found in _ROOT_OF.finditer(text)}
    if not opened:
        return text
    characters, open_brackets = list(text), list[int]()
    for found in _BRACKET.finditer(text):
        if found[0] == "(":
            open_brackets.append(found.start())
        elif open_brackets and (start := open_brackets.pop()) in opened:
            characters[start], characters[found.start()] = "{", "}"
    return "".join(characters)
