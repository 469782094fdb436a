"""Dataset rows in verl's schema, read as questions.

A row has ``prompt`` (chat messages), ``data_source``, ``reward_model.ground_truth`` and
``extra_info``. Published rows carry a long instruction for the chain inside ``prompt``; the bare
conversation is ``extra_info.chat_history``, or ``extra_info.single_turn_prompt`` where there is no
history. A row with neither has it in ``prompt`` itself.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from gtalign.errors import DataError
from gtalign.files.lines import read_lines, torn_line
from gtalign.tasks import Message, Question, task_named
from gtalign.tasks.ambiguity import is_ambiguous
from gtalign.tasks.content import read_truth
from gtalign.tasks.question import read_messages

COLUMNS = ("prompt", "data_source", "reward_model")
"""Columns that every file needs."""

OUT_OF_DISTRIBUTION = frozenset({"minerva", "abg-coqa", "advbench"})
"""Published sets that no model is trained on."""

_SPLITS = ("train", "test")
_PASSAGE, _DIALOGUE = "Context:\n", "\nPrevious Q&A:"


def read_rows(*paths: Path | str, limit: int | None = None) -> Iterator[Question]:
    """Yield the questions of parquet or JSON Lines files, file by file, in order.

    Ids are the file's name and the row's number, from 0. Questions that stem from one source prompt
    (several turns of one conversation, several questions about one passage) share a cluster.
    ``extra`` holds the ``split`` and, for ambiguous and clear questions, the ``user_action``. A
    ground truth of null is none; one that is no text is kept as JSON text.

    Args:
        paths: The files.
        limit: Most questions in total; None for all.

    Raises:
        DataError: A file cannot be read, lacks a column, or a row is wrong (the message names file,
            row and column), or two questions share an id.
    """
    for _, question in read_pairs(*paths, limit=limit):
        yield question


def read_pairs(
    *paths: Path | str, limit: int | None = None
) -> Iterator[tuple[dict[str, Any], Question]]:
    """Yield each row of some files as it is on disk, with the question that it holds.

    Args:
        paths: The files.
        limit: Most rows in total; None for all.

    Raises:
        DataError: As for `read_rows`.
    """
    yield from islice(_all_pairs([Path(path) for path in paths]), limit)


def _all_pairs(paths: Sequence[Path]) -> Iterator[tuple[dict[str, Any], Question]]:
    stems: dict[str, int] = {}
    for place, path in enumerate(paths):
        for row, question in _file_pairs(path):
            # Ids begin with the stem: those of one file differ from each other.
            if stems.setdefault(path.stem, place) != place:
                raise DataError(
                    f"{path}: two questions have the id {question.id!r}: files of one name in two"
                    " folders; give one of them another name"
                )
            yield row, question


def _file_pairs(path: Path) -> Iterator[tuple[dict[str, Any], Question]]:
    if not path.exists():
        raise DataError(
            f"{path}: no such file; gtalign data build SET makes files of questions (without SET it"
            " lists the sets), and gtalign data mix mixes them"
        )
    rows = _read_jsonl(path) if is_jsonl(path) else _read_parquet(path)
    place = None
    for number, (place, row) in enumerate(rows):
        try:
            yield row, question_of(row, f"{path.stem}-{number}", path.stem)
        except DataError as error:
            raise DataError(f"{path}, {place}: {error}") from error
    if place is None:
        raise DataError(f"{path}: empty: it holds no question")


def is_jsonl(path: Path) -> bool:
    """Whether a file's name says JSON Lines; all others are parquet."""
    return path.suffix in (".jsonl", ".json")


