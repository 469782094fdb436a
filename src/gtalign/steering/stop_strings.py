"""The response within a message: where it begins, and strings that end it early."""

from collections.abc import Sequence
from typing import Final

from gtalign.chain.blocks import TAG, TAGS

OPENS: Final = "<response>"
CLOSES: Final = "</response>"


class ResponseCut:
    """Passes a message on until its response holds one of the stop strings.

    The strings count only inside the response, wherever the slices are cut. Text that may be the
    beginning of one is held back until that is known.

    Args:
        stops: The strings; empty ones are left out. Without any, all text is passed on at once.
        plain: Whether the text is an answer without blocks, all of which is the response.

    Attributes:
        met: The string that has come, after which nothing more is passed on; None before.
    """

    def __init__(self, stops: Sequence[str], *, plain: bool = False) -> None:
        self.met: str | None = None
        self._stops = tuple(stop for stop in stops if stop)
        self._inside = plain
        first = self._stops if plain else (OPENS,)
        self._needles: tuple[str, ...] = first if self._stops else ()
        self._held = ""

    @property
    def ended(self) -> bool:
        """Whether one of the strings has come."""
        return self.met is not None

    def feed(self, text: str) -> str:
        """Take the next slice and return the text that can be passed on."""
        passed, buffer = "", self._held + text
        self._held = ""
        while not self.ended and (found := self._first(buffer)) is not None:
            start, needle = found
            if self._inside and needle in self._stops:
                self.met = needle
                return passed + buffer[:start]
            end = start + len(needle)
            passed, buffer = passed + buffer[:end], buffer[end:]
            self._inside = not self._inside
            # After the closing tag no string counts.
            self._needles = (*self._stops, CLOSES) if self._inside else ()
        if self.ended:
            return ""
        keep = max((overlap(buffer, needle) for needle in self._needles), default=0)
        self._held = buffer[len(buffer) - keep :]
        return passed + buffer[: len(buffer) - keep]

    def flush(self) -> str:
        """Return what is held back, at the end of the message."""
        held, self._held = self._held, ""
        return held

    def _first(self, text: str) -> tuple[int, str] | None:
        found = [(at, needle) for needle in self._needles if (at := text.find(needle)) >= 0]
        return min(found, default=None)


def overlap(text: str, needle: str) -> int:
    """Length of the longest end of a text that begins the needle without completing it."""
    longest = min(len(text), len(needle) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(needle[:n])), 0)


def loose_response(text: str) -> str | None:
    """The response of a message that is not a chain; None if none can be separated.

    It is the text after the last ``<response>``, or the whole text if it holds no tag of a chain;
    None in all other cases, and if that text is empty. Where the text ends inside the tag that
    closes the response, or inside the first tag of a chain, that piece is left out.
    """
    _, opened, response = text.rpartition(OPENS)
    if not opened and TAG.search(text):
        return None
    response = response.partition(CLOSES)[0]
    piece = overlap(response, CLOSES if opened else TAGS[0])
    return response[: len(response) - piece].strip() or None
