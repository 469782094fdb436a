"""Rows in verl's schema, written: they come back as the questions they were."""

import errno
import json
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from gtalign.chain import prompt
from gtalign.data.rows import read_rows
from gtalign.data.schema import RowWriter, instructed, system_prompt, to_row
from gtalign.errors import DataError, StorageError
from gtalign.tasks import Message, Question


def question(*turns: str, task: str = "math-hard", truth: str = "4") -> Question:
    roles = ("user", "assistant")
    messages = tuple(Message(role=roles[i % 2], content=t) for i, t in enumerate(turns))
    return Question("id-7", task, messages, truth, "cluster")


def row(asked: Question, index: int = 0) -> dict[str, object]:
    return to_row(asked, index=index, source_prompt=None, split="train", system="Be good.")


def test_the_system_message_holds_our_prompt_and_the_chain() -> None:
    assert system_prompt().endswith(prompt())
    assert "<payoff>" not in system_prompt(chain=False)
    assert system_prompt().startswith(system_prompt(chain=False))


def test_a_system_message_of_the_conversation_is_kept_after_ours() -> None:
    own = Message(role="system", content="Speak Latin.")
    user = Message(role="user", content="Salve")
    assert instructed([own, user], "Ours.") == [
        {"role": "system", "content": "Ours.\n\nSpeak Latin."},
        user,
    ]
    assert instructed([user], "Ours.") == [{"role": "system", "content": "Ours."}, user]


@pytest.mark.parametrize("name", ["set-train.parquet", "set-train.jsonl"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    asked = [question("2+2?"), question("a", "b", "c"), question("é\u2028x" * 300)]
    with RowWriter(tmp_path / "new" / name) as writer:
        for index, one in enumerate(asked):
            writer.write(row(one, index))
    assert writer.rows == 3
    read = list(read_rows(tmp_path / "new" / name))
    assert [q.messages for q in read] == [q.messages for q in asked]
    assert [q.ground_truth for q in read] == ["4"] * 3
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / name]


def test_more_rows_than_one_batch_in_order(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    with RowWriter(path) as writer:
        for index in range(600):
            writer.write(row(question(str(index)), index))
    infos = parquet.read_table(path).column("extra_info").to_pylist()
    assert [info["index"] for info in infos] == list(range(600))
    assert [q.text for q in read_rows(path)] == [str(i) for i in range(600)]


def test_datasets_reads_it(tmp_path: Path) -> None:
    for name, builder in (("a.parquet", "parquet"), ("a.jsonl", "json")):
        with RowWriter(tmp_path / name) as writer:
            writer.write(row(question("2+2?")))
        (read,) = datasets.load_dataset(
            builder, data_files=str(tmp_path / name), split="train", streaming=True
        )
        assert read["prompt"][1] == {"role": "user", "content": "2+2?"}
        assert read["reward_model"]["ground_truth"] == "4"
        assert read["extra_info"]["source_id"] == "id-7"


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back(text: str) -> None:
    one = row(question(text))
    assert json.loads(json.dumps(one)) == one
    assert one["extra_info"]["chat_history"][-1]["content"] == text  # type: ignore[index]


def test_an_error_on_the_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text("before\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="power"), RowWriter(path) as writer:
        writer.write(row(question("2+2?")))
        raise RuntimeError("power")
    assert path.read_text(encoding="utf-8") == "before\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lone_surrogate(tmp_path: Path) -> None:
    rows = [row(question("fine")), row(question("\ud800"))]
    with RowWriter(tmp_path / "x.jsonl") as writer:
        for one in rows:
            writer.write(one)
    assert [q.text for q in read_rows(tmp_path / "x.jsonl")] == ["fine", "\ud800"]
    with (
        pytest.raises(
            DataError, match="row 1: a parquet file cannot hold text with a lone surrogate"
        ),
        RowWriter(tmp_path / "x.parquet") as writer,
    ):
        for one in rows:
            writer.write(one)
    assert not (tmp_path / "x.parquet").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError) as caught:
        RowWriter(tmp_path / "file" / "x.jsonl")
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(StorageError), RowWriter(tmp_path / "x.jsonl") as writer:
        writer.write(row(question("2+2?")))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "x.jsonl"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_a_full_disk_is_told(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    monkeypatch.setattr(Path, "with_name", lambda self, name: full)
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok: None)
    with pytest.raises(StorageError, match="No space left"), RowWriter(tmp_path / name) as writer:
        for index in range(600):
            writer.write(row(question("x" * 200), index))
