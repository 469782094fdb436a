"""Which signs of a game can be told apart, from their texts alone."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from gtalign.game.traits import Sign


class _Sentences(NamedTuple):
    """Whether sentences of a response state something, ask something, and whether the last asks."""

    states: bool
    asks: bool
    last: bool


_KINDS: Final = (
    _Sentences(True, False, False),
    _Sentences(False, True, True),
    _Sentences(True, True, True),
    _Sentences(True, True, False),
)
"""Every kind of response that says something, courtesies aside."""


def asks_so(sign: Sign, states: bool, asks: bool, last: bool) -> bool:
    """Whether sentences ask as a sign has it.

    Args:
        sign: The sign.
        states: Whether a sentence of the response states something.
        asks: Whether one asks.
        last: Whether the last one asks.
    """
    ways = {"no": not asks, "only": asks and not states, "also": asks and states, "last": last}
    return sign.asks is None or ways[sign.asks]


@lru_cache(maxsize=256)
def whole_words(texts: tuple[str, ...]) -> re.Pattern[str]:
    """Any of these texts, in any case and with any spaces between words, as a whole word."""
    return re.compile("|".join(map(_word, texts)), re.IGNORECASE)


def never_shown(sign: Sign) -> bool:
    """Whether no response can show a sign, since its own texts hold what it must be without."""
    wanted = (sign.first_line, sign.marker, sign.words)
    return any(texts and all(_holds(text, sign.without) for text in texts) for texts in wanted)


def never_alone(sign: Sign, others: Iterable[tuple[str, Sign]]) -> tuple[str, ...]:
    """The actions of which every response that shows a sign shows a sign as well.

    Such a response carries out several actions, so nobody can tell which one. Found are signs that
    follow from the texts; that no response happens to show one alone is not found.

    Args:
        sign: The sign.
        others: The other signs of the game, with their actions.

    Returns:
        One action or more; none if the sign can show alone.
    """
    implied = [(action, other) for action, other in others if _implies(sign, other)]
    found: dict[str, None] = {}
    for kind in _KINDS:
        if not asks_so(sign, *kind):
            continue
        also = next((action for action, other in implied if asks_so(other, *kind)), None)
        if also is None:
            return ()
        found[also] = None
    return tuple(found)


def _implies(sign: Sign, other: Sign) -> bool:
    """Whether what shows the texts of one sign shows those of the other."""
    return (
        _follows(sign.first_line, other.first_line, lambda own, text: _begins(own, text))
        and _follows(sign.marker, other.marker, lambda own, text: text in own)
        and _follows(sign.words, other.words, lambda own, text: _names(own, text))
        and all(_holds(text, sign.without) for text in other.without)
    )


def _follows(
    own: tuple[str, ...], wanted: tuple[str, ...], shows: Callable[[str, str], bool]
) -> bool:
    """Whether each text that one sign accepts shows some text that the other wants, if any."""
    if not wanted:
        return True
    return bool(own) and all(any(shows(text, other) for other in wanted) for text in own)


def _begins(text: str, other: str) -> bool:
    return whole_words((other,)).match(text) is not None


def _names(text: str, other: str) -> bool:
    return whole_words((other,)).search(text) is not None


def _holds(text: str, parts: tuple[str, ...]) -> bool:
    return any(part.casefold() in text.casefold() for part in parts)


def _word(text: str) -> str:
    inner = r"\s+".join(map(re.escape, text.split()))
    before = r"(?<![^\W_])" if text.strip()[0].isalnum() else ""  # a mark ends by itself
    return rf"{before}{inner}(?![^\W_])" if text.strip()[-1].isalnum() else f"{before}{inner}"


def problems_of(signs: tuple[tuple[str, Sign], ...]) -> Iterator[str]:
    """What keeps actions of a game from ever being read from a response, one sentence each."""
    for action, sign in signs:
        if never_shown(sign):
            yield f"llm.{action}.sign: it wants texts that hold what it has to be without"
            continue
        also = never_alone(sign, ((other, own) for other, own in signs if other != action))
        if also:
            yield (
                f"llm.{action}.sign: a response that shows it shows that of {' or '.join(also)} as"
                f" well, so {action} is never recognised; give {' and '.join(also)} a text in"
                " 'without', or another sign"
            )
