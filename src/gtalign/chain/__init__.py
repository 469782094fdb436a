"""The reasoning chain: four blocks of text, with a payoff matrix in one of them."""

from gtalign.chain.blocks import BLOCKS, Chain, Repair, render
from gtalign.chain.parse import parse
from gtalign.chain.prompt import prompt
from gtalign.chain.rules import RULES

__all__ = ["BLOCKS", "RULES", "Chain", "Repair", "parse", "prompt", "render"]
