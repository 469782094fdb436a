"""Read from a response, by the signs of a game, which action of the LLM it carries out."""

import re
from typing import Final

from gtalign.chain.sentences import Said, said, without_code
from gtalign.game import GameForm
from gtalign.game.signs import asks_so, whole_words
from gtalign.game.traits import Sign

_ADORNED: Final = re.compile(r"[\s#*_>`~\-+\u2022]*")

_LINE: Final = 1000  # more characters than a text of a sign has, with spaces between its words


def acted(response: str, form: GameForm) -> str | None:
    """The LLM action that a response carries out; None if nobody can tell.

    It is the one action of the form whose sign (`gtalign.game.traits.Sign`) the response shows.
    None if it shows no sign or several, or the form has no signs.

    In ``USER_LLM`` a response that only states is ``DA``, one that only asks ``CQ``, and one that
    does both ``AQ``; one that says nothing is None. `gtalign.chain.sentences.said` says how
    it distinguishes questions from statements, and its limits. Takes time linear in the length of
    the text.

    Args:
        response: The text that the user reads.
        form: The game.
    """
    if not form.signs:
        return None
    sentences = said(response)
    shown = [action for action, sign in form.signs if _shows(response, sentences, sign)]
    return shown[0] if len(shown) == 1 else None


def _shows(response: str, sentences: Said, sign: Sign) -> bool:
    """Whether a response shows all that a sign names."""
    states, asks, last = sentences
    if not (states or asks):
        return False
    if not asks_so(sign, bool(states), bool(asks), bool(last)):
        return False
    if sign.first_line and not _begins(response, sign.first_line):
        return False
    if sign.marker and not any(text in response for text in sign.marker):
        return False
    if sign.words and whole_words(sign.words).search(without_code(response)) is None:
        return False
    if sign.without:
        folded = response.casefold()
        return not any(text.casefold() in folded for text in sign.without)
    return True


def _begins(response: str, texts: tuple[str, ...]) -> bool:
    """Whether the first line with a word begins with one of these texts, as a whole word."""
    start = _ADORNED.match(response)
    assert start is not None  # it may be empty
    return whole_words(texts).match(response[start.end() : start.end() + _LINE]) is not None
