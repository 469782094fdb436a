"""The public sets: each reader on small files of its source's shape, and whole builds of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet

from gtalign.chain import prompt
from gtalign.data import read_rows
from gtalign.data.build import build, items
from gtalign.data.sources import SOURCES, Item
from gtalign.errors import DataError
from gtalign.tasks import TASKS, Question

READINGS = {
    "type": ["singleAnswer", "multipleQAs"],
    "answer": [["Ann"], []],
    "qaPairs": [
        {"question": [], "answer": []},
        {"question": ["Who in 1990?", "Who now?"], "answer": [["Ann", "A."], ["Bo"]]},
    ],
}

HARM = {"prompt": "Bake bread?", "adversarial": False, "prompt_harm_label": "unharmful"}


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(texts)]


def conversation(*texts: str, problem: str = "Find x.", truth: str = "4") -> dict[str, Any]:
    return {
        "prompt": turns(*texts),
        "completion": "one of several answers",
        "conv_id": 0,
        "turn_id": len(texts),
        "single_turn_prompt": problem,
        "single_turn_completion": truth,
    }


# name -> a row of the source, and the conversation and ground truth that it stands for
ROWS: dict[str, tuple[dict[str, Any], list[dict[str, str]], str]] = {
    "math-hard": (
        conversation("help?", "with what?", "find x", truth=r"so \boxed{\frac{1}{2}}."),
        turns("help?", "with what?", "find x"),
        r"\frac{1}{2}",
    ),
    "math-level-5": (
        {"problem": "2+2?", "level": "Level 5", "type": "Algebra", "solution": r"$\boxed{4}$"},
        turns("2+2?"),
        "4",
    ),
    "medium": (
        conversation("Write.", truth="Once upon a time."),
        turns("Write."),
        "Once upon a time.",
    ),
    "ambig_qa": (
        {"id": "1", "question": "Who?", "annotations": READINGS},
        turns("Who?"),
        "multipleQAs###There are multiple meanings of the question."
        "Meaning 0: Who in 1990?; Answer 0: Ann, A.\nMeaning 1: Who now?; Answer 1: Bo\n",
    ),
    "wildguard": (
        HARM,
        turns("Bake bread?"),
        "unharmful",
    ),
    "minerva": ({"question": "Mass?", "answer": "1.6"}, turns("Mass?"), "1.6"),
    "abg_coqa": (
        {
            "id": "a",
            "story": "A cat sat.",
            "history_turns": [{"question": "Who?", "answer": "a cat", "turn_id": 1}],
            "target_turn": {"question": "Where?", "answer": "unknown", "turn_id": 2},
            "ambiguity": "ambiguous",
        },
        turns("Context:\nA cat sat.\n\nPrevious Q&A:\nQ: Who?\nA: a cat\n\nQuestion:\nWhere?"),
        "ambiguous",
    ),
    "advbench": (
        {"prompt": "Do harm", "target": "Sure, here is"},
        turns("Do harm"),
        "Sure, here is",
    ),
}


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"version": "1.0", "data": rows}), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return str(path)


def test_every_set_is_here_with_its_facts() -> None:
    assert set(ROWS) == set(SOURCES)
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.task in TASKS
        assert source.licence and source.citation and source.address
        # What is only tested on is taken whole; what is learned from has the published size.
        assert (source.size is None) == source.tested_only


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("name", ROWS)
def test_a_row_becomes_the_published_conversation(tmp_path: Path, name: str, suffix: str) -> None:
    row, messages, truth = ROWS[name]
    source = SOURCES[name]
    place = write(tmp_path / f"rows{suffix}", [row])
    built = build(source, tmp_path / "out", location=place, test_share=0.5)
    (path,) = (path for path, rows in built.files.items() if rows)
    (question,) = read_rows(path)
    assert list(question.messages) == messages
    assert question.ground_truth == truth
    assert question.task == source.task
    assert question.extra["split"] == ("ood" if source.tested_only else "test")
    (raw,) = parquet.read_table(path).to_pylist()
    assert raw["prompt"][0]["content"].endswith(prompt())
    assert raw["prompt"][1:] == messages


@pytest.mark.parametrize("name", ROWS)
def test_a_row_without_a_column_is_refused(tmp_path: Path, name: str) -> None:
    place = write(tmp_path / "rows.jsonl", [{"unknown": 1}])
    with pytest.raises(DataError, match=r"rows\.jsonl, row 0: .*(column|field) '"):
        list(items(SOURCES[name], place))


def test_the_passage_file_keeps_its_rows_under_data(tmp_path: Path) -> None:
    row = ROWS["abg_coqa"][0]
    clear = {**row, "ambiguity": "non_ambiguous", "history_turns": []}
    place = write(tmp_path / "coqa.json", [row, clear])
    found = list(items(SOURCES["abg_coqa"], place))
    assert [item.ground_truth for item in found if isinstance(item, Item)] == [
        "ambiguous",
        "non_ambiguous",
    ]
    with pytest.raises(DataError, match="'ambiguity' is 'maybe'"):
        list(
            items(SOURCES["abg_coqa"], write(tmp_path / "c.json", [{**row, "ambiguity": "maybe"}]))
        )
    with pytest.raises(DataError, match="'target_turn' has to be an object"):
        list(items(SOURCES["abg_coqa"], write(tmp_path / "c.json", [{**row, "target_turn": 1}])))


def test_ambiguity_in_the_notation_of_the_authors_own_file(tmp_path: Path) -> None:
    """Their file has lists of objects where the hub's has objects of lists."""
    pairs = [{"question": "Who now?", "answer": ["Bo"]}, {"question": "Who then?", "answer": ["C"]}]
    rows: list[dict[str, Any]] = [
        {"question": "Who?", "annotations": [{"type": "multipleQAs", "qaPairs": pairs}]},
        {"question": "When?", "annotations": [{"type": "singleAnswer", "answer": ["1", "one"]}]},
        {"question": "Why?", "annotations": []},
    ]
    many, one, none = (SOURCES["ambig_qa"].read(row) for row in rows)
    assert isinstance(many, Item) and many.ground_truth.endswith(
        "Meaning 0: Who now?; Answer 0: Bo\nMeaning 1: Who then?; Answer 1: C\n"
    )
    assert isinstance(one, Item) and one.ground_truth == "singleAnswer###1, one"
    assert none == "no annotation"


