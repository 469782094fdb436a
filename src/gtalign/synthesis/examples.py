"""Examples to learn from: dataset rows with a ``completion``, as `gtalign synth` keeps them.

A row may say in ``given`` which beginning of its completion the model is handed.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gtalign.errors import DataError
from gtalign.files.lines import read_lines
from gtalign.tasks import Message
from gtalign.tasks.question import read_messages

T = TypeVar("T")


class Example(NamedTuple):
    """One example to learn from.

    Args:
        prompt: The messages that the model gets.
        completion: The text that it is to write.
        name: The question's id, or the row's place in its file.
        given: A beginning of the completion that the model is handed and does not learn.
    """

    prompt: tuple[Message, ...]
    completion: str
    name: str
    given: str = ""


def read_examples(path: Path) -> Iterator[Example]:
    """Yield the example in each row of a JSON Lines file.

    Raises:
        DataError: The file cannot be read, or a row is wrong; the message names file, row and
            column.
    """
    return _read(path, _example, "chains, into OUT/kept.jsonl")


class Pair(NamedTuple):
    """Two answers to one prompt, of which the first is to be preferred.

    Args:
        prompt: The messages that the model gets.
        chosen: The better answer.
        rejected: The worse answer.
        name: The question's id, or the row's place in its file.
    """

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    name: str


def read_preferences(path: Path) -> Iterator[Pair]:
    """Yield the pair in each row of a JSON Lines file, as trainers of preferences know them.

    ``chosen`` and ``rejected`` are texts, or lists of one message.

    Raises:
        DataError: The file cannot be read, or a row is wrong; the message names file, row and
            column.
    """
    return _read(path, _pair, "pairs, into OUT/pairs.jsonl")


def _read(path: Path, made: Callable[[Mapping[str, Any], str], T], writes: str) -> Iterator[T]:
    """Yield what is made of each row and its name; errors name file and line."""
    if not path.exists():
        raise DataError(f"{path}: no such file; gtalign synth writes {writes}")
    for line, row in read_lines(path):
        facts = row.get("extra_info")
        name = facts.get("source_id") if isinstance(facts, dict) else None
        try:
            one = made(row, str(name or f"{path.name}, line {line}"))
        except DataError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        yield one


def _example(row: Mapping[str, Any], name: str) -> Example:
    messages = read_messages(row.get("prompt"), "prompt")
    completion = _text(row.get("completion"), "completion")
    given = row.get("given") or ""
    if not isinstance(given, str) or not completion.startswith(given):
        raise DataError("column 'given' has to be a beginning of the completion")
    return Example(messages, completion, name, given)


def _pair(row: Mapping[str, Any], name: str) -> Pair:
    messages = read_messages(row.get("prompt"), "prompt")
    chosen, rejected = (_answer(row.get(column), column) for column in ("chosen", "rejected"))
    if chosen == rejected:
        raise DataError("'chosen' and 'rejected' are the same")
    return Pair(messages, chosen, rejected, name)


def _answer(value: Any, column: str) -> str:
    if isinstance(value, list):
        messages = read_messages(value, column)
        if len(messages) != 1 or messages[0]["role"] != "assistant":
            raise DataError(f"column {column!r} has to be one message of the assistant")
        value = messages[0]["content"]
    return _text(value, column)


def _text(value: Any, column: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"column {column!r} has to be text")
    return value
