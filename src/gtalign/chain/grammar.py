"""Grammars of the chain, for engines that constrain decoding.

All are made from the game form, and each accepts a subset of what the strict `parse` accepts: keys
in the form's order, payoffs with at most one decimal, little whitespace. Every text holds something
that is not whitespace. The thinking and the analysis hold no ``<`` and have a length limit, so a
model that would never close them is made to. The response is what the user reads, code and markup
included: it may hold ``<``, but none of the tags.

A small model that was not trained on chains goes round in circles once its analysis has named a few
cells, and carries that on into its response. A grammar for such a model is ``concise``: the
analysis is what the short instruction asks for, one sentence and the choice.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from typing import Any, Final, Literal

from gtalign.chain.blocks import layout
from gtalign.chain.json_book import quoted
from gtalign.errors import GameError
from gtalign.game.bimatrix import PLAYER_KEYS
from gtalign.game.form import TOLERANCE, USER_LLM, GameForm

_SPACES: Final = (
    r"\t\n\x0B\x0C\r\x1C-\x1F \x85\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
)
"""What `str.isspace` takes for whitespace, as the inside of a character class."""

_PLAYERS: Final = tuple(sorted(PLAYER_KEYS))
_LARGEST: Final = 1000
_REPEATED: Final = 500
_CONCISE: Final = 200  # most characters of a concise analysis
ENDING_TOKENS: Final = 40
"""Tokens that are kept for the part ``ending``. They suffice with any tokenizer."""

_LAST_BYTES: Final = 4 + 3  # most bytes of the last character of an ending and of its mark
_MARKS: Final = r".!?\u2026\u3002\uFF01\uFF1F\u061F\u0964"  # that end one, in any script
_STEPS: Final = (20, 10, 5, 4, 2)  # parts into which a belief is divided
_BELIEFS: Final = 120
_CHOICE: Final = "Choose "  # as in the instructions
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]')
_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")


Part = Literal["whole", "opening", "belief", "payoff", "matrix", "remainder", "response", "ending"]
"""The text that a grammar describes: a whole chain; its blocks up to the payoff; the same from the
inside of the belief block on; the content of the payoff block alone, or with the tag that closes
it; the rest once ``<analyze>`` is open, with or without some text in it; the rest once
``<response>`` is open; or the rest of a sentence with which a response ends.

