"""Text in, typed chain out: the strict form, or the first rule that it breaks and where."""

import re
from functools import cache

from gtalign.chain.belief import BeliefReader
from gtalign.chain.blocks import BLOCKS, Chain, Layout, layout, skip_space
from gtalign.chain.payoff import PayoffReader, as_written
from gtalign.chain.reasoning import reasoning_end
from gtalign.chain.repair import repaired
from gtalign.chain.rules import empty_response, endless, misplaced, missing, nested, stray, unclosed
from gtalign.chain.thoughts import OPENING
from gtalign.errors import ChainError
from gtalign.game.bimatrix import Bimatrix
from gtalign.game.form import USER_LLM, GameForm


def parse(
    text: str,
    form: GameForm = USER_LLM,
    *,
    tolerant: bool = False,
    low: float = -5.0,
    high: float = 5.0,
    belief: bool = False,
) -> Chain:
    """Parse a completion into its blocks.

    Closed reasoning before the chain (see `gtalign.chain.reasoning`) is no part of it. Takes time
    linear in the length of any text.

    Args:
        text: The whole completion.
        form: The game whose cells the payoff must name.
        tolerant: Whether to repair common misspellings of models (see `repaired`) and list them in
            ``Chain.repairs``. A text that parses strictly gives the same chain.
        low: Least payoff allowed, inclusive.
        high: Greatest payoff allowed, inclusive.
        belief: Whether the chain has to state a belief, in a block of its own before the payoff.

    Raises:
        ChainError: The text breaks a rule (a key of `FORMAT_RULES`); the error holds the first in
            the order of the text, and its character position. A payoff is checked as a whole where
            its block closes.
    """
    reader, of = PayoffReader(form, low, high), layout(belief)
    chain = None if belief else _plain(text, reader)
    if chain is not None:
        return chain
    try:
        return _strict(text, reader, of)
    except ChainError:
        if not tolerant:
            raise
        return repaired(text, reader, of)


@cache
def spotless(form: GameForm) -> re.Pattern[str]:
    """A chain without fault, with a matrix as `render` writes it and no ``<`` inside a block.

    Its groups are the blocks in order, with the numbers of the matrix after the payoff.
    """
    contents = dict.fromkeys(BLOCKS, "([^<]*+)") | {"payoff": f"({as_written(form)})"}
    blocks = [f"<{name}>{contents[name]}</{name}>" for name in BLOCKS]
    return re.compile(r"\s*+".join(["", *blocks, ""]))


def _plain(text: str, reader: PayoffReader) -> Chain | None:
    """The chain of a text that one regular expression can read, as nearly all are; else None."""
    found = spotless(reader.form).fullmatch(text)
    if found is None:
        return None
    thinking, _, *numbers, analyze, response = found.groups()
    response = response.strip()
    payoff = reader.matrix(numbers) if response else None
    if payoff is None:
        return None
    spans = found.regs
    return Chain(
        thinking.strip(),
        payoff,
        analyze.strip(),
        response,
        spans=dict(zip(BLOCKS, (spans[1], spans[2], spans[-2], spans[-1]), strict=True)),
    )


def _strict(text: str, reader: PayoffReader, of: Layout) -> Chain:
    spans: dict[str, tuple[int, int]] = {}
    payoff: Bimatrix | None = None
    belief: dict[str, float] | None = None
    position = reasoning_end(text)
    for index, name in enumerate(of.blocks):
        opened = skip_space(text, position)
        if not text.startswith(f"<{name}>", opened):
            raise _misplaced(of, text, opened, index)
        start = opened + len(name) + 2
        found = of.tag.search(text, start)
        if found is None:
            raise unclosed(name, opened)
        if found.group() != f"</{name}>":
            raise nested(found.group(), name, found.start())
        spans[name] = (start, found.start())
        if name == "payoff":
            payoff = reader.read(text, *spans[name])
        elif name == "belief":
            belief = BeliefReader(reader.form).read(text, *spans[name])
        position = found.end()
    said = {name: text[start:end].strip() for name, (start, end) in spans.items()}
    if not said["response"]:
        raise empty_response(spans["response"][0])
    after = skip_space(text, position)
    if after < len(text):
        raise stray(of, len(of.blocks), after)
    assert payoff is not None
    return Chain(
        said["thinking"], payoff, said["analyze"], said["response"], spans=spans, belief=belief
    )


def _misplaced(of: Layout, text: str, position: int, expected: int) -> ChainError:
    if position == len(text):
        return missing(of, expected, position)
    found = of.tag.match(text, position)
    if found is None:
        thought = OPENING.match(text, position) if expected == 0 else None
        if thought is not None:
            return endless(thought.group(), position)
        return stray(of, expected, position)
    return misplaced(of, found.group(), expected, position)
