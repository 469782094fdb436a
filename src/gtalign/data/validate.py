"""Check a file of dataset rows and report every problem, not only the first, by row and column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtalign.data.rows import COLUMNS, is_jsonl, parquet_columns, question_of, read_parquet
from gtalign.errors import DataError
from gtalign.files.lines import scan
from gtalign.tasks.safety import HARMFUL, HARMLESS

ROLES = frozenset({"system", "user", "assistant"})

_LABELLED = frozenset({"wildguard"})  # the other safety set has attacks alone, without a label


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a file.

    Args:
        row: Number of the row, or of the line of JSON Lines, from 0; None if it is the file's.
        column: Name of the column, with that of the field in it; empty for the whole row.
        what: What is wrong and what would be right.
    """

    row: int | None
    column: str
    what: str

    def to_json(self) -> dict[str, Any]:
        """Return the problem as an object."""
        return {"row": self.row, "column": self.column, "what": self.what}


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """The problems of a file.

    Args:
        rows: How many rows it has.
        wrong_rows: How many of them have a problem.
        problems: The first ones.
        count: How many there are in all.
    """

    rows: int
    wrong_rows: int
    problems: tuple[Problem, ...]
    count: int


def validate(path: Path, limit: int = 100) -> ValidationReport:
    """Check every row of a parquet or JSON Lines file.

    Args:
        path: The file.
        limit: So many problems are kept; all are counted.

    Raises:
        DataError: The file cannot be read or is not of its kind at all.
    """
    kept: list[Problem] = []
    rows = wrong = count = 0
    missing: tuple[str, ...] = ()
    if not is_jsonl(path):
        names = parquet_columns(path)
        missing = tuple(column for column in COLUMNS if column not in names)
        listed = ", ".join(names) or "none"
        what = f"no such column; the columns are {listed}"
        kept = [Problem(None, column, what) for column in missing][:limit]
        count = len(missing)
    for number, row in _rows(path):
        rows += 1
        found = [row] if isinstance(row, Problem) else list(problems_of(row, number, path.stem))
        found = [p for p in found if p.column not in missing]
        wrong += bool(found)
        count += len(found)
        kept += found[: max(0, limit - len(kept))]
    if not rows:
        count += 1
        kept += [Problem(None, "", "no rows")][: max(0, limit - len(kept))]
    return ValidationReport(rows, wrong, tuple(kept), count)


def problems_of(row: Mapping[str, Any], number: int, stem: str) -> Iterator[Problem]:
    """Yield everything that is wrong with a row.

    Args:
        row: Its columns.
        number: Number of the row, for the problems.
        stem: The file's name without its ending.
    """
    found = list(_in_columns(row))
    if not found:
        # Whatever else would keep the reader from making a question of it.
        try:
            question_of(row, f"{stem}-{number}", stem)
        except DataError as error:
            found = [("", str(error))]
    for column, what in found:
        yield Problem(number, column, what)


_Found = Iterator[tuple[str, str]]


def _in_columns(row: Mapping[str, Any]) -> _Found:
    yield from _messages(row.get("prompt"), "prompt")
    task = row.get("data_source")
    if not isinstance(task, str) or not task:
        yield "data_source", "has to be text that is not empty"
    reward_model = row.get("reward_model")
    if isinstance(reward_model, Mapping):
        truth = reward_model.get("ground_truth")
        yield from _ground_truth(truth, task if isinstance(task, str) else "")
    else:
        yield "reward_model", f"has to be an object, not {_kind(reward_model)}"
    info = row.get("extra_info")
    if info is None:
        return
    if not isinstance(info, Mapping):
        yield "extra_info", f"has to be an object, not {_kind(info)}"
        return
    if info.get("chat_history"):
        yield from _messages(info["chat_history"], "extra_info.chat_history")
    single = info.get("single_turn_prompt")
    if single is not None:
        yield from _text(single, "extra_info.single_turn_prompt")


def _messages(source: Any, column: str) -> _Found:
    if not isinstance(source, list | tuple) or not source:
        yield column, f"has to be a list of at least one message, not {_kind(source)}"
        return
    for index, message in enumerate(source):
        place = f"{column}[{index}]"
        if not isinstance(message, Mapping):
            yield place, f"has to be an object with role and content, not {_kind(message)}"
            continue
        if not _is_one_of(message.get("role"), ROLES):
            yield f"{place}.role", f"has to be one of {', '.join(sorted(ROLES))}"
        yield from _text(message.get("content"), f"{place}.content")
    last = source[-1]
    if isinstance(last, Mapping) and _is_one_of(last.get("role"), ROLES - {"user"}):
        yield f"{column}[{len(source) - 1}].role", "the last message has to be the user's"


def _ground_truth(truth: Any, task: str) -> _Found:
    column = "reward_model.ground_truth"
    structured = truth is not None and not isinstance(truth, str | bool)
    wrong = [] if structured else list(_text(truth, column))
    yield from wrong
    if not wrong and task in _LABELLED and not _is_one_of(truth, HARMLESS | {HARMFUL}):
        known = ", ".join(sorted({HARMFUL, *HARMLESS}))
        yield column, f"of {task} has to be one of {known}"


def _text(value: Any, column: str) -> _Found:
    if not isinstance(value, str):
        yield column, f"has to be text, not {_kind(value)}"
    elif not value.strip():
        yield column, "is empty"
    elif any("\ud800" <= character <= "\udfff" for character in value):
        yield column, "has a lone surrogate, which is no Unicode text"


def _is_one_of(value: Any, names: frozenset[str]) -> bool:
    """Whether a value is one of some texts; a list or an object, which no set can hold, is none."""
    return isinstance(value, str) and value in names


def _kind(value: Any) -> str:
    """Name what a value is, as JSON would."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), "an object")


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
    if is_jsonl(path):
        yield from _lines(path)
    else:
        yield from enumerate(read_parquet(path))


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
    """Yield each line's number and object, or what is wrong with it; empty lines are skipped."""
    for line in scan(path):
        number, row = line.number - 1, line.value
        if line.problem is not None:
            yield number, Problem(number, "", line.problem)
        elif isinstance(row, dict):
            yield number, row
        else:
            yield number, Problem(number, "", f"not an object but {_kind(row)}")
