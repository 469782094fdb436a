"""What the workers of a run share: failures of judges, and the statistics of each task.

verl scores one sample at a time, in several processes on several machines. What needs more than one
sample is kept once for all of them, in an actor of Ray: the share of failed judgements that stops
the run, the last rewards of each task that a reward is normalised by, and the means that stand in
where a judge failed.

An advantage estimator would see whole batches, but verl's trainer hands it neither the task nor the
parts of a reward, and each algorithm has an estimator of its own. Statistics of rewards work
under every algorithm.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, Protocol

from gtalign.errors import JudgeError
from gtalign.judges.failures import Failure, Failures
from gtalign.reward import NormaliseConfig, RunningNormaliser

UNKNOWN: Final = 0.5
"""The neutral value of a measure while no sample of any task has one: the middle of its range."""

MEASURES: Final = ("score", "raw_score", "user_welfare", "llm_welfare", "mutual_welfare")


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What a worker found for a sample.

    Args:
        task: Its task.
        reward: Its reward before normalisation; None if it is unknown.
        user: U; None if it is unknown.
        llm: L; None if it is unknown.
        mutual: W; None if it is unknown.
        asked: Whether a judge was asked.
        failure: Why the judge gave no score.
        learned: Whether the sample is trained on. Others are not normalised, and no statistics
            take them in.
    """

    task: str
    reward: float | None
    user: float | None
    llm: float | None
    mutual: float | None
    asked: bool = False
    failure: Failure | None = None
    learned: bool = True


class Ledger:
    """Settles the samples of all workers, one after the other.

    Args:
        max_failed: The run stops if a larger share of the latest judgements failed.
        window: Number of latest judgements over which that share is counted.
        normalise: How rewards are normalised per task; None leaves them as they are.
    """

    def __init__(
        self,
        max_failed: float,
        window: int,
        normalise: NormaliseConfig | None = None,
    ) -> None:
        self._failures = Failures(max_failed, window)
        self._running = None if normalise is None else RunningNormaliser(normalise)
        self._recent: dict[str, deque[tuple[float, ...]]] = {}
        self._window = window
        self._stopped: JudgeError | None = None

    def settle(self, outcome: SampleResult) -> dict[str, float]:
        """Return what verl gets for a sample: all of `MEASURES`, and whether they stand in.

        Where the reward is unknown, each measure is the mean of the latest known ones of the task
        (of all tasks, if it has none yet; `UNKNOWN`, if nobody has), so that the sample is neither
        rewarded nor punished, and ``unscored`` is 1.

        Raises:
            JudgeError: Too many judgements failed, now or before: once it is raised, every further
                sample raises it.
        """
        if self._stopped is not None:
            raise self._stopped
        try:
            self._failures.add([outcome.failure] if outcome.asked else [])
        except JudgeError as error:
            self._stopped = error
            raise
        known = self._known(outcome)
        values = self._neutral(outcome.task) if known is None else known
        return {**dict(zip(MEASURES, values, strict=True)), "unscored": float(known is None)}

    def _known(self, outcome: SampleResult) -> tuple[float, ...] | None:
        reward, parts = outcome.reward, (outcome.user, outcome.llm, outcome.mutual)
        if reward is None:
            return None
        score = reward
        if self._running is not None and outcome.learned:
            (normal,) = self._running([reward], [outcome.task])
            score = reward if normal is None else normal
        # A plain answer that says nothing has a reward, 0, and no measure of its own.
        values = (score, reward, *(reward if part is None else part for part in parts))
        if outcome.learned:
            recent = self._recent.setdefault(outcome.task, deque(maxlen=self._window))
            recent.append(values)
        return values

    def _neutral(self, task: str) -> tuple[float, ...]:
        recent = self._recent.get(task) or [v for seen in self._recent.values() for v in seen]
        if not recent:
            return (UNKNOWN,) * len(MEASURES)
        return tuple(map(fmean, zip(*recent, strict=True)))


class Settles(Protocol):
    """A ledger as a worker reaches it."""

    async def settle(self, outcome: SampleResult) -> dict[str, float]:
        """Settle a sample, as `Ledger.settle` does."""
        ...


class OwnLedger:
    """A ledger of this process alone, where no cluster of Ray runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def settle(self, outcome: SampleResult) -> dict[str, float]:
        """Settle a sample."""
        return self._ledger.settle(outcome)


class SharedLedger:
    """The ledger of all workers of a job of Ray, in an actor.

    Args:
        name: Name of the actor; the first worker that names it makes it.
        make: Makes the ledger.
    """

    def __init__(self, name: str, make: Callable[[], Ledger]) -> None:
        import ray

        kept = ray.remote(_Kept).options(name=name, get_if_exists=True, num_cpus=0)
        self._actor: Any = kept.remote(make)

    async def settle(self, outcome: SampleResult) -> dict[str, float]:
        """Settle a sample."""
        settled, refused = await asyncio.wrap_future(self._actor.settle.remote(outcome).future())
        if refused is not None:
            raise JudgeError(*refused)
        return dict(settled)


class _Kept:
    """The actor. Errors travel as their words: Ray wraps exceptions in classes of its own."""

    def __init__(self, make: Callable[[], Ledger]) -> None:
        self._ledger = make()

    def settle(
        self, outcome: SampleResult
    ) -> tuple[dict[str, float] | None, tuple[str, str] | None]:
        try:
            return self._ledger.settle(outcome), None
        except JudgeError as error:
            return None, (str(error), error.cause)


def ledger_of(name: str, make: Callable[[], Ledger]) -> Settles:
    """Return the ledger that this process settles by: that of its job of Ray, if it is in one."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return SharedLedger(name, make)
    return OwnLedger(make())
