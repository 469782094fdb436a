"""The report of a run of arms: who is compared with whom, and what the page says of the run."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation_samples import transcript
from gtalign.lab.config import LabConfig
from gtalign.lab.report import LabReport, report
from gtalign.lab.stages import folder_of
from small_lab import SETTINGS


def wrote(out: Path, arms: list[str], steps: tuple[int, ...] = ()) -> LabConfig:
    """The files of a run in which W grows with the place of the arm, and its settings."""
    for place, arm in enumerate(arms):
        folder = folder_of(out, (0, arm))
        for at in (folder, *(folder / f"after-{n}-steps" for n in steps)):
            at.mkdir(parents=True)
            (at / "metrics.jsonl").write_text(json.dumps({"step": 3, "loss": 0.5}) + "\n")
        rows = [
            transcript(id=f"q{n}", cluster=f"c{n}", model=arm, mutual_welfare=place / 10 + n / 100)
            for n in range(3)
        ]
        text = "".join(json.dumps(row.to_json()) + "\n" for row in rows)
        (folder / "transcripts.jsonl").write_text(text, encoding="utf-8")
    return LabConfig.model_validate({**SETTINGS, "arms": arms, "seeds": [0]})


def reported(out: Path, settings: LabConfig) -> LabReport:
    return report(settings, out, "gtalign lab --full", 90.0)


@pytest.mark.parametrize(
    ("arms", "reference"),
    [(["base", "mutual", "plain"], "mutual"), (["base", "sft"], "sft"), (["base"], "base")],
)
def test_mutual_is_compared_with_the_others_or_else_the_last_arm(
    arms: list[str], reference: str, tmp_path: Path
) -> None:
    found = reported(tmp_path, wrote(tmp_path, arms))
    assert found.comparison.reference == reference
    assert list(found.comparison.baselines) == [arm for arm in arms if arm != reference]
    assert (found.trial, found.faithfulness, found.policies) == (None, [], None)
    page = found.file.read_text(encoding="utf-8")
    assert found.file == tmp_path / "report.html"
    assert "gtalign lab --full" in page and "1.5 minutes" in page
    assert "rounds with a schedule of their own" not in page


def test_the_page_names_the_rounds_of_training(tmp_path: Path) -> None:
    found = reported(tmp_path, wrote(tmp_path, ["base", "mutual"], steps=(1, 2)))
    page = found.file.read_text(encoding="utf-8")
    assert "rounds with a schedule of their own, to 1, 2, 3 steps" in page


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({}, "gtalign lab"),
        ({"model": {"pretrained": "/models/SmolLM2"}}, "gtalign lab: SmolLM2"),
        ({"data": "/data"}, "gtalign lab on published questions"),
    ],
)
def test_the_title_says_what_was_trained_on_what(
    change: dict[str, Any], title: str, tmp_path: Path
) -> None:
    settings = wrote(tmp_path, ["sft", "mutual"])
    given = {"arms": settings.arms, "seeds": [0], **change}
    found = reported(tmp_path, LabConfig.model_validate(given))
    assert f"<title>{title}</title>" in found.file.read_text(encoding="utf-8")
