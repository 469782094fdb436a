"""Read the calls of tools in a response while it is being written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gtalign.chain import Tools
from gtalign.chain.tools import CALL_CLOSES, CALL_OPENS, MOST_CALLS
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

    What the grammar of such a response rules out is an error, because an engine may ignore its
    grammar.

    Args:
        tools: The tools.
        most: Most calls, where several are allowed.
    """

    def __init__(self, tools: Tools, most: int = MOST_CALLS) -> None:
        self._names = frozenset(tools.names)
        self._required = tools.required
        self._most = most if tools.several else 1
        self._held = ""
        self._inside = False  # a call
        self._calls = 0  # so far

    @property
    def any(self) -> bool:
        """Whether there is a call so far."""
        return self._calls > 0

    def feed(self, text: str) -> Iterator[str | Call]:
        """Take the next slice of the response, and yield the words and calls that it completes.

        Raises:
            SteeringError: What should be a call of one of the tools is none, or is one too many.
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
                self._calls += 1
                if self._calls > self._most:
                    raise SteeringError(f"the model calls more than {self._most} tools")
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
            SteeringError: A call does not end, or there is none though one is required.
        """
        held, self._held = self._held, ""
        if not self._inside:
            if not (cut and CALL_OPENS.startswith(held.strip())):
                yield from self._said(held)
        elif not cut:
            raise _wrong(held)
        if self._required and not (self._calls or cut):
            raise SteeringError("the model calls no tool, though the request requires a call")

    def _said(self, words: str) -> Iterator[str]:
        """Words; whitespace after a call is none, nor is it where calls are required.

        Raises:
            SteeringError: There are words, where calls alone are allowed.
        """
        if not words or ((self._required or self._calls) and not words.strip()):
            return
        if self._required:
            raise _wrong(words)
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
