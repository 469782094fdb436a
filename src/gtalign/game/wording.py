"""The actions of a game in a few words, for people: ``CQ (asks back)``."""

from collections.abc import Iterable, Mapping
from typing import Final

from gtalign.game.form import USER_LLM, GameForm

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


def legend(form: GameForm) -> str:
    """All actions of a game in a sentence or two."""
    if form == USER_LLM:
        return LEGEND
    sides = (("user", form.user), ("LLM", form.llm))
    told = (
        f"{side}: {', '.join(f'{name} ({text})' if text else name for name, text in actions)}"
        for side, actions in sides
    )
    return f"Game {form.name or 'without a name'}, {'; '.join(told)}."


def words_of(forms: Iterable[GameForm]) -> dict[str, str]:
    """The actions of some games in a few words; of a name in two games, those of the first."""
    found: dict[str, str] = {}
    for form in forms:
        own = WORDS if form == USER_LLM else dict((*form.user, *form.llm))
        found = {**own, **found}
    return found


def named(action: str, form: GameForm = USER_LLM) -> str:
    """An action with its meaning in brackets; one that the game does not have, as it is."""
    words = words_of([form]).get(action)
    return f"{action} ({words})" if words else action


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
