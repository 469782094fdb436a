"""Per-task normalisation of rewards, for training on several tasks at once.

GTAlign (arXiv 2510.08872) z-scores rewards per task within a batch; its released code has seven
more ways. x is a reward, ``seen`` the rewards of its task and ``pooled`` those of all tasks:

    zscore      (x - mean) / std
    minmax      (x - min) / (max - min), in [0, 1]
    robust      tanh(z / 2), z = (x - median) / (1.4826 MAD), all winsorised at 1% and 99%
    cdf         2p - 1, p the share of ``seen`` below x, ties counting half
    quantile    the quantile p of ``pooled``: every task gets the distribution of all
    shrinkage   (x - m) / s, with mean and variance drawn towards those of ``pooled``, which weigh
                as much as kappa samples
    centre      (x - mean) / std of ``pooled``
    tanh        tanh((x - mean) / 2)

Standard deviations are those of the population (divided by n). A scale of at most 1e-9 counts as
zero: the result is then 0, or 1/2 for ``minmax``. Where more than half of the rewards are equal,
the MAD is zero, and ``robust`` takes the standard deviation of the winsorised rewards.

In the batch form ``seen`` and ``pooled`` are the batch. In the running form they are the last
``window`` rewards of each task, including the newest; earlier rewards have no influence. This form
works where an engine scores one sample at a time, and equals the batch form until a task has had
more than ``window`` rewards. The result for the first reward of a task is that of a constant batch.
Memory is 8 bytes times the window, for each task.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from gtalign.config import Config
from gtalign.errors import DataError
from gtalign.game import TOLERANCE
from gtalign.reward.settings import Positive

Array = npt.NDArray[np.float64]

Method = Literal["zscore", "minmax", "robust", "cdf", "quantile", "shrinkage", "centre", "tanh"]

LARGEST = 1e100
"""Rewards of a larger magnitude are refused: their squares would overflow."""

_WINSOR = (0.01, 0.99)
_MAD = 1.4826  # times the MAD of a normal distribution is its standard deviation


class NormaliseConfig(Config):
    """How rewards are normalised per task.

    Keys:
        method: One of the eight above.
        running: Whether statistics run over the last rewards; else each batch has its own.
        window: Number of rewards of each task that the running form remembers.
        kappa: Weight of the pooled statistics in ``shrinkage``, in samples.
    """

    method: Method = "zscore"
    running: bool = False
    window: PositiveInt = 4096
    kappa: Positive = 50.0


def normalise(
    rewards: Sequence[float | None], tasks: Sequence[str], config: NormaliseConfig
) -> list[float | None]:
    """Normalise a batch by its own statistics.

    Args:
        rewards: The reward of each sample; None stays None and is left out of the statistics.
        tasks: The task of each sample.
        config: Gives ``method`` and ``kappa``.

    Raises:
        DataError: A reward is NaN, infinite or beyond `LARGEST`, or the numbers of tasks and
            rewards differ.
    """
    return RunningNormaliser(config.model_copy(update={"window": max(1, len(rewards))}))(
        rewards, tasks
    )


class RunningNormaliser:
    """Normalises rewards by the last ones of each task; see the module.

    Args:
        config: Gives ``method``, ``window`` and ``kappa``.
    """

    def __init__(self, config: NormaliseConfig) -> None:
        self.config = config
        self._seen: dict[str, deque[float]] = {}

    def __call__(self, rewards: Sequence[float | None], tasks: Sequence[str]) -> list[float | None]:
        """Remember the rewards of some samples, then normalise them.

        A call that raises an error leaves the memory unchanged.

        Raises:
            DataError: As for `normalise`.
        """
        known = self.remember(rewards, tasks)
        result: list[float | None] = [None] * len(rewards)
        pooled = self._pooled()
        method = _METHODS[self.config.method]
        for task, values in known.items():
            x, seen = np.array(list(values.values())), np.array(self._seen[task])
            normal = method(x, seen, pooled, self.config.kappa)
            for i, value in zip(values, normal.tolist(), strict=True):
                result[i] = value
        return result

    def remember(
        self, rewards: Sequence[float | None], tasks: Sequence[str]
    ) -> dict[str, dict[int, float]]:
        """Remember the rewards of some samples; return the known ones, by task and place.

        Raises:
            DataError: As for `normalise`; the memory is then unchanged.
        """
        known = _by_task(rewards, tasks)
        for task, values in known.items():
            window = self._seen.setdefault(task, deque(maxlen=self.config.window))
            window.extend(values.values())
        return known

    def state(self) -> dict[str, list[float]]:
        """Return the remembered rewards, JSON-serialisable; `restore` reads them."""
        return {task: list(window) for task, window in self._seen.items()}

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Take over the rewards that another one remembered; of a longer memory, the last ones.

        Raises:
            DataError: A reward in it is NaN, infinite or beyond `LARGEST`.
        """
        for task, values in state.items():
            _by_task(values, [task] * len(values))
        self._seen = {
            task: deque(map(float, values), maxlen=self.config.window)
            for task, values in state.items()
        }

    def _pooled(self) -> Array:
        if self.config.method not in _POOLED or not self._seen:
            return np.empty(0)
        return np.concatenate([np.array(window) for window in self._seen.values()])


