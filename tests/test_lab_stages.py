"""Which stages a run of the lab has, and how far it has come by the files that are there."""

import json
from pathlib import Path

import pytest

from gtalign.errors import ConfigError
from gtalign.lab.config import LabConfig
from gtalign.lab.stages import (
    FAITHFUL,
    REFERENCE,
    STEERING,
    RunProgress,
    folder_of,
    plan,
)
from gtalign.steering import SteeringSettings
from small_lab import SETTINGS

LAB = LabConfig.model_validate({**SETTINGS, "seeds": [3, 4]})
TRAIN, TEST = 8, 14


def progress(out: Path) -> RunProgress:
    return RunProgress(LAB, out, TRAIN, TEST)


def test_every_stage_comes_after_the_one_that_it_needs() -> None:
    stages = plan(LAB)
    places = {stage: place for place, stage in enumerate(stages)}
    for stage, need in stages.items():
        assert need is None or (need[0] == stage[0] and places[need] < places[stage])
    assert {name for seed, name in stages if seed == 3} == {name for _, name in stages}
    assert stages[4, STEERING] == (4, REFERENCE)


@pytest.mark.parametrize(
    "change", [{"steering": {"questions": 0}}, {"arms": ["base", "sft"]}], ids=["none", "no model"]
)
def test_nothing_is_steered_without_questions_or_without_the_reference(
    change: dict[str, object],
) -> None:
    stages = plan(LabConfig.model_validate({**SETTINGS, **change}))
    assert not any(name == STEERING for _, name in stages)


def test_enforced_analyses_begin_as_the_teachers_of_the_world_write_them() -> None:
    plain, worked = (
        LabConfig.model_validate({**SETTINGS, "world": {"worked_out": flag}})
        for flag in (False, True)
    )
    assert plain.steering.settings_of("enforce").opening == SteeringSettings().opening
    begun = worked.steering.settings_of("enforce").opening
    assert begun == "{{sums}} choose {{cell}}."
    own = {"world": {"worked_out": True}, "steering": {"opening": "choose {{cell}}."}}
    assert LabConfig.model_validate(own).steering.opening == "choose {{cell}}."


def test_the_matrices_of_each_trained_model_that_writes_chains_are_edited() -> None:
    edited = {name: need for (seed, name), need in plan(LAB).items() if name.startswith(FAITHFUL)}
    assert {name.removeprefix(FAITHFUL) for name in edited} == {"sft", "mutual"}
    assert edited[FAITHFUL + "sft"] == (4, "sft")
    none = LabConfig.model_validate({**SETTINGS, "faithfulness": {"limit": 0}})
    assert not any(name.startswith(FAITHFUL) for _, name in plan(none))


def test_what_stages_have_written_moves_the_run_on(tmp_path: Path) -> None:
    run = progress(tmp_path)
    assert run.share() == 0.0
    mutual = folder_of(tmp_path, (3, REFERENCE))
    mutual.mkdir(parents=True)
    steps = LAB.experiment.rl.steps
    (mutual / "metrics.jsonl").write_text(json.dumps({"step": steps, "loss": 0.0}) + "\n")
    trained = run.share()
    (mutual / "transcripts.jsonl").write_text("{}\n" * (TEST // 2))
    tested = run.share()
    (mutual / "done").touch()
    assert 0 < trained < tested < run.share() < 1


def test_a_run_is_done_when_all_its_stages_are(tmp_path: Path) -> None:
    for stage in plan(LAB):
        folder = folder_of(tmp_path, stage)
        folder.mkdir(parents=True)
        (folder / "done").touch()
    assert progress(tmp_path).share() == pytest.approx(1.0)


def test_an_unknown_policy_is_told_before_anything_runs(tmp_path: Path) -> None:
    settings = LabConfig.model_validate({**SETTINGS, "steering": {"policies": ["fre"]}})
    with pytest.raises(ConfigError, match="did you mean 'free'"):
        RunProgress(settings, tmp_path, TRAIN, TEST)
    assert list(tmp_path.iterdir()) == []
