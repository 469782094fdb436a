"""The actions of ``USER_LLM`` in a word or two, for people: ``CQ (asks back)``."""

from collections.abc import Iterable, Mapping
from typing import Final

from gtalign.game.form import USER_LLM

WORDS: Final[Mapping[str, str]] = {
    "DQ": "detailed question",
    "VQ": "vague question",
    "AQ": "answers and asks",
    "CQ": "asks back",
    "DA": "answers directly",
}

LEGEND: Final = (
    "The user asks a detailed (DQ) or a vague question (VQ). The LLM answers directly (DA), asks"
    " back (CQ), or answers and asks (AQ)."
)
"""All actions in two sentences, for where their names are first shown."""


def named(action: str) -> str:
    """An action with its meaning in brackets; an action of another game as it is."""
    return f"{action} ({WORDS[action]})" if action in WORDS else action


def meanings(actions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Actions with meanings that are short enough for the head of a table.

    Args:
        actions: Names with descriptions, as a `GameForm` has them, or without any. Those of another
            game keep their descriptions.
    """
    own = dict((*USER_LLM.user, *USER_LLM.llm))
    return [
        (name, WORDS[name] if told in ("", own.get(name)) and name in WORDS else told)
        for name, told in actions
    ]
