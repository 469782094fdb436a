"""The reward-hacking suite of ``gtalign score --attack``: the W of each attack by reward."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Earned:
    """What the completions of one attack, or of a yardstick, earn.

    Args:
        attack: Its name.
        welfare: Mean W by reward.
        honest: Mean W of the honest mediocre answer, by reward.
    """

    attack: str
    welfare: Mapping[str, float]
    honest: Mapping[str, float]

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield one object for each reward."""
        for name, welfare in self.welfare.items():
            ratio = welfare / self.honest[name] if self.honest[name] > 0 else None
            yield {
                "attack": self.attack,
                "reward": name,
                "mutual_welfare": welfare,
                "of_honest": ratio,
            }


def measure_attacks(reward: RewardConfig | None = None) -> Iterator[Earned]:
    """Measure what the yardsticks and then each attack earn, one after the other.

    Args:
        reward: The reward to attack; None attacks every preset.
    """
    configs = presets() if reward is None else {reward.preset: reward}
    rewards = {name: Reward(config) for name, config in configs.items()}
    judge, asked = LabJudge(), questions()
    honest: dict[str, float] = {}
    for attack in (HONEST, WORDY, *ATTACKS):
        welfare = {name: measure(one, attack, asked, judge) for name, one in rewards.items()}
        honest = honest or welfare
        yield Earned(attack.name, welfare, honest)
