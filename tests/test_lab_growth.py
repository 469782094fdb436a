"""A run that is asked for more than before: what goes on, what is refused, and what is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gtalign.config import dump
from gtalign.errors import ConfigError
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import done, run_stage
from gtalign.lab.growth import grow, identity
from gtalign.lab.rounds import read_curve, rounds
from gtalign.lab.stages import folder_of, plan
from gtalign.lab.workshop import workshop
from gtalign.models.model import open_model
from gtalign.transcripts import read_transcripts
from small_lab import SETTINGS

# The trainer complains of its own habits.
pytestmark = [pytest.mark.early, pytest.mark.filterwarnings("default")]

TINY = {**SETTINGS, "arms": ["base", "sft", "mutual"]}
LAB = LabConfig.model_validate(TINY)


def more(**changes: Any) -> LabConfig:
    """The same settings but for some, which are named as in ``experiment__rl__steps``."""
    facts = LAB.model_dump(mode="json", exclude_none=True)
    for name, value in changes.items():
        *path, key = name.split("__")
        table = facts
        for part in path:
            table = table[part]
        table[key] = value
    return LabConfig.model_validate(facts)


def ended(out: Path, settings: LabConfig = LAB) -> None:
    """Files as an ended run leaves them, without their contents."""
    (out / "config.toml").write_text(dump(settings))
    for stage in plan(settings):
        folder = folder_of(out, stage)
        (folder / "checkpoint").mkdir(parents=True)
        (folder / "transcripts.jsonl").write_text(f'{{"id": "{stage[1]}"}}\n')
        (folder / "metrics.jsonl").write_text('{"step": 3, "loss": 0.5}\n')
        (folder / "done").touch()


def unfinished(out: Path) -> set[str]:
    return {name for seed, name in plan(LAB) if not done(folder_of(out, (seed, name)))}


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, set()),
        ({"seeds": [0, 7]}, set()),
        ({"arms": ["base", "sft", "mutual", "user"]}, set()),
        ({"steering__questions": 9}, {"steering"}),
        ({"faithfulness__limit": 9}, {"faithful-sft", "faithful-mutual"}),
        (
            {"experiment__rl__steps": 5},
            {"mutual", "steering", "faithful-mutual", "policies-mutual"},
        ),
        (
            {"world__test_items": 2},
            {"base", "sft", "mutual", "steering"}
            | {f"{stage}-{arm}" for stage in ("faithful", "policies") for arm in ("sft", "mutual")},
        ),
    ],
    ids=["nothing", "seeds", "arms", "steered", "edited", "steps", "tested"],
)
def test_only_what_lacks_something_goes_on(
    changes: dict[str, Any], again: set[str], tmp_path: Path
) -> None:
    ended(tmp_path)
    settings = more(**changes)
    assert identity(settings) == identity(LAB)
    grow(settings, tmp_path)
    assert unfinished(tmp_path) == again
    grow(settings, tmp_path)  # stopped before the configuration was written
    assert unfinished(tmp_path) == again


@pytest.mark.parametrize(
    "changes",
    [
        {"world__seed": 1},
        {"world__train_items": 2},
        {"experiment__rl__learning_rate": 1.0},
        {"experiment__candidates": 4},
        {"threads": 2},
    ],
    ids=str,
)
def test_other_changes_make_another_run_and_touch_nothing(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    ended(tmp_path)
    settings = more(**changes)
    assert identity(settings) != identity(LAB)
    grow(settings, tmp_path)
    assert unfinished(tmp_path) == set()


@pytest.mark.parametrize(
    "name", ["experiment__rl__steps", "steering__questions", "faithfulness__limit"]
)
def test_a_run_does_not_shrink(name: str, tmp_path: Path) -> None:
    ended(tmp_path)
    with pytest.raises(ConfigError, match="not for less"):
        grow(more(**{name: 1}), tmp_path)
    assert unfinished(tmp_path) == set()


def test_what_was_measured_before_is_kept(tmp_path: Path) -> None:
    ended(tmp_path)
    grow(more(experiment__rl__steps=5), tmp_path)
    for name in ("mutual", "steering", "faithful-mutual"):
        folder = folder_of(tmp_path, (0, name))
        assert [path.name for path in folder.iterdir()] == ["after-3-steps"]
        assert (folder / "after-3-steps" / "transcripts.jsonl").read_text().count(name) == 1
    assert rounds(folder_of(tmp_path, (0, "mutual"))).keys() == {3}
    assert rounds(folder_of(tmp_path, (0, "sft"))) == {}


def test_an_arm_that_is_being_trained_is_not_interrupted(tmp_path: Path) -> None:
    ended(tmp_path)
    (folder_of(tmp_path, (0, "mutual")) / "done").unlink()
    with pytest.raises(ConfigError, match="let it end with 3 steps"):
        grow(more(experiment__rl__steps=5), tmp_path)
    assert rounds(folder_of(tmp_path, (0, "mutual"))) == {}


def test_a_curve_counts_steps_over_all_rounds(tmp_path: Path) -> None:
    for name, losses in (("after-10-steps", [4, 3]), ("after-2-steps", [6, 5]), (".", [2])):
        (tmp_path / name).mkdir(exist_ok=True)
        lines = [json.dumps({"step": n + 1, "loss": loss}) for n, loss in enumerate(losses)]
        (tmp_path / name / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "after-some-steps").mkdir()
    assert list(rounds(tmp_path)) == [2, 10]
    curve = read_curve(tmp_path)
    assert [line["step"] for line in curve] == [1, 2, 3, 4, 11]
    assert [line["loss"] for line in curve] == [6, 5, 4, 3, 2]


def test_further_steps_begin_with_the_trained_weights(tmp_path: Path) -> None:
    folder = tmp_path / "seed-0"
    for name in ("cold-start", "base", "sft", "mutual"):
        run_stage(name, 0, folder, workshop(LAB), LAB.experiment)
    (tmp_path / "config.toml").write_text(dump(LAB))
    settings = more(experiment__rl__steps=4, world__test_items=2)
    grow(settings, tmp_path)
    before = folder / "mutual" / "after-3-steps" / "checkpoint"
    marked = open_model(before)
    with torch.no_grad():
        marked.network.lm_head.weight += 0.5
    marked.network.save_pretrained(before)
    for name in ("sft", "mutual"):
        run_stage(name, 0, folder, workshop(settings), settings.experiment)
    assert [line["step"] for line in read_curve(folder / "mutual")] == [1, 2, 3, 4]
    asked = {question.id for question in workshop(settings).test}
    for name in ("sft", "mutual"):
        assert {t.id for t in read_transcripts(folder / name / "transcripts.jsonl")} == asked
    # So small a model has learned nothing in a step: what was marked is what it began with.
    learned = open_model(folder / "mutual" / "checkpoint").network.lm_head.weight
    assert torch.equal(marked.network.lm_head.weight, learned)
