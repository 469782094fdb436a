"""JSON Lines that survive a crash: lines are appended whole, and a torn last one is removed."""

import codecs
import gzip
import json
import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, NamedTuple

from gtalign.errors import DataError, StorageError
from gtalign.files.json_text import to_json

log = logging.getLogger(__name__)

_GZIP = b"\x1f\x8b"  # the first two bytes of any file that gzip wrote
_ZIP = b"PK\x03\x04"  # those of an archive, such as a log of Inspect
_OTHERS: Final = {
    _ZIP: "a zip archive",
    b"\xfd7zXZ\0": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"PAR1": "a parquet file",
}
"""How files begin that are no text."""

_FORMS: Final = "JSON Lines and JSON arrays in UTF-8, also compressed with gzip"


class Line(NamedTuple):
    """A line of JSON Lines, or an item of a JSON array, as it was read.

    Args:
        number: Its number, from 1.
        place: File and number, for messages.
        start: Offset of its first byte in the text of the file; 0 for an item of an array.
        raw: Its bytes with their line break; empty for an item of an array.
        value: What it holds; None if it is no JSON.
        problem: Why it is no JSON; None if it is.
        torn: Whether it is a last line that was not written whole, as a crash leaves it.
    """

    number: int
    place: str
    start: int
    raw: bytes
    value: Any
    problem: str | None = None
    torn: bool = False


def read_lines(path: Path | str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number (from 1) and object of each line of a file; see `read_objects`."""
    for line in read_objects(Path(path)):
        yield line.number, line.value


def read_objects(path: Path) -> Iterator[Line]:
    """Yield each line of a file, which has to hold an object; a torn last line is left out.

    Raises:
        DataError: As for `scan`, or a line is no JSON object; names file and line. What is left out
            is logged.
    """
    for line in scan(path):
        if line.torn:
            _tell_torn(line.place)
        elif line.problem is not None:
            raise DataError(f"{line.place}: {line.problem}")
        elif not isinstance(line.value, dict):
            raise DataError(f"{line.place}: not a JSON object")
        else:
            yield line


def scan(path: Path) -> Iterator[Line]:
    """Yield each line of JSON Lines, or item of a JSON array; a line that is no JSON says why.

    Either may be compressed with gzip, whatever the name of the file. Empty lines are left out.

    Raises:
        DataError: The file cannot be read, is no UTF-8 text, or begins as an array and is none.
    """
    try:
        with path.open("rb") as raw:
            head = raw.peek(8)[:8]
            for mark, kind in _OTHERS.items():
                if head.startswith(mark):
                    raise DataError(f"{path}: {kind}; gtalign reads {_FORMS}")
            zipped = head[:2] == _GZIP
            file: BufferedReader | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if zipped else raw
            array = file.peek(64).lstrip()[:1] == b"["
            yield from _items(path, file.read()) if array else _lines(path, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the compressed file is damaged or ends early") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _lines(path: Path, file: Iterable[bytes]) -> Iterator[Line]:
    start = 0
    for number, line in enumerate(file, start=1):
        begin, start = start, start + len(line)
        if number == 1:
            line = _without_mark(line, path)
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            yield Line(number, place, begin, line, json.loads(line))
        except (ValueError, RecursionError) as error:
            problem = _problem(line, error)
            yield Line(number, place, begin, line, None, problem, _is_torn(line, error))


def _is_torn(line: bytes, error: Exception) -> bool:
    """Whether a line that is no JSON may be the beginning of one, as a crash leaves it."""
    if line.endswith(b"\n") or b"\r" in line.strip():
        return False
    return not isinstance(error, UnicodeDecodeError) or error.end == len(error.object)


def _problem(line: bytes, error: Exception) -> str:
    """Say why a line is no JSON."""
    if isinstance(error, UnicodeDecodeError):
        return f"not JSON: no UTF-8 text ({error.reason}, byte {error.start + 1}); save it as UTF-8"
    if b"\r" in line.strip():
        return "not JSON: \\r does not end a line here; save the file with \\n or \\r\\n"
    if line.strip() == b"{":
        return "not JSON: an object over several lines; write each in one line, or all as an array"
    return f"not JSON: {error}"


def _items(path: Path, text: bytes) -> Iterator[Line]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON array: {error}") from None
    for number, item in enumerate(items, start=1):
        yield Line(number, f"{path}, item {number}", 0, b"", item)


@lru_cache(maxsize=256)  # a command may read a file more than once, and says it once
def _tell_torn(place: str) -> None:
    log.warning("%s: torn, skipped", place)


def torn_line(path: Path) -> int | None:
    """Return the number of a last line that was not written whole; None if every line is whole.

    Raises:
        OSError: The file cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(64).lstrip()
        if head.startswith((_GZIP, *_OTHERS, b"[")):
            return None  # no JSON Lines: whoever reads it refuses it as a whole
        start = _start_of_last_line(file.fileno())
        file.seek(start)
        last = file.read()
        if last.endswith(b"\n") or not last.strip():
            return None
        try:
            json.loads(last)
        except (ValueError, RecursionError) as error:
            if _is_torn(last, error):
                file.seek(0)
                return sum(1 for _ in file)
    return None


class LineWriter(AbstractContextManager["LineWriter"]):
    """Appends objects to a file, each a whole line, so that a crash loses at most the last one.

    Opening a file that a crash has left cuts off a torn last line. Use it as a context manager or
    call `close`.

    Args:
        path: The file; it and its folder are made if need be.

    Raises:
        StorageError: The file cannot be opened for writing.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # No buffer of Python's: a line is in the file, or an error says that it is not.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise self._failure(error) from error
        try:
            if path.is_file():
                self._mend()
        except BaseException:
            self._file.close()
            raise

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one object.

        Raises:
            StorageError: It could not be written whole; what was written before it is kept, and
                no part of it remains.
        """
        line = to_json(record)
        start = os.fstat(self._file.fileno()).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if len(rest) < len(line):
                os.ftruncate(self._file.fileno(), start)
            raise self._failure(error) from error

    def sync(self) -> None:
        """Wait until all lines are on the disk, so that not even a power cut loses one.

        Raises:
            StorageError: The disk reports that it failed.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failure(error) from error

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _mend(self) -> None:
        """Cut off a last line that was not written whole; end one that lacks its line break."""
        with self.path.open("rb") as file:
            start = _start_of_last_line(file.fileno())
            file.seek(start)
            last = file.read()
        if not last or last.endswith(b"\n"):
            return
        try:
            json.loads(last)
        except (ValueError, RecursionError):
            log.warning("%s: cut off a torn last line of %d bytes", self.path, len(last))
            os.ftruncate(self._file.fileno(), start)
        else:
            self._file.write(b"\n")

    def _failure(self, error: OSError) -> StorageError:
        return StorageError(
            error.errno, f"{error.strerror}; complete lines written before are kept", str(self.path)
        )


def _without_mark(line: bytes, path: Path) -> bytes:
    """Return the first line without UTF-8's byte order mark; refuse the marks of UTF-16 and 32."""
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        raise DataError(f"{path}: UTF-16 or UTF-32 text; save it as UTF-8")
    return line.removeprefix(codecs.BOM_UTF8)


def _start_of_last_line(descriptor: int, chunk: int = 1 << 16) -> int:
    """Return the offset after the last line break that has something behind it."""
    end = os.fstat(descriptor).st_size
    position = end
    while position > 0:
        start = max(0, position - chunk)
        found = os.pread(descriptor, position - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0
