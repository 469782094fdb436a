"""Write our transcripts; read ours, and those of other frameworks."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from gtalign.errors import DataError
from gtalign.files.lines import LineWriter, read_lines
from gtalign.transcripts.forms import transcript_of
from gtalign.transcripts.records import read_records
from gtalign.transcripts.transcript import Transcript


def read_transcripts(path: Path | str) -> Iterator[Transcript]:
    """Yield the transcripts of a file, in order.

    Every form of `gtalign.transcripts.forms` is read, as JSON Lines or a JSON array, compressed
    with gzip or not, or as parquet; and logs of Inspect. Where answers have no ids, the file's name
    and the line number stand in, and the prompt names the question. A torn last line, left by a
    crash, is skipped.

    Raises:
        DataError: The file cannot be read, or a line is wrong; the message names file, line and
            column.
    """
    for place, name, record in read_records(Path(path)):
        try:
            yield transcript_of(record, name)
        except DataError as error:
            raise DataError(f"{place}: {error}") from error


class TranscriptWriter(AbstractContextManager["TranscriptWriter"]):
    """Appends transcripts to a file, each a whole line, so that a crash loses at most the last one.

    Opening a file that a crash has left cuts off a torn last line. Use it as a context manager or
    call `close`. If the context ends with an error before the first transcript, a file that it made
    is removed.

    Args:
        path: The file; it and its folder are made if they do not exist.
        keep_ids: Whether to keep the ids of the file's transcripts in memory. If not, `ids` reads
            the file, and opening it reads only its end.

    Raises:
        StorageError: The file cannot be opened for writing.
        DataError: It holds something other than transcripts.
    """

    def __init__(self, path: Path | str, *, keep_ids: bool = True) -> None:
        self.path = path = Path(path)
        self._made = not path.exists()
        self._lines = LineWriter(path)
        self._ids: set[str] | None = set() if keep_ids else None
        try:
            if path.is_file() and self._ids is not None:  # a device holds no earlier lines
                self._ids |= self._read_ids()
        except BaseException:
            self._lines.close()
            raise

    def ids(self) -> frozenset[str]:
        """Ids of the questions whose transcripts are in the file; a resumed run skips them."""
        return frozenset(self._read_ids() if self._ids is None else self._ids)

    def write(self, transcript: Transcript) -> None:
        """Append one transcript.

        Raises:
            StorageError: It could not be written whole; earlier lines are kept, and no part of it
                remains.
        """
        self._lines.write(transcript.to_json())
        if self._ids is not None:
            self._ids.add(transcript.id)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is not None and self._made and self.path.is_file() and not self.path.stat().st_size:
            self.path.unlink()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _read_ids(self) -> set[str]:
        return {str(record.get("id")) for _, record in read_lines(self.path)}
