"""Read the calls of tools in a response while it is being written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gtalign.chain import Tools
from gtalign.chain.tools import CALL_CLOSES, CALL_OPENS
from gtalign.errors import SteeringError
from gtalign.steering.stop_strings import overlap

_LONGEST: Final = 200  # characters of a wrong call in an error


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool.

    Args:
        name: Name of the tool.
        arguments: Its arguments: a JSON object, as text.
    """

    name: str
    arguments: str


class CallReader:
    """Separates the words of a response from its calls, wherever its slices are cut.

    Text that may be the beginning of a call is held back until that is known, and so is whitespace
    that may stand before one. A call comes as a whole.

    Args:
        tools: The tools.
    """

    def __init__(self, tools: Tools) -> None:
        self._names = frozenset(tools.names)
        self._held = ""
        self._inside = False  # a call
        self._called = False

    def feed(self, text: str) -> Iterator[str | Call]:
        """Take the next slice of the response, and yield the words and calls that it completes.

        Raises:
            SteeringError: What should be a call of one of the tools is none.
        """
        self._held += text
        while True:
            mark = CALL_CLOSES if self._inside else CALL_OPENS
            before, found, after = self._held.partition(mark)
            if not found:
                break
            self._held, self._inside = after, not self._inside
            if self._inside:
                yield from self._said(before.rstrip())
            else:
                self._called = True
                yield self._read(before)
        if not self._inside:
            words = self._held[: len(self._held) - overlap(self._held, CALL_OPENS)].rstrip()
            self._held = self._held[len(words) :]
            yield from self._said(words)

    def close(self, *, cut: bool) -> Iterator[str | Call]:
        """Yield what was held back, at the end of the response.

        Args:
            cut: Whether the response was cut off. A call that was cut off is none.

        Raises:
            SteeringError: A call does not end.
        """
        held, self._held = self._held, ""
        if not self._inside:
            yield from self._said(held)
        elif not cut:
            raise _wrong(held)

    def _said(self, words: str) -> Iterator[str]:
        """Words; whitespace after a call is none."""
        if words and not (self._called and not words.strip()):
            yield words

    def _read(self, text: str) -> Call:
        try:
            call = json.loads(text, parse_constant=_refused)
            name, arguments = call["name"], call["arguments"]
            if isinstance(name, str) and name in self._names and isinstance(arguments, dict):
                return Call(name, json.dumps(arguments, ensure_ascii=False, allow_nan=False))
        except (ValueError, LookupError, TypeError, RecursionError):
            raise _wrong(text) from None
        raise _wrong(text)


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _wrong(text: str) -> SteeringError:
    return SteeringError(f"the model wrote what is no call of a tool: {text[:_LONGEST]!r}")
