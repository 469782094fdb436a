"""The configuration of a reward: presets, and what departs from them."""

from pathlib import Path
from typing import Any

import pytest

from gtalign.config import dump, load
from gtalign.errors import ConfigError
from gtalign.reward import PRESETS, RewardConfig

CONFIGS = Path(__file__).parents[1] / "src" / "gtalign" / "configs" / "reward"


def test_the_default_is_robust() -> None:
    assert RewardConfig() == RewardConfig(preset="robust")
    config = RewardConfig().model_dump(mode="json", include=set(PRESETS["robust"]))
    for side in ("user", "llm"):
        for key in set(config[side]) - set(PRESETS["robust"][side]):
            assert config[side].pop(key) == 0  # of a factor that no preset weighs
    assert config == PRESETS["robust"]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("response_window.low=1", "response_window.low is 1"),
        ("total_window.low=1", "total_window.low is 1"),
        ("reading=released", "strict or tolerant"),
        ("terms=sturdy", "terms"),
    ],
)
def test_what_the_robust_terms_have_no_use_for(override: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(RewardConfig, None, [override])
    if "terms" not in override:
        load(RewardConfig, None, [override, "preset=paper"])


@pytest.mark.parametrize("preset", PRESETS)
def test_checked_in_files_are_the_presets(preset: Any) -> None:
    assert load(RewardConfig, CONFIGS / f"{preset}.toml") == RewardConfig(preset=preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_side_is_a_convex_combination(preset: Any) -> None:
    config = RewardConfig(preset=preset)
    for weights in (config.user, config.llm, *config.llm_by_task.values()):
        shares = weights.model_dump(exclude={"constant"}).values()
        assert sum(shares) == pytest.approx(1)


def test_one_key_changes_and_the_rest_is_the_presets() -> None:
    config = load(RewardConfig, None, ["preset=released", "llm.format=0.3", "total_window.low=1"])
    assert config.llm.format == 0.3
    assert config.llm.distinctness == 0.2
    assert (config.total_window.low, config.total_window.high) == (1, 1000)
    assert config.unit == "words"


def test_weights_by_task() -> None:
    config = load(
        RewardConfig, None, ["preset=released-eval", "llm_by_task.medium.window=0.1", "rho=-inf"]
    )
    assert config.llm_by_task["medium"].window == 0.1
    assert config.llm_by_task["medium"].quality == 0.35
    assert "minerva" not in config.llm_by_task
    assert config.rho == float("-inf")


def test_it_comes_back_from_toml(tmp_path: Path) -> None:
    config = RewardConfig(preset="released-eval", aggregate="ces", rho=float("-inf"), chain=False)
    file = tmp_path / "reward.toml"
    file.write_text(dump(config), encoding="utf-8")
    assert load(RewardConfig, file) == config


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("preset=realesed", "preset"),
        ("preset=3", "preset"),
        ("aggregate=mean", "aggregate"),
        ("llm.fromat=1", "'llm.format'"),
        ("llm=1", "llm"),
        ("user.quality=-1", "user.quality"),
        ("user.quality=nan", "user.quality"),
        ("rho=2", "rho"),
        ("rho=nan", "rho"),
        ("latency_scale=0", "latency_scale"),
        ("response_window.high=0", "high"),
        ("unit=characters", "unit"),
    ],
)
def test_wrong_keys_and_values_are_named(override: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(RewardConfig, None, [override])


def test_something_has_to_grade_the_answer() -> None:
    with pytest.raises(ConfigError, match="nothing would grade"):
        load(RewardConfig, None, ["llm.quality=0", "llm.window=0"])


def test_a_config_is_a_table() -> None:
    with pytest.raises(ValueError, match="dictionary"):
        RewardConfig.model_validate(3)
