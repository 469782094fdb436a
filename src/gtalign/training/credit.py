"""Credit by turn: the n-th answer is compared with conversations that also have an n-th answer.

GRPO gives every token of a conversation the same advantage: its reward less the mean of its group.
A conversation that goes on after a question then pays or gains by what others do who answered at
once. Here the baseline of the n-th answer is the mean over those conversations of the group that
have an n-th answer. It does not depend on that answer, so it does not change what is learned on
average (Sutton and Barto, *Reinforcement Learning*, section 13.4); it takes chance out of it.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from trl import GRPOTrainer

__all__ = ["TurnTrainer", "turn_advantages"]

Floats = NDArray[np.float64]

_TINY = 1e-4
"""Added to a deviation before it divides, as TRL does."""


def turn_advantages(
    rewards: Floats,
    answers: Sequence[int],
    group: int,
    scale: Literal["group", "batch", "none"] = "group",
) -> Floats:
    """Return the advantage of every answer of every conversation.

    Args:
        rewards: Rewards, shape [B, K] for B conversations and K rewards; not-a-number where one is
            unknown. Of several rewards, each is scaled before the sum.
        answers: Number of answers of each conversation.
        group: Conversations of a group, which follow one another.
        scale: What a reward less its baseline is divided by: the deviation of its group, that of
            all conversations, or nothing.

    Returns:
        Shape [B, N] for at most N answers; 0 where there is no answer, where nothing is known, and
        where no other conversation of the group came as far.
    """
    count, kinds = rewards.shape
    most = max(answers, default=0)
    found = np.zeros((count, most))
    for kind in range(kinds):
        known = rewards[:, kind]
        for head in range(0, count, group):
            rows = [n for n in range(head, head + group) if not np.isnan(known[n])]
            spread = _deviation(known if scale == "batch" else known[rows])
            for turn in range(most):
                reached = [n for n in rows if answers[n] > turn]
                if len(reached) > 1:
                    gain = known[reached] - known[reached].mean()
                    found[reached, turn] += gain if scale == "none" else gain / (spread + _TINY)
    return found


def _deviation(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else 0.0


class TurnTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's GRPO trainer with an advantage for each answer of a conversation.

    It needs `gtalign.training.conversations.Conversations` as its rollout function, and one
    process.
    """

    def _calculate_rewards(self, inputs: list[dict[str, Any]], *given: Any) -> torch.Tensor:
        rewards: torch.Tensor = super()._calculate_rewards(inputs, *given)
        self._by_answer = turn_advantages(
            rewards.double().cpu().numpy(),
            [max(row["turns"], default=0) for row in inputs],
            self.num_generations,
            self.scale_rewards,
        )
        self._turns = [row["turns"] for row in inputs]
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        spread = np.zeros(tuple(output["completion_ids"].shape), dtype=np.float32)
        for row, turns in enumerate(self._turns):
            for place, turn in enumerate(turns):
                if turn:
                    spread[row, place] = self._by_answer[row, turn - 1]
        output["advantages"] = torch.from_numpy(spread).to(output["advantages"].device)
        return output
