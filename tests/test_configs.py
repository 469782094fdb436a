"""Every configuration that is checked in can be loaded."""

import importlib
import re
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

import gtalign
from gtalign.config import Config, dump, find, load
from gtalign.data.sources import SOURCES
from gtalign.errors import ConfigError
from gtalign.evaluation.settings import EvalRun
from gtalign.gateway.settings import GatewayConfig
from gtalign.synthesis import ColdStartConfig
from gtalign.training.rl_run import RLRun
from gtalign.training.sft_run import SFTRun

ROOT = Path(__file__).parents[1]
CONFIGS = Path(gtalign.__file__).parent / "configs"
# The class that a folder's files configure.
CLASSES = {
    "converse": "gtalign.evaluation.dialogue:ConverseRun",
    "dpo": "gtalign.training.dpo_run:DPORun",
    "eval": "gtalign.evaluation.evaluate:EvalRun",
    "games": "gtalign.game.file:GameConfig",
    "gateway": "gtalign.gateway.settings:GatewayConfig",
    "judges": "gtalign.judges:JudgesConfig",
    "lab": "gtalign.lab.config:LabConfig",
    "policies": "gtalign.steering:Policy",
    "reward": "gtalign.reward:RewardConfig",
    "rl": "gtalign.training.rl_run:RLRun",
    "sft": "gtalign.training.sft_run:SFTRun",
    "synth": "gtalign.synthesis:ColdStartConfig",
}
# Keys of which one is needed.
EITHER = {"gateway": {"upstream", "models"}}
FILES = sorted(CONFIGS.rglob("*.toml"))


def config_class(folder: str) -> type[Config]:
    module, _, name = CLASSES[folder].partition(":")
    found: type[Config] = getattr(importlib.import_module(module), name)
    assert issubclass(found, Config)
    return found


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(CONFIGS)) for file in FILES])
def test_config_loads_and_comes_back(file: Path, tmp_path: Path) -> None:
    folder = file.relative_to(CONFIGS).parts[0]
    cls = config_class(folder)
    config = load(cls, file)
    copy = tmp_path / "copy.toml"
    copy.write_text(dump(config), encoding="utf-8")
    assert load(cls, copy) == config


@pytest.mark.parametrize("folder", sorted(CLASSES))
def test_the_defaults_load_or_name_what_is_missing(folder: str) -> None:
    cls = config_class(folder)
    needed = {name for name, field in cls.model_fields.items() if field.is_required()}
    needed |= EITHER.get(folder, set())
    if not needed:
        assert load(cls) == cls()
        return
    with pytest.raises(ConfigError) as refused:
        load(cls)
    assert all(name in str(refused.value) for name in needed)


def test_the_papers_commands_fit_together() -> None:
    text = (ROOT / "docs/how-to/reproduce.md").read_text(encoding="utf-8")
    built = re.search(r"^gtalign data build (.+) --to data$", text, re.MULTILINE)
    assert built is not None
    tests = {f"data/{name}-test.parquet" for name in built[1].split()}
    trained = [name for name in built[1].split() if not SOURCES[name].tested_only]
    assert len(trained) == 4
    evaluation = load(EvalRun, find("eval", "paper"))
    assert {str(file) for file in evaluation.questions} == tests
    sft = load(SFTRun, find("sft", "paper"))
    assert {str(file) for file in sft.held_out.questions} <= tests
    for command, cls in (("synth", ColdStartConfig), ("rl", RLRun)):
        config: Any = load(cls, find(command, "paper"))
        assert [str(file) for file in config.questions] == ["data/mix-train.parquet"]
        assert f"gtalign {command} --config paper --out" in text
    assert "gtalign data mix data/*-train.parquet --to data/mix-train.parquet" in text


def leaves(cls: type[Config], before: str = "") -> set[str]:
    """Names of all settings of a class, with those of its tables behind a dot."""
    found = set()
    for name, field in cls.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))  # alone, or None, or by name
        kind = next((k for k in kinds if isinstance(k, type) and issubclass(k, Config)), None)
        many = get_origin(field.annotation)
        if kind is not None and many is not tuple:
            found |= leaves(kind, f"{before}{name}.{'NAME.' if many is dict else ''}")
        else:
            found.add(before + name)
    return found


def test_every_setting_of_the_gateway_is_documented() -> None:
    text = (ROOT / "docs/reference/gateway-interface.md").read_text(encoding="utf-8")
    table = text.partition("\n## Settings\n")[2].partition("\n## ")[0]
    told: list[str] = []
    for cell in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", cell)
        section = first.rpartition(".")[0]
        told += [first, *(section + name if name[0] == "." else name for name in others)]
    assert sorted(told) == sorted(leaves(GatewayConfig))
