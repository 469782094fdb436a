"""The settings of a run of the lab from its options, and the kind of run that they ask for."""

from pathlib import Path

import pytest

from gtalign.evaluation.paper import Report
from gtalign.lab import pretrained
from gtalign.lab.arms import FULL
from gtalign.lab.program import OwnReport, load_lab, run_lab


def test_all_arms_run_two_at_a_time_on_a_core_each() -> None:
    lab = load_lab(None, full=True, seeds=["0", "2"])
    assert (lab.arms, lab.workers, lab.threads, lab.seeds) == (FULL, 2, 1, (0, 2))
    assert load_lab(None, full=True, model="some/model").arms == pretrained.FULL
    assert load_lab(None, ["workers=3"], full=True).workers == 3


def test_published_questions_have_more_words(tmp_path: Path) -> None:
    lab = load_lab(None, data=tmp_path)
    assert lab.data == tmp_path
    assert lab.model.vocabulary > load_lab(None).model.vocabulary


def test_the_settings_choose_the_kind_of_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = Report("name", "title", (), ())
    monkeypatch.setattr("gtalign.lab.desk.run.run_turns", lambda *_: report)
    monkeypatch.setattr("gtalign.lab.dial.run_dial", lambda *_: report)
    monkeypatch.setattr("gtalign.lab.program.run", lambda *_: None)
    turns = load_lab(None, ["turns.plays=2"])
    dial = load_lab(None, ['dial=[{conflict=0.5, arms=["base"]}]'])
    found = [run_lab(lab, tmp_path, "", lambda *_: None) for lab in (turns, dial, load_lab(None))]
    assert found == [
        OwnReport(tmp_path / "turns.html", report),
        OwnReport(tmp_path / "conflict.html", report),
        None,
    ]
