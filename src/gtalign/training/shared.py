"""A reward for several processes: the first one judges the whole batch, and each gets its part.

So no answer is judged twice, the limits of the judges hold over all processes, statistics by task
are those of the whole batch, and each transcript is written once.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from gtalign.training.processes import Processes
from gtalign.training.rollouts import RewardFunction


def shared(reward: RewardFunction, team: Processes) -> RewardFunction:
    """Return a reward function for TRL that scores the batch of all processes in the first one.

    Args:
        reward: Scores a batch.
        team: The processes.
    """
    if team.count == 1:
        return reward

    async def rewarded(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        log_extra: Any = None,
        **columns: Any,
    ) -> list[float | None]:
        own: dict[str, Any] = {
            "prompts": prompts,
            "completions": completions,
            "completion_ids": completion_ids,
        }
        own |= {n: c for n, c in columns.items() if isinstance(c, list) and len(c) == len(prompts)}
        rest = {name: column for name, column in columns.items() if name not in own}
        parts = team.gathered(own)
        starts = list(accumulate((len(part["prompts"]) for part in parts), initial=0))
        extra: list[tuple[str, list[Any]]] = []
        found, error = None, None
        if team.first:
            whole = {
                name: None if own[name] is None else [one for part in parts for one in part[name]]
                for name in own
            }
            texts = [whole.pop(name) for name in ("prompts", "completions", "completion_ids")]
            try:
                rewards = await reward(
                    *texts, **whole, **rest, log_extra=lambda *column: extra.append(column)
                )
                found = (rewards, extra)
            except Exception as raised:
                error = raised
        every, extra = team.agreed(found, error)
        mine = slice(starts[team.rank], starts[team.rank + 1])
        for name, values in extra if log_extra is not None else ():
            log_extra(name, values[mine])
        return every[mine]

    rewarded.__name__ = reward.__name__
    return rewarded
