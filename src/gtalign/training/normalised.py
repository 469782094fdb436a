"""A reward function for TRL whose rewards are normalised per task."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from gtalign.errors import DataError
from gtalign.reward import NormaliseConfig, RunningNormaliser, normalise
from gtalign.tasks import Question


class NormalisedReward:
    """A reward function for TRL whose rewards are normalised per task.

    GRPO compares the completions of one question, all of one task: where it divides by the
    deviation of their group (TRL's ``scale_rewards="group"``), ``zscore``, ``minmax``,
    ``shrinkage`` and ``centre`` change nothing, being linear. Give TRL ``scale_rewards="none"``.

    Args:
        inner: An async reward function for TRL, such as `TRLReward`.
        config: How to normalise.
    """

    def __init__(self, inner: Any, config: NormaliseConfig) -> None:
        self.inner = inner
        self.config = config
        self.running = RunningNormaliser(config)
        self.__name__ = str(inner.__name__)  # TRL's name for the metric

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        question: Sequence[str] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return the normalised reward of each completion, or None where it is unknown.

        ``log_metric`` gets the mean before normalisation as ``raw_reward``.

        Raises:
            DataError: There is no column ``question``, or a reward is not finite.
            GTAlignError: Any error of the inner function.
        """
        rewards = await self.inner(
            prompts,
            completions,
            completion_ids,
            question=question,
            log_metric=log_metric,
            **columns,
        )
        if question is None:
            raise DataError("the data set has no column 'question' with each question as JSON text")
        tasks = [Question.from_json(text).task for text in question]
        known = [reward for reward in rewards if reward is not None]
        if log_metric is not None and known:
            log_metric("raw_reward", fmean(known))
        if self.config.running:
            return self.running(rewards, tasks)
        return normalise(rewards, tasks, self.config)
