"""The tolerant reading of a chain: it corrects common misspellings and records each correction."""

import re
from functools import cache
from typing import Final

from gtalign.chain.belief import BeliefReader
from gtalign.chain.blocks import Chain, Layout
from gtalign.chain.payoff import PayoffReader
from gtalign.chain.reasoning import reasoning_end
from gtalign.chain.rules import empty_response, misplaced, missing, nested, unclosed
from gtalign.chain.scan import Repair
from gtalign.game.bimatrix import Bimatrix


@cache
def _tag_of(of: Layout) -> re.Pattern[str]:
    # The lookahead makes short work of long runs of "<".
    first = "".join(sorted({c for name in of.blocks for c in name[0] + name[0].upper()}))
    return re.compile(rf"<(?=[\s/{first}])\s*+(/?+)\s*+((?i:{'|'.join(of.blocks)}))\s*+>")


_FENCE: Final = re.compile(r"`{3,}+[\w-]*+")


def repaired(text: str, reader: PayoffReader, of: Layout) -> Chain:
    """Parse a chain that need not be strict, and list each repair.

    It repairs text or code fences before, between and after the blocks (left out), whitespace and
    capitals in tags; and in the payoff and the belief a code fence around the JSON, single or
    typographic quotes around keys, and trailing commas. Everything else stays an error: blocks that
    are missing, doubled, nested or out of order, an empty response, and in the payoff and the
    belief duplicate keys and values other than numbers in range, in JSON's spelling.

    Raises:
        ChainError: The text breaks a rule beyond repair; the error holds the first and its
            position.
    """
    repairs: list[Repair] = []
    spans: dict[str, tuple[int, int]] = {}
    payoff: Bimatrix | None = None
    belief: dict[str, float] | None = None
    position = reasoning_end(text)
    tags = _tag_of(of).finditer(text, position)
    for index, name in enumerate(of.blocks):
        opening = next(tags, None)
        if opening is None:
            raise missing(of, index, len(text))
        where = opening.start()
        if _tag(opening) != f"<{name}>":
            raise misplaced(of, _tag(opening), index, where)
        _gap(text, position, where, "text-between" if index else "text-before", repairs)
        _spelling(of, opening, repairs)
        closing = next(tags, None)
        if closing is None:
            raise unclosed(name, where)
        if _tag(closing) != f"</{name}>":
            raise nested(_tag(closing), name, closing.start())
        spans[name] = (opening.end(), closing.start())
        if name == "payoff":
            payoff = reader.read(text, *spans[name], repairs=repairs)
        elif name == "belief":
            belief = BeliefReader(reader.form).read(text, *spans[name], repairs=repairs)
        _spelling(of, closing, repairs)
        position = closing.end()
    said = {name: text[start:end].strip() for name, (start, end) in spans.items()}
    if not said["response"]:
        raise empty_response(spans["response"][0])
    further = next(tags, None)
    if further is not None:
        raise misplaced(of, _tag(further), len(of.blocks), further.start())
    _gap(text, position, len(text), "text-after", repairs)
    assert payoff is not None
    blocks = said["thinking"], payoff, said["analyze"], said["response"]
    return Chain(*blocks, tuple(repairs), spans, belief)


def _tag(found: re.Match[str]) -> str:
    """The tag as it should be spelled."""
    return f"<{found.group(1)}{found.group(2).lower()}>"


def _spelling(of: Layout, found: re.Match[str], repairs: list[Repair]) -> None:
    if found.group() not in of.tags:
        repairs.append(Repair("tag", found.start()))


def _gap(text: str, start: int, end: int, kind: str, repairs: list[Repair]) -> None:
    """Record text outside the blocks, if there is any."""
    gap = text[start:end]
    if gap and not gap.isspace():
        fence = not _FENCE.sub("", gap).strip()
        repairs.append(Repair("code-fence" if fence else kind, end - len(gap.lstrip())))
