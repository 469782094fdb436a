"""What verl's own Hydra, schema and checks say of translated runs."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gtalign.config import find, load
from gtalign.data.samples import SAMPLES
from gtalign.errors import ConfigError
from gtalign.integrations.verl import launch
from gtalign.integrations.verl.composed import checked, compose
from gtalign.integrations.verl.keys import overrides, verl_keys
from gtalign.integrations.verl.launch import ready
from gtalign.training.rl_run import RLRun

SAMPLE = Path(launch.__file__).parents[2] / "data" / "samples" / "questions.jsonl"


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert SAMPLE.name in SAMPLES
    file = tmp_path_factory.mktemp("data") / "questions.jsonl"
    file.write_text(SAMPLE.read_text(encoding="utf-8") * 43, encoding="utf-8")
    return file


def shipped(name: str, questions: Path, checkpoint: Path, *changes: str) -> RLRun:
    given = [f'questions=["{questions}"]', f'model="{checkpoint}"', *changes]
    return load(RLRun, find("rl", name), given)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("verl-one-gpu", ()),
        ("verl-published", ()),
        ("verl-cluster", ()),
        ("verl-cluster", ("verl.algorithm=gdpo", "rl.beta=0.01")),
        ("verl-cluster", ("verl.rollout=sglang", f'verl.validation=["{SAMPLE}"]')),
    ],
)
def test_verl_accepts_a_translated_run(
    name: str, changes: tuple[str, ...], questions: Path, checkpoint: Path, tmp_path: Path
) -> None:
    found = ready(shipped(name, questions, checkpoint, *changes), tmp_path / "a run, here")
    assert found.plan["checked"] == "by verl 0.9.1"
    config = compose(found.command[3:])
    assert config.trainer.default_local_dir == str(tmp_path / "a run, here" / "checkpoints")
    assert config.reward.reward_manager.name == "gtalign"


def test_a_key_that_verl_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="no_such_key"):
        compose(["trainer.no_such_key=1"])


@pytest.mark.parametrize(
    "change",
    [
        "actor_rollout_ref.rollout.mode=sync",
        "actor_rollout_ref.rollout.pipeline_model_parallel_size=2",
        "actor_rollout_ref.actor.loss_agg_mode=median",
        "actor_rollout_ref.rollout.tensor_model_parallel_size=several",
        "actor_rollout_ref.actor.optim.lr=small",
        "algorithm.gamma=one",
    ],
)
def test_a_value_that_verl_refuses_is_refused(
    change: str, questions: Path, checkpoint: Path, tmp_path: Path
) -> None:
    run = shipped("verl-published", questions, checkpoint)
    with pytest.raises(ConfigError, match="verl refuses"):
        checked([*overrides(verl_keys(run, tmp_path, 516)), change])


@pytest.mark.parametrize(
    "value",
    ["it's", "a, b", "{x}", "[", "back\\slash", "ends\\", "\\'", "${x}", "a=b", "é", " ", "null"],
)
def test_a_text_comes_back_as_it_was(value: Any) -> None:
    (parsed,) = OverridesParser.create().parse_overrides(overrides({"key": value}))
    read = parsed.value()
    assert str(read).replace("\\${", "${") == value
