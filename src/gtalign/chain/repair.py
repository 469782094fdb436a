"""The tolerant reading of a chain: it corrects common misspellings and records each correction."""

import re
from typing import Final

from gtalign.chain.blocks import BLOCKS, TAGS, Chain, Repair
from gtalign.chain.payoff import PayoffReader
from gtalign.chain.reasoning import reasoning_end
from gtalign.chain.rules import empty_response, misplaced, missing, nested, unclosed
from gtalign.game.bimatrix import Bimatrix

# The lookahead makes short work of long runs of "<".
_TAG: Final = re.compile(
    rf"<(?=[\s/{''.join(sorted({c for name in BLOCKS for c in name[0] + name[0].upper()}))}])"
    rf"\s*+(/?+)\s*+((?i:{'|'.join(BLOCKS)}))\s*+>"
)
_FENCE: Final = re.compile(r"`{3,}+[\w-]*+")


def repaired(text: str, reader: PayoffReader) -> Chain:
    """Parse a chain that need not be strict, and list each repair.

    It repairs text or code fences before, between and after the blocks (left out), whitespace and
    capitals in tags, a code fence around the payoff, single or typographic quotes around its keys,
    and trailing commas. Everything else stays an error: blocks that are missing, doubled, nested or
    out of order, an empty response, and in the payoff duplicate keys and values other than finite
    numbers in range, in JSON's spelling.

    Raises:
        ChainError: The text breaks a rule beyond repair; the error holds the first and its
            position.
    """
    repairs: list[Repair] = []
    spans: dict[str, tuple[int, int]] = {}
    payoff: Bimatrix | None = None
    position = reasoning_end(text)
    tags = _TAG.finditer(text, position)
    for index, name in enumerate(BLOCKS):
        opening = next(tags, None)
        if opening is None:
            raise missing(index, len(text))
        where = opening.start()
        if _tag(opening) != f"<{name}>":
            raise misplaced(_tag(opening), index, where)
        _gap(text, position, where, "text-between" if index else "text-before", repairs)
        _spelling(opening, repairs)
        closing = next(tags, None)
        if closing is None:
            raise unclosed(name, where)
        if _tag(closing) != f"</{name}>":
            raise nested(_tag(closing), name, closing.start())
        spans[name] = (opening.end(), closing.start())
        if name == "payoff":
            payoff = reader.read(text, *spans[name], repairs=repairs)
        _spelling(closing, repairs)
        position = closing.end()
    thinking, _, analyze, response = (text[start:end].strip() for start, end in spans.values())
    if not response:
        raise empty_response(spans["response"][0])
    further = next(tags, None)
    if further is not None:
        raise misplaced(_tag(further), len(BLOCKS), further.start())
    _gap(text, position, len(text), "text-after", repairs)
    assert payoff is not None
    return Chain(thinking, payoff, analyze, response, tuple(repairs), spans)


def _tag(found: re.Match[str]) -> str:
    """The tag as it should be spelled."""
    return f"<{found.group(1)}{found.group(2).lower()}>"


def _spelling(found: re.Match[str], repairs: list[Repair]) -> None:
    if found.group() not in TAGS:
        repairs.append(Repair("tag", found.start()))


def _gap(text: str, start: int, end: int, kind: str, repairs: list[Repair]) -> None:
    """Record text outside the blocks, if there is any."""
    gap = text[start:end]
    if gap and not gap.isspace():
        fence = not _FENCE.sub("", gap).strip()
        repairs.append(Repair("code-fence" if fence else kind, end - len(gap.lstrip())))
