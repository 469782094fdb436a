"""The words of a text, in every script, as users and measures compare them."""

import re
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, numbers included, without punctuation."""
    return _WORD.findall(text.casefold())


def holds(text: str, phrase: str) -> bool:
    """Whether a text holds the words of a phrase one after another; no phrase is in no text."""
    wanted = words_of(phrase)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(words_of(text))} "


def states(answer: str, response: str) -> float:
    """Return 1 if a response holds an answer, or what stands before its first comma; else 0."""
    short = answer.partition(",")[0]
    return float(holds(response, answer) or holds(response, short))
