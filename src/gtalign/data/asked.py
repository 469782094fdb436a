"""Questions from the command line: a text, a file, or standard input."""

from pathlib import Path
from typing import Final, TextIO

from gtalign.data.rows import read_rows
from gtalign.errors import DataError
from gtalign.tasks import Message, Question

ROWS: Final = (".parquet", ".jsonl")
_LONGEST_PATH: Final = 4096


def read_asked(source: str, limit: int, stdin: TextIO, origin: str) -> list[Question]:
    """Return the questions that a text names or is.

    Args:
        source: ``-`` for standard input; a file of rows (`ROWS`); a file with the text of one
            question; or that text.
        limit: Most rows of a file.
        stdin: Standard input.
        origin: Where the source came from, for messages.

    Raises:
        DataError: A file of rows is wrong, or the text is empty.
    """
    path = Path(source)
    text = source
    if source == "-":
        text = stdin.read()
    elif path.suffix in ROWS:
        return list(read_rows(path, limit=limit))
    elif len(source) < _LONGEST_PATH and "\n" not in source and path.is_file():
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from None
    if not text.strip():
        raise DataError(f"{origin}: the question is empty")
    message = Message(role="user", content=text.strip())
    return [Question("question", "", (message,), "", cluster="question")]
