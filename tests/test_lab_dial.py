"""A run of the lab at several degrees of conflict, in the smallest size."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gtalign.config import dump, load
from gtalign.errors import ConfigError
from gtalign.lab import run
from gtalign.lab.arms import ARMS
from gtalign.lab.config import LabConfig
from gtalign.lab.dial import REPORT, at, run_dial
from gtalign.lab.experiment import run_stage
from gtalign.lab.stages import Stage, folder_of
from gtalign.lab.workshop import workshop
from gtalign.transcripts import read_transcripts
from small_lab import SETTINGS, contents

# The trainer complains of its own habits.
pytestmark = pytest.mark.filterwarnings("default")

TINY: dict[str, Any] = {
    **SETTINGS,
    "world": {"train_items": 1, "test_items": 1, "valid_items": 1, "ood": False},
    "experiment": {
        **SETTINGS["experiment"],
        "objective": {"preset": "episode"},
        "test_samples": 2,
        "counterfactual": 0.0,
        "drills": 0,
    },
    "dial": [
        {"conflict": 0.0, "arms": ["sft-plain"]},
        {"conflict": 0.9, "arms": ["sft-plain", "plain"]},
    ],
    "steering": {"questions": 0},
    "faithfulness": {"limit": 0},
}


def test_the_configuration_runs_all_arms_at_five_degrees() -> None:
    lab = load(LabConfig, Path(__file__).parents[1] / "src/gtalign/configs/lab/conflict.toml")
    assert [dial.conflict for dial in lab.dial] == [0.0, 0.5, 0.75, 0.9, 1.0]
    arms = {arm for dial in lab.dial for arm in dial.arms}
    untrained = {"as-is", "zero-shot", "guided", "rule-published", "rule-bayes"}
    assert set(ARMS) - arms == untrained | {"base", "dpo"}
    for dial in lab.dial:
        one = at(lab, dial)
        assert (one.world.conflict, one.arms, one.dial) == (dial.conflict, dial.arms, ())
        assert LabConfig.model_validate(one.model_dump()) == one


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"dial": [TINY["dial"][0]] * 2}, "same conflict"),
        ({"experiment": SETTINGS["experiment"]}, "objective"),
    ],
)
def test_a_dial_that_cannot_be_run_is_refused(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        run_dial(LabConfig.model_validate(TINY | change), tmp_path, lambda *_: None)
    assert not list(tmp_path.iterdir())


def here(
    plan: Mapping[Stage, Stage | None],
    work: "partial[None]",
    *,
    watch: Callable[[frozenset[Stage]], None],
    **how: int,
) -> None:
    """Do the stages of a plan in this process."""
    settings, out = work.args
    for seed, name in plan:
        folder = folder_of(out, (seed, name)).parent
        run_stage(name, seed, folder, workshop(settings), settings.experiment)
        watch(frozenset([(seed, name)]))


def test_a_run_writes_its_degrees_and_one_report_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run_plan", here)
    lab = LabConfig.model_validate(TINY)
    shares: list[float] = []

    def watch(running: frozenset[Any], share: float) -> None:
        shares.append(share)

    report = run_dial(lab, tmp_path, watch)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert "conflict 0.9" in " ".join(sheet.title for sheet in report.sheets)
    assert (tmp_path / REPORT).exists()
    own = tmp_path / "conflict-0.9" / "seed-0" / "plain"
    answers = list(read_transcripts(own / "transcripts.jsonl"))
    assert len(answers) == 2 * 8
    assert len({t.id for t in answers}) == len(answers)
    assert len(list(read_transcripts(own / "validation.jsonl"))) == 8
    details = answers[0].verdicts[0].details
    assert {"episode_user", "episode_llm", "on_frontier"} <= set(details)
    assert "asks" in answers[0].prompt[-1]["content"]
    before = contents(tmp_path, "*.jsonl")
    run_dial(lab, tmp_path, lambda *_: None)
    assert contents(tmp_path, "*.jsonl") == before
    assert load(LabConfig, tmp_path / "config.toml") == lab
    assert "[[dial]]" in dump(lab)
