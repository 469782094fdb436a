"""Whether a plain answer holds a response at all.

A model that is cut off inside its reasoning, or that calls a tool, has not answered yet: there is
nothing to grade, and nothing that would be worth 0. (An empty text is an answer that says nothing.)
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gtalign.chain.acted import acted
from gtalign.chain.blocks import skip_space
from gtalign.chain.reasoning import response_of, shown
from gtalign.game import GameForm

REASONING: Final = "no response: reasoning is all there is"
CALLS: Final = "no response: the answer only calls a tool"

_PAIRS: Final = {
    "<tool_call>": "</tool_call>",
    "<function_call>": "</function_call>",
    "<|tool_call|>": "<|/tool_call|>",
    "<|tool_calls_section_begin|>": "<|tool_calls_section_end|>",
}
_MARKS: Final = ("[TOOL_CALLS]", "<|python_tag|>")
"""Marks that models write before calls of tools: some are closed, others run to the end."""


def unanswered(completion: str) -> str | None:
    """Return why a plain answer has no response; None if it has one, or is empty.

    Args:
        completion: The whole text, of which no chain was asked for.
    """
    if not shown(completion):
        return REASONING
    return CALLS if _only_calls(response_of(completion)) else None


def action_of(completion: str, form: GameForm) -> str | None:
    """Return the LLM action that a plain answer carries out, read from its response alone.

    None if it has no response, or says nothing; see `acted`.
    """
    if unanswered(completion) is not None:
        return None
    return acted(response_of(completion), form)


def written_calls(calls: Sequence[Mapping[str, Any]]) -> str:
    """Return calls of tools as a model writes them, each a JSON object between tags.

    Args:
        calls: Each with the ``name`` of the tool and its ``arguments``.
    """
    found = (json.dumps(call, ensure_ascii=False, default=str) for call in calls)
    texts = (text.replace("<", r"\u003c") for text in found)  # so that no argument holds a tag
    return "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in texts)


def _only_calls(response: str) -> bool:
    if response.startswith(_MARKS):
        return True
    place = 0
    while place < len(response):
        opening = next((tag for tag in _PAIRS if response.startswith(tag, place)), None)
        if opening is None:
            return False
        closing = _PAIRS[opening]
        closed = response.find(closing, place + len(opening))
        if closed < 0:
            return True  # cut off in the middle of a call
        place = skip_space(response, closed + len(closing))
    return bool(response)
