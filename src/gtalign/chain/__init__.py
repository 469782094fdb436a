"""The reasoning chain: four blocks of text, with a payoff matrix in one of them."""

from gtalign.chain.acted import acted
from gtalign.chain.answered import action_of, unanswered
from gtalign.chain.blocks import BLOCKS, TAGS, Chain, render
from gtalign.chain.chains import Chains, parse_batch
from gtalign.chain.choice import Choice, chosen_cell
from gtalign.chain.grammar import Lengths, Part, ebnf, gbnf, json_schema
from gtalign.chain.parse import parse
from gtalign.chain.prompt import prompt
from gtalign.chain.reasoning import reasoning_of, response_of, with_reasoning
from gtalign.chain.rules import FORMAT_RULES
from gtalign.chain.scan import Repair
from gtalign.chain.sentences import asked, asks
from gtalign.chain.solution import solution_scores
from gtalign.chain.stream import (
    BlockClosed,
    BlockOpened,
    ChainBroken,
    Event,
    PayoffRead,
    StreamParser,
    TextAdded,
)
from gtalign.chain.tools import Tool, Tools
from gtalign.chain.worked import Solved, work_out

__all__ = [
    "BLOCKS",
    "FORMAT_RULES",
    "TAGS",
    "BlockClosed",
    "BlockOpened",
    "Chain",
    "ChainBroken",
    "Chains",
    "Choice",
    "Event",
    "Lengths",
    "Part",
    "PayoffRead",
    "Repair",
    "Solved",
    "StreamParser",
    "TextAdded",
    "Tool",
    "Tools",
    "acted",
    "action_of",
    "asked",
    "asks",
    "chosen_cell",
    "ebnf",
    "gbnf",
    "json_schema",
    "parse",
    "parse_batch",
    "prompt",
    "reasoning_of",
    "render",
    "response_of",
    "solution_scores",
    "unanswered",
    "with_reasoning",
    "work_out",
]
