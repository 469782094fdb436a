"""The rules of a chain, and the errors for the rules about its blocks.

The strict, the tolerant and the incremental parser raise these same errors. (The errors of the
``payoff-*`` and ``belief-*`` rules are raised where these blocks are read.) Those of a belief
hold only in the form of the chain that states one.
"""

from collections.abc import Mapping
from typing import Final

from gtalign.chain.blocks import Layout
from gtalign.chain.thoughts import closing_of
from gtalign.errors import ChainError

FORMAT_RULES: Final[Mapping[str, str]] = {
    "text-before": "nothing but whitespace and closed reasoning comes before <thinking>",
    "text-between": "nothing but whitespace comes between two blocks",
    "text-after": "nothing but whitespace comes after </response>",
    "missing": "all four blocks are there",
    "order": "the blocks come in the order thinking, payoff, analyze, response",
    "duplicate": "each block comes once",
    "nested": "no tag of a block stands inside another block",
    "unclosed": "each block is closed, and reasoning before the first",
    "empty-response": "the response is not empty",
    "belief-syntax": "the belief is strict JSON, an object of shares",
    "belief-key": "the belief names each action of the user once, and nothing else",
    "belief-share": "each share of a belief is a number from 0 to 1",
    "belief-sum": "the shares of a belief add up to 1, but for rounding",
    "payoff-syntax": "the payoff is strict JSON, an object of objects",
    "payoff-key": "the payoff names only cells of the game, each with LLM and user",
    "payoff-missing": "the payoff names every cell of the game, each with LLM and user",
    "payoff-duplicate": "no key of the payoff comes twice",
    "payoff-number": "each payoff is a number: no string, boolean or null",
    "payoff-finite": "each payoff is finite",
    "payoff-range": "each payoff lies in the allowed range",
}
"""Every ``ChainError.rule`` with the sentence that it stands for."""


def missing(of: Layout, expected: int, position: int) -> ChainError:
    """The error for a text that ends where block number `expected` must open."""
    return ChainError("missing", position, f"the text ends where {_wanted(of, expected)} must come")


def stray(of: Layout, expected: int, position: int) -> ChainError:
    """The error for text outside the blocks, where block number `expected` must open."""
    rule = {0: "text-before", len(of.blocks): "text-after"}.get(expected, "text-between")
    return ChainError(rule, position, f"only whitespace may come before {_wanted(of, expected)}")


def misplaced(of: Layout, tag: str, expected: int, position: int) -> ChainError:
    """The error for a tag that stands where block number `expected` must open."""
    rule = "duplicate" if tag in of.tags[: 2 * expected] else "order"
    return ChainError(rule, position, f"{tag} comes where {_wanted(of, expected)} must come")


def unclosed(name: str, position: int) -> ChainError:
    """The error for a block that is open, since `position`, when the text ends."""
    return ChainError("unclosed", position, f"<{name}> is not closed by </{name}>")


def endless(tag: str, position: int) -> ChainError:
    """The error for reasoning before the chain that is open, since `position`, at the end."""
    return ChainError("unclosed", position, f"{tag} is not closed by {closing_of(tag)}")


def nested(tag: str, name: str, position: int) -> ChainError:
    """The error for the tag of a block inside the block `name`."""
    return ChainError("nested", position, f"{tag} stands inside the block {name}")


def empty_response(position: int) -> ChainError:
    """The error for a response of whitespace alone, whose content begins at `position`."""
    return ChainError("empty-response", position, "the response must not be empty")


def _wanted(of: Layout, expected: int) -> str:
    return f"<{of.blocks[expected]}>" if expected < len(of.blocks) else "the end of the text"
