"""Dataset rows as questions: the published files, and files that are wrong."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from gtalign.data import read_rows
from gtalign.errors import DataError
from gtalign.synthesis.examples import read_examples


def row(**changes: Any) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": "Long instruction. Question: 2+2?"}],
        "data_source": "math-hard",
        "reward_model": {"ground_truth": "4", "style": "rule"},
        "extra_info": {"chat_history": [{"role": "user", "content": "2+2?"}]},
        **changes,
    }


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["set-train.parquet", "set-train.jsonl"])
def test_a_row(tmp_path: Path, name: str) -> None:
    (question,) = read_rows(write(tmp_path / name, [row()]))
    assert question.id == "set-train-0"
    assert question.task == "math-hard"
    assert question.messages == ({"role": "user", "content": "2+2?"},)
    assert question.ground_truth == "4"
    assert question.extra == {"split": "train"}


# file -> rows, source prompts, rows of the split
PUBLISHED = {
    "math-hard-train": (3176, 1816, "train"),
    "math-hard-test": (353, 337, "test"),
    "medium-test": (248, 226, "test"),
    "ambig_qa-test": (300, 300, "test"),
    "wildguard-test": (300, 298, "test"),
    "minerva-test": (272, 272, "ood"),
    "abg_coqa-test": (1055, 497, "ood"),
    "advbench-test": (520, 520, "ood"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files(shared: Path, name: str) -> None:
    rows, clusters, split = PUBLISHED[name]
    questions = list(read_rows(shared / "data" / f"{name}.parquet"))
    assert len(questions) == len({q.id for q in questions}) == rows
    assert len({q.cluster for q in questions}) == clusters
    assert {q.extra["split"] for q in questions} == {split}
    for question in questions:
        assert question.messages[-1]["role"] == "user"
        assert "<payoff>" not in question.text


def test_the_last_turn_is_what_the_published_prompt_ends_with(shared: Path) -> None:
    for name in ("medium-test", "abg_coqa-test"):
        file = shared / "data" / f"{name}.parquet"
        prompts = parquet.read_table(file, columns=["prompt"]).to_pylist()
        for published, question in zip(prompts, read_rows(file), strict=True):
            assert published["prompt"][-1]["content"].endswith(question.text)


def test_ambiguous_questions_say_so(shared: Path) -> None:
    actions = [q.extra["user_action"] for q in read_rows(shared / "data" / "ambig_qa-test.parquet")]
    assert actions.count("VQ") == actions.count("DQ") == 150


def test_turns_of_one_conversation_share_a_cluster(tmp_path: Path) -> None:
    first = {"single_turn_prompt": "the problem", "chat_history": [turn("a")]}
    later = {"single_turn_prompt": "the problem", "chat_history": [turn("b")]}
    other = {"single_turn_prompt": "another", "chat_history": [turn("a")]}
    rows = [row(extra_info=info) for info in (first, later, other)]
    one, two, three = read_rows(write(tmp_path / "x.jsonl", rows))
    assert one.cluster == two.cluster != three.cluster


def turn(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_questions_about_one_passage_share_a_cluster(tmp_path: Path) -> None:
    texts = [
        f"Context:\n{passage}\n\nPrevious Q&A:\nQ: x\n\nQuestion:\n{question}"
        for passage, question in (("A story.", "who?"), ("A story.", "when?"), ("Other.", "who?"))
    ]
    rows = [row(extra_info={"single_turn_prompt": text}) for text in texts]
    one, two, three = read_rows(write(tmp_path / "x.jsonl", rows))
    assert one.cluster == two.cluster != three.cluster
    assert one.text == texts[0]


def test_without_extra_info_the_prompt_is_the_conversation(tmp_path: Path) -> None:
    (question,) = read_rows(write(tmp_path / "x.jsonl", [row(extra_info=None)]))
    assert question.text == "Long instruction. Question: 2+2?"
    assert question.extra == {"split": ""}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize("column", ["prompt", "data_source", "reward_model"])
def test_a_missing_column_is_named(tmp_path: Path, suffix: str, column: str) -> None:
    rows = [{key: value for key, value in row().items() if key != column}]
    with pytest.raises(DataError, match=rf"bad\.{suffix}.*'{column}'"):
        list(read_rows(write(tmp_path / f"bad.{suffix}", rows)))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data_source": None}, "'data_source'"),
        ({"reward_model": {"style": "rule"}}, r"'reward_model\.ground_truth'"),
        ({"reward_model": "4"}, r"'reward_model\.ground_truth'"),
        ({"reward_model": {"ground_truth": math.inf}}, r"'reward_model\.ground_truth'"),
        ({"reward_model": {"ground_truth": {"a": [10**400]}}}, r"ground_truth\.a\.0'"),
        ({"extra_info": "none"}, "'extra_info'"),
        ({"extra_info": {"chat_history": ["hi"]}}, r"'extra_info\.chat_history'"),
        ({"extra_info": {"single_turn_prompt": 3}}, r"'extra_info\.single_turn_prompt'"),
        ({"extra_info": {}, "prompt": []}, "'prompt'"),
        ({"data_source": "ambig_qa"}, "ground truth '4'"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    file = write(tmp_path / "bad.jsonl", [row(), row(**changes)])
    with pytest.raises(DataError, match=rf"bad\.jsonl, line 2: .*{named}"):
        list(read_rows(file))


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize(
    ("truth", "kept"),
    [(None, ""), (4, "4"), (0.5, "0.5"), (["4", "four"], '["4", "four"]'), ({"a": 4}, '{"a": 4}')],
)
def test_a_ground_truth_of_any_kind(tmp_path: Path, suffix: str, truth: Any, kept: str) -> None:
    rows = [row(reward_model={"ground_truth": truth, "style": "rule"})]
    (question,) = read_rows(write(tmp_path / f"x.{suffix}", rows))
    assert question.ground_truth == kept
    assert question.referenced is bool(kept)


def test_a_question_without_a_label_is_neither_ambiguous_nor_clear(tmp_path: Path) -> None:
    rows = [row(data_source="ambig_qa", reward_model={"ground_truth": None})]
    (question,) = read_rows(write(tmp_path / "x.jsonl", rows))
    assert "user_action" not in question.extra


def test_files_that_are_none(tmp_path: Path) -> None:
    for name in ("absent.parquet", "absent.jsonl"):
        with pytest.raises(DataError, match=rf"{name}: no such file; gtalign data build SET"):
            list(read_rows(tmp_path / name))
    with pytest.raises(DataError, match=r"kept\.jsonl: no such file; gtalign synth writes"):
        list(read_examples(tmp_path / "kept.jsonl"))
    text = tmp_path / "text.parquet"
    text.write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match=r"text\.parquet: not a parquet file"):
        list(read_rows(text))


def test_several_files_are_one_list_with_one_limit(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [row(), row(), row()])
    second = write(tmp_path / "b.parquet", [row(), row()])
    every = ["a-0", "a-1", "a-2", "b-0", "b-1"]
    for limit in (None, 0, 2, 3, 4, 9):
        found = [question.id for question in read_rows(first, second, limit=limit)]
        assert found == every[:limit]


def test_two_questions_of_one_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = write(tmp_path / "a.jsonl", [row()])
    second = write(tmp_path / "other" / "a.jsonl", [row()])
    for files in ((first, second), (first, first)):
        with pytest.raises(DataError, match="two questions have the id 'a-0'"):
            list(read_rows(*files))
    assert len(list(read_rows(first, second, limit=1))) == 1  # the second is not read
