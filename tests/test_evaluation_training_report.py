"""The report of a training run: what is said first, curves, answers, settings."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation_samples import transcript
from gtalign.config import Config
from gtalign.errors import StorageError
from gtalign.evaluation.training_report import report_training
from gtalign.transcripts import TranscriptWriter
from gtalign.transcripts.learned import learned


class Run(Config):
    model: str = "student <b>"
    steps: int = 8


def write_run(out: Path, welfare: list[float | None], **keys: Any) -> None:
    """Write a run of two completions a step."""
    out.mkdir()
    with (out / "metrics.jsonl").open("w", encoding="utf-8") as file:
        for step, value in enumerate(welfare):
            row = {"step": step + 1, "loss": 0.1, "reward": value, "welfare/mutual_welfare": value}
            file.write(json.dumps(row) + "\n")
    with TranscriptWriter(out / "transcripts.jsonl", keep_ids=False) as writer:
        for step, value in enumerate(welfare):
            for half in (0.5, 1.5):
                known = None if value is None else value * half
                unscored = "the judge was down" if value is None else None
                found = replace(transcript(), mutual_welfare=known, unscored=unscored, **keys)
                extra = {**found.extra, "step": step, "reward": known}
                writer.write(replace(found, extra=extra))


def report(out: Path, found: bool = True) -> str:
    scores = learned(out / "transcripts.jsonl") if found else None
    return report_training(
        out, Run(), title="gtalign rl: student", command="gtalign rl", found=scores
    ).read_text(encoding="utf-8")


def test_a_run_that_learns(tmp_path: Path) -> None:
    out = tmp_path / "run"
    write_run(out, [0.2, 0.2, 0.3, 0.4, 0.4, 0.5, 0.6, 0.6])
    text = report(out)
    assert (
        "Mutual welfare W was 0.200 in the first quarter of the completions and 0.600 in the last:"
        " +0.400." in text
    )
    assert "Of 16 completions 0 are malformed and 0 have no score." in text
    for name in ("Gains", "Learning", "Answers", "How this was run"):
        assert f"<h2>{name}</h2>" in text
    assert "Fewer than 6 questions" in text  # they all answer one
    assert text.count('class="talk"') == 2  # the two of the last step
    assert text.index("highest W") < text.index("lowest W")
    assert "in the middle" not in text
    assert "student &lt;b&gt;" in text  # the settings


def test_a_run_that_learns_nothing_says_so_first(tmp_path: Path) -> None:
    out = tmp_path / "run"
    write_run(out, [None] * 8)
    text = report(out)
    assert text.index("Nothing learned.") < text.index("Of 16 completions")
    assert "16 have no score" in text


def test_supervised_training_has_its_loss_and_the_held_out_answers(tmp_path: Path) -> None:
    metrics = [{"step": step, "loss": 2.0 / step} for step in (1, 2, 4)]
    held_out = [{"step": step, "welfare/mutual_welfare": step / 10} for step in (2, 4)]
    for name, rows in (("metrics.jsonl", metrics), ("held_out.jsonl", held_out)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = report(tmp_path, found=False)
    assert "The loss was 2.000 at first and 0.500 at last." in text
    assert "On held-out questions W is 0.200 at step 2 and 0.400 at step 4." in text
    assert "Loss of supervised training" in text
    assert "held out" in text


def test_harmful_requests_are_not_quoted(tmp_path: Path) -> None:
    out = tmp_path / "run"
    write_run(out, [0.2, 0.4], task="wildguard")
    assert 'class="talk"' not in report(out)


def test_a_run_without_metrics(tmp_path: Path) -> None:
    assert "no metrics yet" in report(tmp_path, found=False)
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    with pytest.raises(StorageError):
        report(tmp_path, found=False)
