"""Every problem of a file, with its row and column."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from dataset_rows import row, write
from gtalign.data.rows import question_of
from gtalign.data.validate import Problem, problems_of, validate
from gtalign.errors import DataError

USER = {"role": "user", "content": "2+2?"}


def changed(**columns: Any) -> dict[str, Any]:
    return {**row("2+2?"), **columns}


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_a_good_file(tmp_path: Path, name: str) -> None:
    report = validate(write(tmp_path / name, [row("2+2?"), row("3+3?")]))
    assert (report.rows, report.wrong_rows, report.count, report.problems) == (2, 0, 0, ())


@pytest.mark.parametrize(
    ("columns", "column", "what"),
    [
        ({"prompt": []}, "prompt", "at least one message, not an empty list"),
        ({"prompt": "hi"}, "prompt", "not text"),
        ({"prompt": ["hi"]}, "prompt[0]", "has to be an object"),
        ({"prompt": [{"role": "bot", "content": "x"}]}, "prompt[0].role", "one of assistant"),
        ({"prompt": [{"role": "user", "content": None}]}, "prompt[0].content", "not null"),
        ({"prompt": [USER, {"role": "assistant", "content": "x"}]}, "prompt[1].role", "the user's"),
        ({"data_source": 3}, "data_source", "text"),
        ({"data_source": ""}, "data_source", "text"),
        ({"reward_model": "4"}, "reward_model", "not text"),
        ({"reward_model": {}}, "reward_model.ground_truth", "not null"),
        ({"reward_model": {"ground_truth": True}}, "reward_model.ground_truth", "true or false"),
        ({"reward_model": {"ground_truth": " "}}, "reward_model.ground_truth", "is empty"),
        ({"data_source": "wildguard"}, "reward_model.ground_truth", "one of harmful"),
        ({"data_source": "ambig_qa"}, "", "ground truth '4' does not begin with"),
        ({"extra_info": [1]}, "extra_info", "not a list"),
        ({"extra_info": {"chat_history": ["x"]}}, "extra_info.chat_history[0]", "an object"),
        ({"extra_info": {"single_turn_prompt": 1.5}}, "extra_info.single_turn_prompt", "a number"),
        ({"extra_info": {"single_turn_prompt": "\ud800"}}, "extra_info.single_turn_prompt", "lone"),
    ],
)
def test_a_problem_names_row_and_column(
    tmp_path: Path, columns: dict[str, Any], column: str, what: str
) -> None:
    report = validate(write(tmp_path / "x.jsonl", [row("fine"), changed(**columns)]))
    assert report.rows == 2 and report.wrong_rows == 1
    (problem,) = report.problems
    assert (problem.row, problem.column) == (1, column)
    assert what in problem.what


def test_all_problems_of_a_row_and_of_all_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(path, [{"prompt": [], "data_source": None}, row("fine")])
    with path.open("a", encoding="utf-8") as file:
        file.write('\n[1]\n{"torn": \n')
    report = validate(path)
    assert report.rows == 4 and report.wrong_rows == 3 and report.count == 5
    assert [(p.row, p.column) for p in report.problems] == [
        (0, "prompt"),
        (0, "data_source"),
        (0, "reward_model"),
        (3, ""),  # the number of its line, less one
        (4, ""),
    ]
    assert report.problems[3].to_json() == {
        "row": 3,
        "column": "",
        "what": "not an object but a list",
    }
    assert "not JSON" in report.problems[4].what


def test_the_list_is_bounded_and_the_count_is_not(tmp_path: Path) -> None:
    report = validate(write(tmp_path / "x.jsonl", [{}] * 50), limit=7)
    assert len(report.problems) == 7
    assert report.count == 150


def test_columns_that_a_parquet_file_lacks_are_told_once(tmp_path: Path) -> None:
    rows = [{"prompt": [USER], "answer": "4"}, {"prompt": [], "answer": "5"}]
    report = validate(write(tmp_path / "x.parquet", rows))
    assert report.problems[:2] == (
        Problem(None, "data_source", "no such column; the columns are prompt, answer"),
        Problem(None, "reward_model", "no such column; the columns are prompt, answer"),
    )
    assert [(p.row, p.column) for p in report.problems[2:]] == [(1, "prompt")]
    assert report.count == 3


def test_a_file_without_rows(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("", encoding="utf-8")
    assert validate(tmp_path / "x.jsonl").problems == (Problem(None, "", "no rows"),)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name in ("absent.jsonl", "absent.parquet"):
        with pytest.raises(DataError, match=f"{name}: cannot be read: No such file"):
            validate(tmp_path / name)
    (tmp_path / "x.parquet").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match="not a parquet file"):
        validate(tmp_path / "x.parquet")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"prompt": "\xff\xfe"}\n' + b"[" * 200_000 + b"\n")
    report = validate(tmp_path / "x.jsonl")
    assert [p.row for p in report.problems] == [0, 1]
    binary = pa.array([b"\xff\xfe"]).view(pa.string())
    table = pa.table({"prompt": binary, "data_source": ["a"], "reward_model": ["b"]})
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet: text that is not UTF-8"):
        validate(tmp_path / "x.parquet")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "ground_truth", "x"]), inner)
    ),
    max_leaves=5,
)
NAMES = ["prompt", "data_source", "reward_model", "extra_info"]


@given(st.dictionaries(st.sampled_from(NAMES), json_values))
@example({"prompt": [{"role": []}]})
@example({"prompt": [{"role": {}, "content": "x"}]})
@example({"extra_info": {"chat_history": [{"role": ["user"], "content": "x"}]}})
def test_a_row_without_problems_is_one_that_can_be_read(columns: dict[str, Any]) -> None:
    """Whatever a row holds, it is described; one that passes makes a question."""
    for candidate in (columns, {**row("2+2?"), **columns}):
        problems = list(problems_of(candidate, 0, "x"))
        json.dumps([problem.to_json() for problem in problems])
        if not problems:
            assert question_of(candidate, "x-0", "x").text


def test_published_files(shared: Path) -> None:
    """The released training rows have ground truths, and one request, that are empty."""
    report = validate(shared / "data" / "math-hard-train.parquet")
    assert report.rows == 3176 and report.wrong_rows == 4
    assert {p.column for p in report.problems} == {"reward_model.ground_truth"}
    assert validate(shared / "data" / "ambig_qa-test.parquet").count == 0