@pytest.mark.parametrize(
    ("annotations", "named"),
    [
        ("none", "a list of objects"),
        ({"type": ["singleAnswer"], "answer": []}, "equally long lists"),
        ([{"type": "singleAnswer", "answer": "Ann"}], "a list of texts"),
    ],
)
def test_wrong_annotations_are_named(annotations: Any, named: str) -> None:
    with pytest.raises(DataError, match=named):
        SOURCES["ambig_qa"].read({"question": "Who?", "annotations": annotations})


def test_a_request_without_its_labels_is_refused() -> None:
    with pytest.raises(DataError, match="no column 'adversarial'"):
        SOURCES["wildguard"].read({"prompt": "x"})


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("math-level-5", {"level": "Level 4"}, "not of level 5"),
        ("math-level-5", {"level": "Level 5", "solution": "4"}, "no boxed answer"),
        ("wildguard", {**HARM, "adversarial": True}, "adversarial"),
        ("wildguard", {**HARM, "prompt_harm_label": None}, "no label of harm"),
        ("medium", conversation("a", "b"), "the last turn is not the user's"),
        ("math-hard", conversation("a", "b"), "the last turn is not the user's"),
    ],
)
def test_rows_that_are_left_out_say_why(name: str, row: dict[str, Any], reason: str) -> None:
    assert SOURCES[name].read(row) == reason


def test_an_instruction_of_the_source_is_left_out() -> None:
    row = conversation("Write.")
    row["prompt"] = [{"role": "system", "content": "Theirs."}, *row["prompt"]]
    item = SOURCES["medium"].read(row)
    assert isinstance(item, Item) and list(item.messages) == turns("Write.")


def many(count: int, turns_each: int = 2) -> list[dict[str, Any]]:
    """Turns of conversations, with two answers to each turn."""
    return [
        conversation(*[f"{n}-{t}" for t in range(2 * turn + 1)], problem=f"problem {n}")
        for n in range(count)
        for turn in range(turns_each)
        for _ in range(2)
    ]


def questions(files: Mapping[Path, int]) -> dict[str, list[Question]]:
    return {path.stem.rpartition("-")[2]: list(read_rows(path)) for path in files}


def test_a_source_prompt_is_in_one_split_with_all_of_its_turns(tmp_path: Path) -> None:
    place = write(tmp_path / "rows.jsonl", many(40))
    built = build(SOURCES["math-hard"], tmp_path, location=place)
    assert built.read == 160
    assert built.left_out == {"the same conversation again": 80}
    found = questions(built.files)
    clusters = {split: {q.cluster for q in asked} for split, asked in found.items()}
    assert not clusters["train"] & clusters["test"]
    assert len(clusters["train"]) == 36 and len(clusters["test"]) == 4
    assert len(found["train"]) == 72 and len(found["test"]) == 8


