"""Files of questions held against each other, as `gtalign data check` does."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_rows import row, write
from gtalign.data.check import check
from gtalign.data.duplicates import DuplicateConfig

WORDS = st.sampled_from(["apples", "bread", "rivers", "stars"])


def test_a_row_repeats_earlier_files_too(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [row("one apple"), row("two rivers")])
    second = write(tmp_path / "b.jsonl", [row("two rivers"), row("three stars")])
    found = check([first, second, first])
    assert [(r.rows, r.exact, r.near) for r in found.repeats.values()] == [(2, 0, 0), (2, 1, 0)]
    assert not found.wrong
    assert found.shared == []


@settings(deadline=None, max_examples=20)
@given(train=st.lists(WORDS, min_size=1, max_size=6), test=st.lists(WORDS, min_size=1, max_size=6))
def test_what_a_test_file_shares_is_what_both_hold(
    tmp_path_factory: pytest.TempPathFactory, train: list[str], test: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("check")
    files = [write(folder / "train.jsonl", [row(f"what are {word}?") for word in train])]
    tests = [write(folder / "test.jsonl", [row(f"what are {word}?") for word in test])]
    found = check(files, tests, DuplicateConfig(threshold=1))
    (repeats,) = found.repeats.values()
    ((_, shared),) = found.shared
    assert (repeats.rows, repeats.exact) == (len(train), len(train) - len(set(train)))
    assert (shared.rows, shared.exact) == (len(test), sum(word in train for word in test))
    assert shared.exact <= shared.either <= shared.rows


def test_a_file_that_holds_no_questions_is_described_and_left_out(tmp_path: Path) -> None:
    good = write(tmp_path / "good.jsonl", [row("2+2?")])
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\n[]\n", encoding="utf-8")
    found = check([good, bad], [bad], limit=1)
    assert found.wrong
    assert (list(found.repeats), found.shared) == ([good], [])
    told = json.loads(json.dumps(found.to_json()))
    assert [entry["wrong_rows"] for entry in told["files"]] == [0, 2]
    assert len(told["files"][1]["problems"]) == 1 < told["files"][1]["problem_count"]