def _by_task(rewards: Sequence[float | None], tasks: Sequence[str]) -> dict[str, dict[int, float]]:
    """Return the known rewards by task and place, all of them checked."""
    if len(rewards) != len(tasks):
        raise DataError(f"{len(rewards)} rewards have {len(tasks)} tasks; each needs one")
    known: dict[str, dict[int, float]] = {}
    for i, (reward, task) in enumerate(zip(rewards, tasks, strict=True)):
        if reward is None:
            continue
        if not math.isfinite(reward) or abs(reward) > LARGEST:
            raise DataError(
                f"reward {i}, of task {task!r}, is {reward!r}; it has to be a finite number of at"
                f" most {LARGEST:g}, or None if it is unknown"
            )
        known.setdefault(task, {})[i] = float(reward)
    return known


def _scaled(x: Array, centre: float, scale: float) -> Array:
    return (x - centre) / scale if scale > TOLERANCE else np.zeros_like(x)


def _zscore(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    return _scaled(x, float(seen.mean()), float(seen.std()))


def _minmax(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    low, high = float(seen.min()), float(seen.max())
    if high - low <= TOLERANCE:
        return np.full_like(x, 0.5)
    return np.clip((x - low) / (high - low), 0.0, 1.0)


def _robust(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    low, high = np.quantile(seen, _WINSOR)
    kept = np.clip(seen, low, high)
    median = float(np.median(kept))
    scale = _MAD * float(np.median(np.abs(kept - median)))
    if scale <= TOLERANCE:
        scale = float(kept.std())
    return np.tanh(_scaled(np.clip(x, low, high), median, scale) / 2)


def _share_below(x: Array, seen: Array) -> Array:
    """Return the share of ``seen`` below each x, ties counting half."""
    ordered = np.sort(seen)
    below = np.searchsorted(ordered, x, side="left")
    upto = np.searchsorted(ordered, x, side="right")
    share: Array = (below + upto) / (2.0 * len(seen))
    return share


def _cdf(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    return 2 * _share_below(x, seen) - 1


def _quantile(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    return np.asarray(np.quantile(pooled, _share_below(x, seen)), dtype=np.float64)


def _shrinkage(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    weight = len(seen) / (len(seen) + kappa)
    mean = weight * seen.mean() + (1 - weight) * pooled.mean()
    variance = weight * seen.var() + (1 - weight) * pooled.var()
    return _scaled(x, float(mean), math.sqrt(variance))


def _centre(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    return _scaled(x, float(seen.mean()), float(pooled.std()))


def _tanh(x: Array, seen: Array, pooled: Array, kappa: float) -> Array:
    return np.asarray(np.tanh((x - seen.mean()) / 2), dtype=np.float64)


_METHODS: Mapping[Method, Callable[[Array, Array, Array, float], Array]] = {
    "zscore": _zscore,
    "minmax": _minmax,
    "robust": _robust,
    "cdf": _cdf,
    "quantile": _quantile,
    "shrinkage": _shrinkage,
    "centre": _centre,
    "tanh": _tanh,
}
_POOLED = frozenset({"quantile", "shrinkage", "centre"})
