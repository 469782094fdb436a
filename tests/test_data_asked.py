"""What is asked on the spot: a text, a file of it, a file of rows, or standard input."""

import io
from pathlib import Path

import pytest

from dataset_rows import row, write
from gtalign.data.asked import read_asked
from gtalign.errors import DataError


def asked(source: str | Path, stdin: str = "", limit: int = 10) -> list[str]:
    found = read_asked(str(source), limit, io.StringIO(stdin), "--question")
    return [question.text for question in found]


def test_a_text_is_one_question_and_stdin_is_another() -> None:
    assert asked(" Where to?\nAnd when? ") == ["Where to?\nAnd when?"]
    assert asked("-", "Which one?\n") == ["Which one?"]
    assert asked("x" * 5000) == ["x" * 5000]  # longer than any path


def test_a_file_holds_a_text_or_rows(tmp_path: Path) -> None:
    text = tmp_path / "asked.txt"
    text.write_text("Where to?\n", encoding="utf-8")
    assert asked(text) == ["Where to?"]
    rows = write(tmp_path / "rows.jsonl", [row("One?"), row("Two?"), row("Three?")])
    assert asked(rows, limit=2) == ["One?", "Two?"]


@pytest.mark.parametrize(("source", "stdin"), [(" \n", ""), ("-", ""), ("-", " ")])
def test_nothing_is_no_question(source: str, stdin: str) -> None:
    with pytest.raises(DataError, match="--question: the question is empty"):
        asked(source, stdin)


def test_rows_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none"):
        asked(tmp_path / "none.jsonl")
