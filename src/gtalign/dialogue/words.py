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
