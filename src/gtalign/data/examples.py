"""Examples to learn from: dataset rows with a ``completion``, as `gtalign synth` keeps them."""

from collections.abc import Iterator
from pathlib import Path

from gtalign.data.lines import read_lines
from gtalign.errors import DataError
from gtalign.tasks import Message
from gtalign.tasks.question import read_messages


def read_examples(path: Path) -> Iterator[tuple[tuple[Message, ...], str]]:
    """Yield prompt and completion of each row of a JSON Lines file.

    Raises:
        DataError: The file cannot be read, or a row is wrong; names file, row and column.
    """
    for number, (_, row) in enumerate(read_lines(path)):
        try:
            messages = read_messages(row.get("prompt"), "prompt")
        except DataError as error:
            raise DataError(f"{path}, row {number}: {error}") from error
        completion = row.get("completion")
        if not isinstance(completion, str) or not completion.strip():
            raise DataError(f"{path}, row {number}: column 'completion' has to be text")
        yield messages, completion
