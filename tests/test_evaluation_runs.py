"""Several files of transcripts side by side: whose answers are whose, and what is compared."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation_samples import transcript
from gtalign.errors import DataError, StorageError
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.runs import compare_runs
from gtalign.transcripts import Transcript


def answers(model: str, welfare: float = 0.7, count: int = 3, **changes: Any) -> list[Transcript]:
    given: dict[str, Any] = {"model": model, "mutual_welfare": welfare, **changes}
    return [transcript(id=f"q{n}", cluster=f"c{n}", **given) for n in range(count)]


def write(path: Path, rows: list[Transcript]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(t.to_json()) + "\n" for t in rows), encoding="utf-8")
    return path


def compared(*files: Path, **options: Any) -> Comparison:
    return compare_runs(files, resamples=50, **options)


def test_the_reference_is_the_named_model_else_the_method_else_the_last(tmp_path: Path) -> None:
    sft, mutual, late = (
        write(tmp_path / f"{name}.jsonl", answers(name)) for name in ("sft", "mutual", "late")
    )
    assert compared(sft, mutual, late).reference == "mutual"
    assert compared(sft, late).reference == "late"
    assert compared(sft, mutual, reference="sft").reference == "sft"


def test_baselines_are_all_the_others_or_those_that_are_named(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.jsonl", answers(name)) for name in ("a", "b", "mutual")]
    assert compared(*files).baselines == ("a", "b")
    assert compared(*files, baselines=["b"]).baselines == ("b",)


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", answers("a"))
    found = compared(file, file)
    assert found.models == ("a",)
    (group,) = [group for group in found.groups if group.task is not None]
    estimate = found.estimate("a", group.name, "mutual_welfare")
    assert estimate is not None and estimate.rows == 3


def test_answers_without_a_model_get_the_name_of_their_file(tmp_path: Path) -> None:
    mixed = [*answers("", count=2), *answers("known", count=2)]
    assert set(compared(write(tmp_path / "dump.jsonl", mixed)).models) == {"dump", "known"}


def test_two_runs_of_one_model_get_two_names_and_other_models_keep_theirs(tmp_path: Path) -> None:
    first = write(tmp_path / "one" / "t.jsonl", [*answers("m", 0.2), *answers("other")])
    second = write(tmp_path / "two" / "t.jsonl", answers("m", 0.6))
    found = compared(first, second, reference="m (two)", baselines=["m (one)"])
    assert set(found.models) >= {"m (one)", "m (two)"}
    (group,) = [group for group in found.groups if group.task is not None]
    difference = found.difference("m (one)", group.name, "mutual_welfare")
    assert difference is not None and difference.contrast.value == pytest.approx(0.4)


@pytest.mark.parametrize(
    "apart", [{"seed": 1}, {"task": "dialogue"}, {"id": "q-other"}], ids=lambda change: str(change)
)
def test_a_model_whose_files_share_no_question_is_one(
    tmp_path: Path, apart: dict[str, Any]
) -> None:
    first = write(tmp_path / "one" / "t.jsonl", answers("m", count=1))
    rows = [replace(row, **apart) for row in answers("m", count=1)]
    second = write(tmp_path / "two" / "t.jsonl", rows)
    assert compared(first, second).models == ("m",)


def test_the_same_seed_of_the_bootstrap_gives_the_same_intervals(tmp_path: Path) -> None:
    rows = [replace(row, mutual_welfare=0.01 * n) for n, row in enumerate(answers("a", count=20))]
    other = [replace(t, model="b", mutual_welfare=0.01 * n**1.5) for n, t in enumerate(rows)]
    files = write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", other)
    one, same = (json.dumps(compared(*files, seed=3).to_json()) for _ in range(2))
    assert one == same
    assert one != json.dumps(compared(*files, seed=4).to_json())


def test_curves_beside_a_file_of_one_run_are_drawn(tmp_path: Path) -> None:
    loss = "".join(json.dumps({"step": n, "loss": 2.0 - n / 9}) + "\n" for n in range(9))
    one = write(tmp_path / "one" / "t.jsonl", answers("one"))
    one.with_name("metrics.jsonl").write_text(loss)
    page = tmp_path / "one.html"
    compared(one, html=page)
    assert "Loss of supervised training" in page.read_text(encoding="utf-8")
    # Of two models in one file, nobody knows whose training it was.
    both = write(tmp_path / "both" / "t.jsonl", [*answers("one"), *answers("two")])
    both.with_name("metrics.jsonl").write_text(loss)
    compared(both, html=page)
    assert "Loss of supervised training" not in page.read_text(encoding="utf-8")


def test_the_page_says_what_it_was_made_from(tmp_path: Path) -> None:
    file, page = write(tmp_path / "a.jsonl", answers("a")), tmp_path / "pages" / "r.html"
    compare_runs([file], html=page, seed=7, resamples=1200)
    text = page.read_text(encoding="utf-8")
    assert str(file) in text
    assert "1,200 resamples, seed 7" in text
    assert "<title>a and its baselines</title>" in text


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    empty, file = tmp_path / "empty.jsonl", write(tmp_path / "a.jsonl", answers("a"))
    empty.touch()
    with pytest.raises(DataError, match=r"empty\.jsonl: no transcripts"):
        compared(empty)
    with pytest.raises(DataError, match="nobody"):
        compared(file, reference="nobody")
    with pytest.raises(DataError, match="nobody"):
        compared(file, baselines=["nobody"])
    with pytest.raises(StorageError, match=r"a\.jsonl"):
        compared(file, html=file / "page.html")