In the last three the closing ``</response>`` may be missing: a model may also end its turn there.
"""


@dataclass(frozen=True, slots=True)
class Lengths:
    """The most characters of the texts whose length a grammar limits.

    Args:
        thinking: Of the thinking, at least 1.
        analyze: Of the analysis, at least 1.
        ending: The most bytes of the part ``ending``, so that as many tokens suffice for it. Fewer
            than 7 may not.
    """

    thinking: int = 4000
    analyze: int = 2000
    ending: int = ENDING_TOKENS


def json_schema(
    form: GameForm = USER_LLM, *, low: float = -5.0, high: float = 5.0
) -> dict[str, Any]:
    """The JSON Schema of the payoff block: every cell, each with both players, in range.

    It uses no references and no keyword beyond what engines commonly support. Some (llama.cpp)
    ignore the range of numbers; `gbnf` keeps it.
    """
    number = {"type": "number", "minimum": low, "maximum": high}
    return _object({cell: _object(dict.fromkeys(_PLAYERS, number)) for cell in form.cells})


@lru_cache(maxsize=64)  # an answer asks for two, which are mostly those of the answer before
def ebnf(
    form: GameForm = USER_LLM,
    *,
    low: float = -5.0,
    high: float = 5.0,
    part: Part = "whole",
    lead: str = "",
    lengths: Lengths = Lengths(),
    concise: bool = False,
    content: tuple[tuple[str, str], ...] = (),
    belief: bool = False,
) -> str:
    """The grammar of a chain, or of a part of it, in XGrammar's EBNF (vLLM, SGLang, TensorRT-LLM).

    Args:
        form: The game whose cells the payoff names.
        low: Least payoff, inclusive.
        high: Greatest payoff, inclusive.
        part: What is described.
        lead: Printable ASCII that comes first: what a part that has begun still lacks of its
            beginning.
        lengths: The most characters of thinking, analysis and ending.
        concise: Whether an analysis is one sentence and "Choose CELL.", or the latter alone. It
            takes a third of its length at most, since names of cells are many tokens.
        content: Rules of what the response consists of, by name, as from `json_rules` or
            `gtalign.chain.tools.tool_rules`; the first is of the whole. Without any, it is free
            text.
        belief: Whether the chain states a belief. Its shares are multiples of 0.05, or of more in
            games in which the user has many actions.

    Raises:
        GameError: The range holds no number with one decimal, or goes beyond ±1000; or a length is
            less than 1.
    """
    if min(lengths.thinking, lengths.analyze) < 1:
        raise GameError(f"a block needs room for a character, not {lengths}")
    thinking = '"<thinking>" [ \\n]{0,4} thought "</thinking>"'
    payoff = '"<payoff>" payoff "</payoff>"'
    response = '"<response>" text'
    stated = 'belief "</belief>" gap '
    before = f'"<belief>" {stated}' if belief else ""
    whole, rest = ("conclusion",) * 2 if concise else ("[ \\n]{0,4} analysis", "more")
    root = {
        "whole": f'gap {thinking} gap {before}{payoff} gap "<analyze>" {whole} "</analyze>"'
        f' gap {response} "</response>" gap',
        "opening": f"gap {thinking} gap {before}{payoff}",
        "belief": f"{stated}{payoff}",
        "payoff": "payoff",
        "matrix": 'payoff "</payoff>"',
        "remainder": f'{rest} "</analyze>" gap {response} ("</response>" gap)?',
        "response": 'text ("</response>" gap)?',
        "ending": 'ending ("</response>" gap)?',
    }[part]
    most = max(lengths.ending - _LAST_BYTES, 0)
    rules = {
        "root": f"{quoted(lead)} {root}" if lead else root,
        "gap": r"[ \n]{0,2}",
        "belief": " | ".join(_beliefs(form)),
        **_payoff_rules(form, low, high),
        **_limited("thought", lengths.thinking),
        **_limited("analysis", lengths.analyze),
        **_limited("more", lengths.analyze, least=0),
        **_concluded(form, lengths.analyze),
        "text": r"[ \n]{0,4} words",
        # No digit comes before the mark, which might be the point of a number.
        "ending": rf"(narrow{{0,{most}}} | wide{{0,{most // 4}}}) last [{_MARKS}]",
        "narrow": r"[\x20\x22-\x2D\x2F-\x3B\x3D\x3E\x40-\x7E]",  # ASCII without < and the marks
        "wide": rf"[^<\n{_MARKS}]",  # four bytes at most
        "last": rf"[^<0-9{_SPACES}{_MARKS}]",
        **words_rules(layout(belief).tags),
        **dict(content),
    }
    if content:
        rules["text"] = rf"[ \n]{{0,4}} {content[0][0]} [ \n]{{0,4}}"
    return "".join(f"{name} ::= {body}\n" for name, body in _needed(rules).items())


def gbnf(
    form: GameForm = USER_LLM,
    *,
    low: float = -5.0,
    high: float = 5.0,
    part: Part = "whole",
    lead: str = "",
    lengths: Lengths = Lengths(),
    concise: bool = False,
    content: tuple[tuple[str, str], ...] = (),
    belief: bool = False,
) -> str:
    """The grammar of a chain, or of a part of it, in llama.cpp's GBNF.

    XGrammar's EBNF grew out of GBNF, and `ebnf` keeps to what the two share (dashed lowercase rule
    names, literals, character classes, groups, ``? * {m,n}``, the root rule ``root``), so this is
    the same text.

    Raises:
        GameError: As `ebnf` does.
    """
    return ebnf(
        form,
        low=low,
        high=high,
        part=part,
        lead=lead,
        lengths=lengths,
        concise=concise,
        content=content,
        belief=belief,
    )


def words_rules(tags: Iterable[str]) -> dict[str, str]:
    """The rules of a free text, by name, which holds something and none of these tags.

    ``<`` stands only at the beginning of a tag, so the tags are a trie with one way back: after a
    character that leads nowhere the text is free again, and after ``<`` it is at the root.

    Args:
        tags: The tags, each ending with ``>``; the first rule, ``words``, is of the whole text.
    """
    known = tuple(tags)
    rules = {
        "words": f'[^<{_SPACES}] rest | "<" {_node("<")}',
        "rest": f'[^<]* ("<" {_node("<")})?',
    }
    for beginning in sorted({tag[:end] for tag in known for end in range(1, len(tag))}):
        nexts = sorted({tag[len(beginning)] for tag in known if tag.startswith(beginning)} - {">"})
        onward = "".join(f' | "{letter}" {_node(beginning + letter)}' for letter in nexts)
        others = "".join(nexts) or ">"
        rules[_node(beginning)] = f'("<" {_node("<")} | [^<{others}] rest{onward})?'
    return rules


def _needed(rules: dict[str, str]) -> dict[str, str]:
    """The rules that the root needs, in the order in which they were given."""
    found, waiting = {"root"}, ["root"]
    while waiting:
        body = _QUOTED.sub(" ", rules[waiting.pop()])
        new = {name for name in _NAME.findall(body) if name in rules} - found
        found |= new
        waiting += new
    return {name: body for name, body in rules.items() if name in found}


def _beliefs(form: GameForm) -> Iterator[str]:
    """Alternatives for the content of the belief block: all shares of some step that add up to 1.

    A grammar cannot add, so they are listed; the step is the finest of which there are few.
    """
    types = len(form.user)
    parts = next((p for p in _STEPS if math.comb(p + types - 1, types - 1) <= _BELIEFS), 1)
    for bars in combinations(range(parts + types - 1), types - 1):
        ends = (-1, *bars, parts + types - 1)
        shares = [(high - low - 1) / parts for low, high in pairwise(ends)]
        yield quoted(json.dumps(dict(zip(form.user_actions, shares, strict=True))))


def _payoff_rules(form: GameForm, low: float, high: float) -> dict[str, str]:
    """The rules for the content of the payoff block."""
    cells = ' "," s '.join(f'"\\"{cell}\\":" s cell' for cell in form.cells)
    players = ' "," s '.join(f'"\\"{player}\\":" s number' for player in _PLAYERS)
    return {
        "s": '" "?',
        "payoff": f'gap "{{" {cells} "}}" gap',
        "cell": f'"{{" {players} "}}"',
        "number": " | ".join(_numbers(low, high)),
    }


def _limited(name: str, most: int, *, least: int = 1) -> dict[str, str]:
    """Rules for a text without ``<`` of up to so many characters; the first is no whitespace.

    Engines limit how often one thing may be repeated (llama.cpp: 2,000 times), so a long text is
    a chain of rules. `least` 0 is for a text that has begun: it may hold anything, or nothing.
    """
    rules = {}
    if least:
        most -= 1
        rules[name] = f"[^<{_SPACES}] {name}-0"
    else:
        rules[name] = f"{name}-0"
    levels = most // _REPEATED
    for level in range(levels):
        here, after = f"{name}-{level}", f"{name}-{level + 1}"
        rules[here] = f"[^<]{{0,{_REPEATED - 1}}} | [^<]{{{_REPEATED}}} {after}"
    rules[f"{name}-{levels}"] = f"[^<]{{0,{most - levels * _REPEATED}}}"
    return rules


def _concluded(form: GameForm, most: int) -> dict[str, str]:
    """Rules for a concise analysis of a game."""
    cells = " | ".join(f'"{cell}"' for cell in form.cells)
    choice = f". {_CHOICE}{max(form.cells, key=len)}."
    room = min(most // 3, _CONCISE) - len(choice)
    said = '(sentence ". ")? ' if room > 1 else ""
    return {
        "conclusion": f'" "? {said}"{_CHOICE}" ({cells}) "."',
        "sentence": rf'[^<.{_SPACES}] ([^<.\n] | "." [0-9]){{0,{max(room - 1, 0)}}}',
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _numbers(low: float, high: float) -> Iterator[str]:
    """Alternatives for the numbers in ``[low, high]`` with at most one decimal."""
    if not -_LARGEST <= low <= high <= _LARGEST:
        raise GameError(f"a grammar needs payoffs within ±{_LARGEST}, not in [{low}, {high}]")
    lowest, highest = math.ceil(low * 10 - TOLERANCE), math.floor(high * 10 + TOLERANCE)
    if lowest > highest:
        raise GameError(f"no number with one decimal lies in [{low}, {high}]")
    if highest >= 0:
        yield from _magnitudes("", max(lowest, 0), highest)
    if lowest < 0:
        yield from _magnitudes("-", max(-highest, 0), -lowest)


def _magnitudes(sign: str, lowest: int, highest: int) -> Iterator[str]:
    """Alternatives for the magnitudes from `lowest` to `highest` tenths."""
    whole: list[str] = []
    for ones in range(lowest // 10, highest // 10 + 1):
        first, last = max(lowest - 10 * ones, 0), min(highest - 10 * ones, 9)
        if (first, last) == (0, 9):
            whole.append(f'"{sign}{ones}"')
        elif first == 0:
            yield f'"{sign}{ones}" ("." [0-{last}])?'
        else:
            yield f'"{sign}{ones}." [{first}-{last}]'
    if whole:
        yield f'({" | ".join(whole)}) ("." [0-9])?'


def _node(beginning: str) -> str:
    """Name of the rule for the text after this beginning of a tag."""
    letters = beginning.strip("</").replace("_", "-")
    return "-".join(
        ["tag", *(["end"] if "/" in beginning else []), *([letters] if letters else [])]
    )
