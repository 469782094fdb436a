"""The lab's loop on a pretrained model: a tiny one with a real chat template."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from chat_templates import shipped, tokenizer_with
from forked import COMMAND, run_forked
from gtalign.config import dump, load
from gtalign.lab import pretrained
from gtalign.lab.arms import COLD_START
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import needs, run_stage
from gtalign.lab.stages import FAITHFUL, STEERING, plan
from gtalign.lab.workshop import workshop
from gtalign.models.model import open_model
from gtalign.transcripts import read_transcripts
from scripts import run_script
from small_lab import small_model

# The trainer complains of its own habits.
pytestmark = [pytest.mark.early, pytest.mark.filterwarnings("default")]

TINY: dict[str, Any] = {
    "world": {"train_items": 1, "test_items": 1},
    "experiment": {
        "candidates": 2,
        "drills": 1,
        "test_batch": 7,
        "sft": {"batch": 4, "max_length": 500, "too_long": "cut", "save_steps": 2},
        "rl": {"steps": 2, "questions": 2, "group": 2, "max_completion": 8, "save_steps": 1},
    },
    "steering": {"questions": 0},
    "faithfulness": {"limit": 0},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network that has learned nothing, with the chat template of Qwen 3."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = tokenizer_with(shipped("qwen3"))
    network = small_model(tokenizer)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def settings(model: Path) -> LabConfig:
    return LabConfig.model_validate({**TINY, "model": {"pretrained": str(model)}})


@pytest.fixture(scope="module")
def whole(settings: LabConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed-0")
    for _, name in plan(settings):
        run_stage(name, 0, folder, workshop(settings), settings.experiment)
    return folder


def test_training_begins_with_the_model_and_not_from_scratch(settings: LabConfig) -> None:
    stages = plan(settings)
    assert [name for _, name in stages if name not in (COLD_START,)] == list(pretrained.ARMS)
    for arm in ("as-is", "zero-shot", "guided"):
        assert stages[0, arm] is None
    for arm in ("sft", "sft-plain"):
        assert needs(arm, pretrained=True) == COLD_START
    assert stages[0, "mutual"] == (0, "sft")
    assert stages[0, "plain"] == (0, "sft-plain")


def test_only_models_that_learned_chains_are_steered_and_edited(model: Path) -> None:
    given = {"arms": list(pretrained.ARMS), "model": {"pretrained": str(model)}}
    names = {name for _, name in plan(LabConfig.model_validate(given))}
    assert names - {COLD_START, *pretrained.ARMS} == {
        STEERING,
        *(FAITHFUL + arm for arm in ("sft", "mutual")),
    }


def test_every_arm_answers_every_question(whole: Path, settings: LabConfig) -> None:
    asked = [question.id for question in workshop(settings).test]
    for arm in pretrained.ARMS:
        transcripts = list(read_transcripts(whole / arm / "transcripts.jsonl"))
        assert [t.id for t in transcripts] == asked
        assert {t.plain for t in transcripts} == {arm in ("as-is", "sft-plain", "plain")}


def test_the_grammar_holds_what_the_instruction_alone_does_not(whole: Path) -> None:
    held, free = (
        [t.completion for t in read_transcripts(whole / arm / "transcripts.jsonl")]
        for arm in ("guided", "zero-shot")
    )
    opening = "<thinking>"
    assert all(opening.startswith(text.lstrip()[: len(opening)]) for text in held)
    assert not any(text.lstrip().startswith(opening) for text in free)


def test_training_changes_the_weights_of_the_model(whole: Path, model: Path) -> None:
    first = open_model(model).network.state_dict()
    for arm in ("sft", "mutual"):
        learned = open_model(whole / arm / "checkpoint").network.state_dict()
        assert learned.keys() == first.keys()
        assert any(not (learned[name] == first[name]).all() for name in first)


def test_chains_of_the_cold_start_are_in_english(whole: Path) -> None:
    lines = (whole / COLD_START / "chains.jsonl").read_text().splitlines()
    best = [json.loads(line)["best"][0] for line in lines]
    assert all("the question is" in text or "<payoff>" in text for text in best)


def test_its_defaults_give_way_to_what_is_said(model: Path) -> None:
    given = {
        "model": {"pretrained": str(model)},
        "world": {"test_items": 3},
        "experiment": {"sft": {"batch": 2, "hardware": {"accumulation": 1}}},
    }
    config = LabConfig.model_validate(given)
    assert config.world.language == "english"
    assert config.world.test_items == 3
    assert config.experiment.sft.batch == 2
    assert config.experiment.sft.matrix_learning_rate is None
    assert config.experiment.reward.latency_scale == 550.0


def test_the_configuration_of_a_run_repeats_it(settings: LabConfig, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(dump(settings))
    assert load(LabConfig, tmp_path / "config.toml") == settings


def test_all_arms_fit_a_pretrained_model() -> None:
    given = {"arms": list(pretrained.FULL), "model": {"pretrained": "m"}}
    assert LabConfig.model_validate(given).arms == pretrained.FULL
    assert set(pretrained.ARMS) < set(pretrained.FULL)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"arms": ["guided"]}, "from scratch"),
        ({"arms": ["sft", "as-is"]}, "from scratch"),
        ({"arms": ["base"], "model": {"pretrained": "m"}}, "no base"),
    ],
)
def test_an_arm_that_makes_no_sense_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LabConfig.model_validate(given)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    none = tmp_path / "none"
    done = run_forked(COMMAND, "lab", "--model", none, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert str(none) in done.stderr


SCRIPT = Path(__file__).parents[1] / "examples" / "checkpoint.py"


def test_a_checkpoint_is_made_of_a_model_by_name(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = tmp_path / "made"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(model), str(made)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert capsys.readouterr().out == f"{made}\n"
    first, again = open_model(model), open_model(made)
    assert again.chat.tokenizer.chat_template == first.chat.tokenizer.chat_template
    weights = again.network.state_dict()
    assert all((weights[k] == v).all() for k, v in first.network.state_dict().items())


def test_another_file_is_refused_without_waiting_for_torch(model: Path, tmp_path: Path) -> None:
    script = """
        import runpy, sys
        sys.argv.pop(0)
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        finally:
            print("torch" in sys.modules)
    """
    refused = run_script(script, SCRIPT, model, tmp_path / "made", "--sha256", "0" * 64)
    assert refused.returncode == 2
    assert "another file" in refused.stderr
    assert refused.stdout == "False\n"
    assert not (tmp_path / "made").exists()
