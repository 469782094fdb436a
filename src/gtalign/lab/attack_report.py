"""The reward-hacking suite of ``gtalign score --attack``: the W of each attack by reward."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gtalign.lab.judge import LabJudge
from gtalign.lab.world import make_world
from gtalign.reward import FACTORS, PRESETS, Reward, RewardConfig
from gtalign.reward.attacks import ATTACKS, HONEST, WORDY, measure
from gtalign.tasks import Question

ITEMS = 4
"""Items of each task of the small world; 7 tasks and 2 forms of each make 56 questions."""


def questions() -> list[Question]:
    """Return questions of the small world, whose judge knows the right answers.

    They have the name of a published task, so presets apply their weights for that task.
    """
    world = make_world(0, 1, ITEMS)
    return [replace(question, task="math-hard") for question in (*world.test, *world.ood)]


def presets() -> Mapping[str, RewardConfig]:
    """Return the presets by name, but those that pay for what only some judges state."""
    configs = {name: RewardConfig.model_validate({"preset": name}) for name in PRESETS}
    return {name: config for name, config in configs.items() if not _stated(config)}


def _stated(config: RewardConfig) -> bool:
    keys = [factor.key for factor in FACTORS.values() if factor.stated]
    weights = (config.user.model_dump(), config.llm.model_dump())
    return any(table.get(key) for table in weights for key in keys)


def results(rewards: Mapping[str, RewardConfig]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the yardsticks and then each attack with the mean W that it earns by reward."""
    judge, asked = LabJudge(), questions()
    for attack in (HONEST, WORDY, *ATTACKS):
        yield (
            attack.name,
            {
                name: measure(Reward(config), attack, asked, judge)
                for name, config in rewards.items()
            },
        )


def lines(rewards: Mapping[str, RewardConfig]) -> Iterator[dict[str, Any]]:
    """Yield one object for each attack and reward."""
    yardstick: dict[str, float] = {}
    for name, earned in results(rewards):
        yardstick = yardstick or earned
        for reward, welfare in earned.items():
            ratio = welfare / yardstick[reward] if yardstick[reward] > 0 else None
            yield {"attack": name, "reward": reward, "mutual_welfare": welfare, "of_honest": ratio}
