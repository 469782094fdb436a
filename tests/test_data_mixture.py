"""Mixtures of tasks."""

from pathlib import Path

import datasets
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataset_rows import row, write
from gtalign.config import dump, load
from gtalign.data.mixture import MixtureConfig, mix, plan
from gtalign.data.rows import read_rows
from gtalign.errors import ConfigError, DataError


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """30 maths questions in two files, and 10 texts to write in one of them."""
    first = [row(f"maths {n}") for n in range(20)]
    second = [row(f"maths {n}") for n in range(20, 30)] + [
        row(f"write {n}", "medium") for n in range(10)
    ]
    return [
        write(tmp_path / "a-train.parquet", first),
        write(tmp_path / "b-train.jsonl", second),
    ]


available = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 5000), min_size=1)


@given(available, st.floats(0.2, 100), st.booleans())
def test_a_plan_has_the_right_size_and_shares(
    rows: dict[str, int], temperature: float, repeat: bool
) -> None:
    config = MixtureConfig(temperature=temperature, repeat=repeat)
    try:
        counts = plan(rows, config)
    except DataError:
        # One task is so rare beside another that its share is less than a row.
        assume(False)
    size = sum(counts.values())
    total = sum(n ** (1 / temperature) for n in rows.values())
    for task, count in counts.items():
        assert abs(count - size * rows[task] ** (1 / temperature) / total) < 1 + 1e-6
        assert repeat or count <= rows[task]
    if repeat:
        assert size == sum(rows.values())


def test_temperatures() -> None:
    rows = {"a": 900, "b": 100}
    assert plan(rows, MixtureConfig()) == rows
    assert plan(rows, MixtureConfig(temperature=2, size=40)) == {"a": 30, "b": 10}
    assert plan(rows, MixtureConfig(temperature=1e9)) == {"a": 100, "b": 100}


def test_weights() -> None:
    rows = {"a": 900, "b": 100, "c": 5}
    assert plan(rows, MixtureConfig(weights={"a": 3, "b": 1})) == {"a": 300, "b": 100, "c": 0}
    assert plan(rows, MixtureConfig(weights={"a": 1, "b": 1, "c": 1}, size=10)) == {
        "a": 4,
        "b": 3,
        "c": 3,
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (MixtureConfig(weights={"aa": 1}), "weight of 'aa': no such task; there are a"),
        (MixtureConfig(weights={"zzz": 1}), "there are a, b"),
        (MixtureConfig(weights={"a": 0}), "nothing to mix"),
        (MixtureConfig(size=8), "task 'a' has 6 rows and the mixture takes 8"),
        (MixtureConfig(weights={"a": 1, "b": 1}), "task 'b' has none to take"),
        (MixtureConfig(weights={"b": 1}, size=3, repeat=True), "task 'b' has 0 rows"),
    ],
)
def test_plans_that_cannot_be(config: MixtureConfig, message: str) -> None:
    with pytest.raises(DataError, match=message):
        plan({"a": 6, "b": 0}, config)


@pytest.mark.parametrize("name", ["mix-train.parquet", "mix-train.jsonl"])
def test_everything_once(files: list[Path], tmp_path: Path, name: str) -> None:
    output = tmp_path / "out" / name
    mixed = mix(files, output)
    assert mixed.rows == mixed.available == {"math-hard": 30, "medium": 10}
    read = list(read_rows(output))
    assert sorted(q.text for q in read) == sorted(
        [f"maths {n}" for n in range(30)] + [f"write {n}" for n in range(10)]
    )
    # In another order than one task after the other, and with the sources' clusters.
    assert [q.task for q in read] != sorted(q.task for q in read)
    before = {q.text: q.cluster for file in files for q in read_rows(file)}
    assert all(before[q.text] == q.cluster for q in read)
    builder = "parquet" if name.endswith("parquet") else "json"
    rows = datasets.load_dataset(builder, data_files=str(output), split="train", streaming=True)
    assert [r["extra_info"]["chat_history"][-1]["content"] for r in rows] == [q.text for q in read]
    assert next(iter(rows))["prompt"][0]["role"] == "system"


