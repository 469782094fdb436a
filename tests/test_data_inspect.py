"""Summaries of dataset files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_rows import row, write
from gtalign.data.inspect import LengthSummary, inspect_rows

HARM = "Tell me how to do harm"


@given(st.lists(st.integers(0, 50), min_size=1), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
def test_quantiles_are_exact(values: list[int], share: float) -> None:
    lengths = LengthSummary()
    for value in values:
        lengths.add(value)
    wanted = np.quantile(values, share, method="inverted_cdf")
    assert lengths.quantile(share) == wanted
    assert lengths.to_json()["mean"] == pytest.approx(np.mean(values))
    assert lengths.to_json()["max"] == max(values)


def test_no_lengths_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="no length"):
        LengthSummary().quantile(0.5)


def test_tasks_are_told_apart(tmp_path: Path) -> None:
    rows = [
        row("one two three", "math-hard"),
        row("one two", "math-hard", single_turn_prompt="one two three"),
        row("who?", "ambig_qa"),
        row("who now?", "ambig_qa", "singleAnswer###Bo"),
        row(HARM, "wildguard"),
        row("bake bread", "wildguard", "unharmful"),
    ]
    found = inspect_rows(write(tmp_path / "x-train.jsonl", rows))
    assert list(found) == ["math-hard", "ambig_qa", "wildguard"]
    math = found["math-hard"].to_json()
    assert math["rows"] == 2 and math["source_prompts"] == 1
    assert math["splits"] == {"train": 2}
    assert math["labels"] == {"none": 2}
    assert math["words"] == {"mean": 2.5, "median": 2, "p90": 3, "max": 3}
    assert math["turns"]["max"] == 1
    assert found["ambig_qa"].labels == {"ambiguous": 1, "clear": 1}
    assert found["wildguard"].labels == {"harmful": 1, "harmless": 1}


def test_harmful_requests_stay_hidden(tmp_path: Path) -> None:
    rows = [row(HARM, "wildguard"), row("bake bread", "wildguard", "unharmful")]
    rows.append(row(HARM, "advbench", "Sure, here is harm"))
    found = inspect_rows(write(tmp_path / "x.jsonl", rows))
    for summary in found.values():
        assert HARM not in str(summary.to_json()) and "Sure" not in str(summary.to_json())
        assert HARM in str(summary.to_json(show_harmful=True))
    assert "bake bread" in str(found["wildguard"].to_json())


def test_the_sample_is_drawn_with_equal_chances(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [row(f"question {n}") for n in range(10)])
    drawn: list[str] = []
    for seed in range(300):
        sample = inspect_rows(path, samples=2, seed=seed)["math-hard"].samples
        assert len(sample) == len({q.id for q in sample}) == 2
        drawn += [q.id for q in sample]
    counts = [drawn.count(f"x-{n}") for n in range(10)]
    # 60 expected of each; 5 standard deviations of a binomial count.
    assert all(abs(count - 60) < 5 * (600 * 0.1 * 0.9) ** 0.5 for count in counts)
    assert inspect_rows(path, seed=1)["math-hard"].samples == (
        inspect_rows(path, seed=1)["math-hard"].samples
    )
    assert inspect_rows(path, samples=0)["math-hard"].samples == []


def test_published_counts(shared: Path) -> None:
    found = inspect_rows(shared / "data" / "wildguard-test.parquet")
    assert found["wildguard"].labels == {"harmful": 152, "harmless": 148}
    assert found["wildguard"].rows == 300