def _read_jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place of each row, for messages, and the row."""
    for line, row in read_lines(path):
        for column in COLUMNS:
            if column not in row:
                raise DataError(f"{path}, line {line}: no column {column!r}")
        yield f"line {line}", row
    torn = torn_line(path)
    if torn is not None:
        raise DataError(f"{path}, line {torn}: cut off in the middle; the file is not whole")


def _read_parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    names = parquet_columns(path)
    for column in COLUMNS:
        if column not in names:
            raise DataError(f"{path}: no column {column!r}; the columns are {', '.join(names)}")
    for number, row in enumerate(read_parquet(path)):
        yield f"row {number}", row


def parquet_columns(path: Path) -> list[str]:
    """Return the names of a parquet file's columns.

    Raises:
        DataError: The file cannot be read or is no parquet file.
    """
    from pyarrow import parquet  # of the extra `eval`; JSON Lines do without

    with _told(path), parquet.ParquetFile(path) as file:
        return list(file.schema_arrow.names)


def read_parquet(
    path: Path, columns: Sequence[str] | None = (*COLUMNS, "extra_info")
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a parquet file.

    Args:
        path: The file.
        columns: The columns to read, where it has them; by default those of a question. None reads
            all.

    Raises:
        DataError: The file cannot be read or is no parquet file.
    """
    from pyarrow import parquet

    with _told(path), parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        wanted = names if columns is None else [name for name in columns if name in names]
        for batch in file.iter_batches(batch_size=256, columns=wanted):
            yield from batch.to_pylist()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Name the file in what pyarrow raises."""
    from pyarrow import ArrowException

    try:
        yield
    except ArrowException as error:
        raise DataError(f"{path}: not a parquet file: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: text that is not UTF-8: {error}") from error
    except OSError as error:
        # pyarrow says it at length; the number says it in words that people know.
        reason = os.strerror(error.errno) if error.errno else error
        raise DataError(f"{path}: cannot be read: {reason}") from error


def question_of(row: Mapping[str, Any], name: str, stem: str) -> Question:
    """Build the question of a row.

    Args:
        row: The row's columns.
        name: The question's id.
        stem: The file's name without its ending, which may say the split.

    Raises:
        DataError: A column is wrong; the message names it.
    """
    task = row["data_source"]
    if not isinstance(task, str) or not task:
        raise DataError("column 'data_source' has to be text")
    reward_model = row["reward_model"]
    if not isinstance(reward_model, Mapping) or "ground_truth" not in reward_model:
        raise DataError("no column 'reward_model.ground_truth'; null says that there is none")
    truth = read_truth(reward_model["ground_truth"], "reward_model.ground_truth")
    info = row.get("extra_info") or {}
    if not isinstance(info, Mapping):
        raise DataError("column 'extra_info' has to be an object")
    single = info.get("single_turn_prompt")
    if single is not None and not isinstance(single, str):
        raise DataError("column 'extra_info.single_turn_prompt' has to be text")
    messages = _conversation(row, info)
    question = Question(
        id=name,
        task=task,
        messages=messages,
        ground_truth=truth,
        cluster=cluster_of(task, single or messages[0]["content"]),
        extra={"split": _split(task, stem, info), **_goal(info)},
    )
    if task_named(task).kind != "ambiguity" or not question.referenced:
        return question
    action = "VQ" if is_ambiguous(question) else "DQ"
    return Question(
        id=name,
        task=task,
        messages=messages,
        ground_truth=truth,
        cluster=question.cluster,
        extra={**question.extra, "user_action": action},
    )


def _goal(info: Mapping[str, Any]) -> dict[str, Any]:
    """The goal of the user, where the row tells it; `gtalign.dialogue.told` checks it."""
    return {} if info.get("goal") is None else {"goal": info["goal"]}


def _conversation(row: Mapping[str, Any], info: Mapping[str, Any]) -> tuple[Message, ...]:
    if info.get("chat_history"):
        return read_messages(info["chat_history"], "extra_info.chat_history")
    if info.get("single_turn_prompt"):
        return (Message(role="user", content=info["single_turn_prompt"]),)
    return read_messages(row["prompt"], "prompt")


def cluster_of(task: str, source: str) -> str:
    """Name the source prompt; of a question about a passage, the passage."""
    if source.startswith(_PASSAGE):
        source = source.partition(_DIALOGUE)[0]
    # A lone surrogate has no UTF-8; an escape of it tells sources apart as well.
    digest = hashlib.sha256(source.strip().encode(errors="backslashreplace"))
    return f"{task}-{digest.hexdigest()[:12]}"


def _split(task: str, stem: str, info: Mapping[str, Any]) -> str:
    """Return the split that a file's name ends with; published OOD files call theirs train."""
    named = stem.rpartition("-")[2]
    split = named if named in _SPLITS else str(info.get("split") or "")
    return "ood" if task in OUT_OF_DISTRIBUTION and named != "train" else split
