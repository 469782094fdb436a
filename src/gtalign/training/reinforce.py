"""Reinforcement learning from answers or from whole conversations, as the configuration says."""

from pathlib import Path
from typing import Any

from gtalign.training.rl_run import RLRun, run
from gtalign.training.talks import GoalOf
from gtalign.training.talks_run import run_talks


def reinforce(config: RLRun, out: Path, goal_of: GoalOf) -> dict[str, Any]:
    """Train a model, or resume its training, and return a summary.

    Args:
        config: Configuration of the run; with ``dialogue``, the model learns from conversations.
        out: Run directory.
        goal_of: Returns what the user of a question wants; only conversations need it.

    Raises:
        GTAlignError: As `gtalign.training.rl_run.run` and `gtalign.training.talks_run.run_talks`
            raise it.
    """
    if config.dialogue is None:
        return run(config, out)
    return run_talks(config, out, goal_of)
