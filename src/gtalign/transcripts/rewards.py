"""Which reward scores a file: the one that is asked for, or else the one that it was made with.

A run's ``config.toml`` holds its reward, and every row that `gtalign score` writes notes its own.
So one file has one W, whichever command prints it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtalign.config import Config, load, read_table, unknown_keys
from gtalign.errors import ConfigError, DataError
from gtalign.files.lines import read_lines
from gtalign.reward import RewardConfig

ABOVE = 3
"""How many folders above a file its run's ``config.toml`` is looked for; the lab has two."""

Options = Mapping[str, tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class ChosenReward:
    """The reward that scores a file.

    Args:
        config: The reward.
        origin: Where it comes from, in words.
    """

    config: RewardConfig
    origin: str


def reward_for(
    file: Path | None,
    *,
    preset: str | None = None,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    runs: Sequence[type[Config]] = (),
) -> ChosenReward:
    """Return the reward for a file.

    Args:
        file: The file to score; None if there is none.
        preset: A preset that is asked for.
        config: A configuration that is asked for: of a reward, or of a run with a reward.
        overrides: ``key=value`` strings that change it; ``reward.`` may stand before a key.
        runs: What else a configuration with a table ``[reward]`` may configure.

    Raises:
        ConfigError: Both a preset and a configuration are asked for, one of them is wrong, or the
            configuration has a key that no such run knows.
    """
    changes = [override.removeprefix("reward.") for override in overrides]
    options: Options
    if preset is not None and config is not None:
        raise ConfigError("give --preset or --config, not both: a file names its own preset")
    if preset is not None:
        options, origin = {"preset": ("--preset", preset)}, f"preset {preset}"
    elif config is not None:
        own = _of_run(config)
        if own is not None:
            _check_run(config, runs)
        options, origin = _as_options(own or read_table(config), config), str(config)
    else:
        options, origin = _recorded(file)
    found = load(RewardConfig, None, changes, options)
    return ChosenReward(found, f"{origin}, changed by --set" if changes else origin)


def digest(config: RewardConfig) -> str:
    """Return a short hash of a reward, equal for equal rewards.

    A factor without weight does not count, so a version that knows one more factor finds the same
    hash. Neither does a belief that is not asked for: earlier versions know none.
    """
    found = config.model_dump(mode="json", exclude=None if config.belief else {"belief"})
    sides = (found["user"], found["llm"], *found["llm_by_task"].values())
    for weights in sides:
        for name in [name for name, weight in weights.items() if weight == 0]:
            del weights[name]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]


def note(config: RewardConfig) -> dict[str, Any]:
    """Return what a scored row notes of its reward: enough to score it so again."""
    preset = RewardConfig(preset=config.preset).model_dump(mode="json")
    changed = {k: v for k, v in config.model_dump(mode="json").items() if v != preset[k]}
    found: dict[str, Any] = {"preset": config.preset, "reward": digest(config)}
    return {**found, "changed": changed} if changed else found


def _recorded(file: Path | None) -> tuple[Options, str]:
    """Return the reward with which the rows of a file were scored; without one, the default."""
    first = None if file is None or not file.is_file() else _first(file)
    scored = first is not None and "completion" in first and "judge_score" not in first
    if file is None or first is None or not scored:
        return {}, "robust, the default"
    noted = _noted(first.get("extra"))
    if noted is not None:
        table, same = noted
        now = "" if same else ", as this version computes it"
        return _as_options(table, file), f"the one that the file was scored with{now}"
    for folder in [*file.resolve().parents][:ABOVE]:
        run = folder / "config.toml"
        rewarded = _of_run(run) if run.is_file() else None
        if rewarded is not None:
            return _as_options(rewarded, run), f"that of the run, {_shown(run)}"
    return {}, "robust, the default"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _first(file: Path) -> dict[str, Any] | None:
    try:
        return next((record for _, record in read_lines(file)), None)
    except DataError:
        return None  # whoever reads the file says what is wrong


def _noted(extra: Any) -> tuple[dict[str, Any], bool] | None:
    """Return the reward that a row notes, and whether its preset still means the same."""
    found = extra.get("scored") if isinstance(extra, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    changed = found.get("changed", {})
    table = {"preset": found.get("preset"), **(changed if isinstance(changed, Mapping) else {})}
    try:
        config = load(RewardConfig, None, (), _as_options(table, Path("extra.scored")))
    except ConfigError:
        return None
    return table, digest(config) == found.get("reward")


def _of_run(file: Path) -> dict[str, Any] | None:
    """Return the table of the reward in a run's configuration; None in one without such a table."""
    table = read_table(file)
    within = table.get("experiment", table)  # the lab keeps it there
    found = within.get("reward") if isinstance(within, Mapping) else None
    if "experiment" in table and found is None:
        raise ConfigError(f"{file}: the table [experiment] names no reward")
    if not isinstance(found, Mapping):
        return None
    return {key: value for key, value in found.items() if key != "normalise"}  # of training alone


def _check_run(file: Path, runs: Sequence[type[Config]]) -> None:
    """Refuse a configuration that has a key beside its reward which no run knows."""
    table = read_table(file)
    if runs:
        likely = min(runs, key=lambda run: len(table.keys() - set(run.known_keys())))
        problems = unknown_keys(likely, table, str(file))
        if problems:
            raise ConfigError("; ".join(problems))


def _as_options(table: Mapping[str, Any], file: Path) -> Options:
    return {key: (str(file), value) for key, value in table.items()}
