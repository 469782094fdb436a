"""What attacks on a reward earn, on a terminal or as JSON Lines."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gtalign.cli.show.result import print_json
from gtalign.reward import RewardConfig


def print_attacks(reward: RewardConfig | None, *, as_json: bool) -> None:
    """Measure and print what each attack earns.

    Args:
        reward: The reward to attack; None attacks every preset.
        as_json: Whether to print an object for each attack and reward.
    """
    from gtalign.lab import attack_report as attack  # the small world, which scoring does without

    rewards: Mapping[str, RewardConfig]
    rewards = attack.presets() if reward is None else {reward.preset: reward}
    if as_json:
        for line in attack.lines(rewards):
            print_json(line)
    else:
        Console().print(_table(rewards, dict(attack.results(rewards))))


def _table(
    rewards: Mapping[str, RewardConfig], results: Mapping[str, Mapping[str, float]]
) -> Table:
    """W by attack and reward; a star marks attacks that earn more than the honest answer."""
    found = Table(
        title="mean W; * earns more than the honest mediocre answer",
        box=SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    found.add_column("completion", no_wrap=True)
    for name in rewards:
        found.add_column(name, justify="right", no_wrap=True)
    honest = next(iter(results.values()))
    for attack, earned in results.items():
        cells = [
            f"{welfare:.3f}{'*' if welfare > honest[name] + 1e-9 else ' '}"
            for name, welfare in earned.items()
        ]
        found.add_row(attack, *cells)
    return found