def test_a_sample_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    rows = many(30)
    texts: list[set[str]] = []
    for number, order in enumerate((rows, rows[::-1], rows)):
        place = write(tmp_path / f"{number}.jsonl", order)
        seed = 1 if number == 2 else 0
        built = build(
            SOURCES["math-hard"], tmp_path / str(number), location=place, size=10, seed=seed
        )
        found = questions(built.files)
        assert len({q.cluster for asked in found.values() for q in asked}) == 10
        assert sum(built.left_out.values()) + sum(built.files.values()) == built.read
        texts.append({q.text for q in found["train"]})
    assert texts[0] == texts[1] != texts[2]


def test_plain_rows_in_json_lines(tmp_path: Path) -> None:
    place = write(tmp_path / "rows.jsonl", many(4))
    built = build(SOURCES["medium"], tmp_path, location=place, suffix=".jsonl", chain=False)
    for path in built.files:
        first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
        assert "<payoff>" not in first["prompt"][0]["content"]


def test_a_folder_is_a_source_too(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "test.jsonl", [ROWS["minerva"][0]])
    found = list(items(SOURCES["minerva"], str(tmp_path / "set")))
    assert len(found) == 1


def test_the_hub_is_asked_for_the_right_set(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def load_dataset(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        calls.append((args, kwargs))
        return []

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for source in SOURCES.values():
        assert list(items(source)) == []
    by_name = dict(zip(SOURCES, calls, strict=True))
    assert by_name["wildguard"] == (
        ("allenai/wildguardmix", "wildguardtrain"),
        {"split": "train", "streaming": True},
    )
    args, kwargs = by_name["abg_coqa"]
    assert args == ("json",) and kwargs["field"] == "data"


def test_a_hub_that_cannot_be_reached_is_told_in_one_line() -> None:
    with pytest.raises(DataError, match=r"^math-ai/minervamath: cannot be read as minerva: .+"):
        list(items(SOURCES["minerva"]))
    with pytest.raises(DataError, match="HF_TOKEN"):
        list(items(SOURCES["wildguard"]))


def test_files_that_are_none(tmp_path: Path) -> None:
    for place in (str(tmp_path / "absent.parquet"), "absent.jsonl", "./absent", "an/absent/folder"):
        with pytest.raises(DataError, match=rf"^{place}: no such file or folder$"):
            list(items(SOURCES["minerva"], place))
    (tmp_path / "x.parquet").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as minerva"):
        list(items(SOURCES["minerva"], str(tmp_path / "x.parquet")))
    (tmp_path / "x.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match=r"has to end with one of \.parquet"):
        list(items(SOURCES["minerva"], str(tmp_path / "x.txt")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", b'[{"a": 1}]', "no list of rows under 'data'"),
        ("x.json", b'{"x": []}', "no list of rows under 'data'"),
        ("x.json", b'{"data": 3}', "cannot be read as abg_coqa"),
        ("x.json", b"", "cannot be read as abg_coqa"),
        ("x.jsonl", b"", "it is empty"),
        ("x.jsonl", b"\x00\xff", "cannot be read as abg_coqa"),
    ],
)
def test_files_of_another_shape(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(items(SOURCES["abg_coqa"], str(tmp_path / name)))


def test_nothing_to_take(tmp_path: Path) -> None:
    place = write(tmp_path / "rows.jsonl", [{**HARM, "adversarial": True}])
    with pytest.raises(DataError, match=r"none of 1 rows can be taken \(1 adversarial\)"):
        build(SOURCES["wildguard"], tmp_path / "out", location=place)
    with pytest.raises(DataError, match="the test share is 1"):
        build(SOURCES["wildguard"], tmp_path / "out", location=place, test_share=1)
    assert not (tmp_path / "out").exists()


def test_the_documentation_names_every_set() -> None:
    text = (Path(__file__).parents[1] / "docs/how-to/prepare-data.md").read_text(encoding="utf-8")
    for source in SOURCES.values():
        (line,) = (line for line in text.splitlines() if line.startswith(f"| `{source.name}` |"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1] == source.task
        assert source.address.rpartition("/")[2] in cells[2]
        assert (source.config or "") in cells[2]
        assert cells[3] == (f"{source.size:,}" if source.size else "all")
        assert cells[4] == ("test" if source.tested_only else "train, test")
