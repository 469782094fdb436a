"""Read server-sent events from bytes, sliced anywhere, within hard limits."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

LARGEST_EVENT: Final = 1 << 20
"""Most bytes of one event, 1 MiB: a slice of text needs a few hundred."""

_LINE_END: Final = re.compile(rb"\r\n?|\n")
_BOM: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its type, which is mostly not given, and its data."""

    name: str
    data: bytes


class EventReader:
    """Reads the format of the HTML standard ("server-sent events") from slices of bytes.

    Lines end with CR, LF or CRLF, comments are skipped, and an event without data is skipped too.
    Each byte is looked at once. Text is not decoded here, so a character may be split between
    slices. Unlike the standard, a line ``error`` is the data of an event of that name, and an event
    that the end of the stream cuts off counts: its reader checks whether it is whole.

    Args:
        limit: Most bytes of one event, its field names included, and of one line.
    """

    def __init__(self, limit: int = LARGEST_EVENT) -> None:
        self._limit = limit
        self._pending = bytearray()  # the line that is not ended yet
        self._size = 0  # bytes of the lines of this event so far
        self._name = ""
        self._data: list[bytes] = []
        self._first = True  # no line was ended yet
        self._after_cr = False  # a line feed now belongs to the line end before

    @property
    def between(self) -> bool:
        """Whether the next slice begins an event."""
        return not (self._pending or self._size or self._after_cr or self._data or self._name)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Take the next slice and yield the events that it completes.

        Raises:
            ValueError: An event is larger than the limit; those before it were yielded.
        """
        if b"\r" not in chunk and not (self._pending or self._size or self._after_cr):
            # As nearly all engines write it: slices of whole events, each a line of data.
            *events, chunk = chunk.split(b"\n\n")
            for event in events:
                plain = event.startswith(b"data: ") and b"\n" not in event and not self._first
                if plain and len(event) <= self._limit:
                    yield Event("", event[6:])
                else:
                    yield from self._lines(event + b"\n\n")
        yield from self._lines(chunk)

    def _lines(self, chunk: bytes) -> Iterator[Event]:
        """Take a slice of any form."""
        start = 1 if self._after_cr and chunk.startswith(b"\n") else 0
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        for end in _LINE_END.finditer(chunk, start):
            self._pending += chunk[start : end.start()]
            start = end.end()
            yield from self._line()
        self._pending += chunk[start:]
        self._check()

    def close(self) -> Iterator[Event]:
        """End the stream and yield the event that it cut off, if there is one."""
        if self._pending:
            yield from self._line()
        yield from self._dispatch()

    def _check(self) -> None:
        if self._size + len(self._pending) > self._limit:
            raise ValueError(f"an event of more than {self._limit} bytes")

    def _line(self) -> Iterator[Event]:
        """Deal with the line that has just ended."""
        self._check()
        line = bytes(self._pending)
        self._pending.clear()
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            yield from self._dispatch()
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name:  # a line without is a comment
            self._size += len(line)
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"error":  # a line of its own kind, by which older llama.cpp reports one
            self._name = "error"
            self._data.append(value)

    def _dispatch(self) -> Iterator[Event]:
        if self._data:
            yield Event(self._name, b"\n".join(self._data))
        self._name, self._size = "", 0
        self._data.clear()