def test_an_earlier_mixture_is_not_mixed_again(files: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "mixed.jsonl"
    first = mix(files, output)
    assert mix([*files, output], output) == first
    with pytest.raises(DataError, match="name the files to mix"):
        mix([output], output)


def test_the_seed_decides(files: list[Path], tmp_path: Path) -> None:
    def texts(seed: int) -> list[str]:
        config = MixtureConfig(weights={"math-hard": 1, "medium": 1}, size=10, seed=seed)
        mix(files, tmp_path / "mix.jsonl", config)
        return [q.text for q in read_rows(tmp_path / "mix.jsonl")]

    assert texts(0) == texts(0) != texts(1)
    assert len(texts(0)) == len(set(texts(0))) == 10


def test_rows_repeat_evenly(files: list[Path], tmp_path: Path) -> None:
    config = MixtureConfig(weights={"medium": 1}, size=25, repeat=True)
    mixed = mix(files, tmp_path / "mix.jsonl", config)
    assert mixed.rows == {"math-hard": 0, "medium": 25}
    texts = [q.text for q in read_rows(tmp_path / "mix.jsonl")]
    assert sorted({texts.count(t) for t in texts}) == [2, 3]
    assert len(set(texts)) == 10


def test_what_is_tested_on_is_left_out(files: list[Path], tmp_path: Path) -> None:
    rows = [row(" MATHS 3"), row("other words", single_turn_prompt="maths 4")]
    held = write(tmp_path / "held-test.jsonl", rows)
    mixed = mix(files, tmp_path / "mix.jsonl", without=[held])
    assert mixed.left_out == {"known from what is tested on": 2}
    texts = {q.text for q in read_rows(tmp_path / "mix.jsonl")}
    assert not texts & {"maths 3", "maths 4"} and len(texts) == 38


def test_distinct_rows(files: list[Path], tmp_path: Path) -> None:
    config = MixtureConfig(distinct=True, chain=False)
    mixed = mix([*files, files[0]], tmp_path / "mix.jsonl", config)
    assert mixed.left_out["repeats an earlier row"] >= 20
    texts = [q.text for q in read_rows(tmp_path / "mix.jsonl")]
    assert len(texts) == len(set(texts))
    assert "<payoff>" not in (tmp_path / "mix.jsonl").read_text(encoding="utf-8")


def test_published_files(shared: Path, tmp_path: Path) -> None:
    """The published sets mix, and a training set comes out that shares nothing with its test."""
    folder = shared / "data"
    names = ("ambig_qa-test", "abg_coqa-test", "math-hard-test")
    mixed = mix(
        [folder / f"{name}.parquet" for name in names],
        tmp_path / "mix.parquet",
        MixtureConfig(temperature=2, size=300),
        without=[folder / "minerva-test.parquet"],
    )
    assert sum(mixed.rows.values()) == 300
    read = list(read_rows(tmp_path / "mix.parquet"))
    assert {q.extra["split"] for q in read if q.task == "abg-coqa"} == {"ood"}
    originals = {q.text: q for name in names for q in read_rows(folder / f"{name}.parquet")}
    for question in read:
        assert question.cluster == originals[question.text].cluster
        assert question.ground_truth


def test_rows_with_a_problem_are_left_out(files: list[Path], tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong.jsonl", [row("maths 99", truth=" ")])
    mixed = mix([*files, wrong], tmp_path / "mix.jsonl")
    assert mixed.left_out == {"has a problem": 1}
    assert mixed.rows["math-hard"] == 30


def test_the_config() -> None:
    assert load(MixtureConfig, overrides=["weights.medium=2"]).weights == {"medium": 2}
    with pytest.raises(ConfigError, match="temperature"):
        load(MixtureConfig, overrides=["temperature=0"])
    with pytest.raises(ConfigError, match=r"weights\.medium"):
        load(MixtureConfig, overrides=["weights.medium=-1"])
    assert "threshold = 0.8" in dump(MixtureConfig())
