"""Examples to learn from: dataset rows with a ``completion``, as `gtalign synth` keeps them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gtalign.errors import DataError
from gtalign.files.lines import read_lines
from gtalign.tasks import Message
from gtalign.tasks.question import read_messages


class Example(NamedTuple):
    """One example to learn from.

    Args:
        prompt: The messages that the model gets.
        completion: The text that it is to write.
        name: The question's id, or the row's place in its file.
    """

    prompt: tuple[Message, ...]
    completion: str
    name: str


def read_examples(path: Path) -> Iterator[Example]:
    """Yield the example in each row of a JSON Lines file.

    Raises:
        DataError: The file cannot be read, or a row is wrong; the message names file, row and
            column.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; gtalign synth writes chains, into OUT/kept.jsonl")
    for line, row in read_lines(path):
        try:
            messages = read_messages(row.get("prompt"), "prompt")
        except DataError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        completion = row.get("completion")
        if not isinstance(completion, str) or not completion.strip():
            raise DataError(f"{path}, line {line}: column 'completion' has to be text")
        facts = row.get("extra_info")
        name = facts.get("source_id") if isinstance(facts, dict) else None
        yield Example(messages, completion, str(name or f"{path.name}, line {line}"))
