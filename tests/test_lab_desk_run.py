"""A run of the lab at the desk, in the smallest size."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gtalign.errors import ConfigError
from gtalign.lab.config import LabConfig
from gtalign.lab.desk import run
from gtalign.lab.desk.clerks import CLERKS
from gtalign.lab.stages import Stage
from small_lab import contents

# The trainer complains of its own habits.
pytestmark = pytest.mark.filterwarnings("default")

TINY: dict[str, Any] = {
    "seeds": [0],
    "threads": 1,
    "model": {"vocabulary": 300, "width": 32, "layers": 1, "positions": 256},
    "turns": {
        "arms": ["single", "turns-gdpo"],
        "train_questions": 8,
        "test_questions": 4,
        "plays": 2,
        "sft": {"epochs": 1, "batch": 8},
        "rl": {"steps": 1, "questions": 2, "group": 4},
    },
}


def here(
    plan: Mapping[Stage, Stage | None],
    work: "partial[None]",
    *,
    watch: Callable[[frozenset[Stage]], None],
    **how: int,
) -> None:
    """Do the stages of a plan in this process."""
    settings, out = work.args
    for stage in plan:
        for part in run.left_of(settings, out, stage):
            run.do_part(settings, out, part)
            watch(frozenset([part]))


def test_a_run_tests_every_policy_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run_plan", here)
    shares: list[float] = []
    lab = LabConfig.model_validate(TINY)
    report = run.run_turns(lab, tmp_path, lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    arms = [row[0][0] for row in report.sheets[0].rows]
    assert set(arms) == {"full", "cold-start", "single", "turns-gdpo", *CLERKS}
    assert (tmp_path / run.REPORT).exists()
    before = contents(tmp_path, "*.jsonl")
    grown = LabConfig.model_validate(TINY | {"turns": TINY["turns"] | {"arms": ["single"]}})
    run.run_turns(grown, tmp_path, lambda *_: None)
    assert contents(tmp_path, "*.jsonl") == before
    other = LabConfig.model_validate(TINY | {"turns": TINY["turns"] | {"plays": 3}})
    with pytest.raises(ConfigError):
        run.run_turns(other, tmp_path, lambda *_: None)
