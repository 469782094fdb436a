"""The points of each model as a set: its Pareto measures, and their intervals from resamples.

Intervals are percentiles of a bootstrap that draws clusters of questions, the same for all models.
A resample has only points of the sample. So it can lose a best point and never find a better one,
and such an interval reaches further down than up (Bickel and Freedman, "Some asymptotic theory for
the bootstrap", 1981). It is widened to hold the number itself. Differences, where both models lose
points alike, suffer less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation import pareto
from gtalign.evaluation.draws import resamples
from gtalign.evaluation.statistics import LEVEL, Floats
from gtalign.evaluation.variation import Ends, Variation, over_seeds

LEVELS: Final = tuple(round(0.05 * step, 2) for step in range(21))
"""Least welfare of the other side, for the curves."""

SETS: Final = ("hypervolume", "covered", "epsilon")
"""The measures of a set of points."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best welfare of one side under a constraint on the other.

    Attributes:
        level: Least welfare of the other side.
        best: The best welfare, the mean over seeds; None if one of them has no point within it.
        ends: Its interval over questions; None if over a twentieth of the resamples have no point.
    """

    level: float
    best: float | None
    ends: Ends | None


class PointSets:
    """The measures of the models' sets of points, for the sample and for resamples of it.

    Args:
        points_sqm2: User and LLM welfare of each training run, question and model, all known.
        code: Cluster of each question.
        groups: Number of clusters.
        epsilon: What may be missing to a frontier.
    """

    def __init__(
        self, points_sqm2: Floats, code: NDArray[np.intp], groups: int, epsilon: float
    ) -> None:
        self.points = points_sqm2
        self.code = code
        self.groups = groups
        self.epsilon = epsilon
        every = np.ones(len(code), dtype=np.bool_)
        self.sample, self._curves = self._measure(every)
        self._drawn: list[Floats] = []
        self._drawn_curves: list[Floats] = []

    def _measure(self, held: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The measures [S, M, 3] and both curves [M, 2, T] of some questions."""
        runs, _, models, _ = self.points.shape
        found = np.empty((runs, models, len(SETS)))
        curves = np.empty((runs, models, 2, len(LEVELS)))
        for run in range(runs):
            sets = [self.points[run, held, model] for model in range(models)]
            own = [points[pareto.frontier(points)] for points in sets]  # the rest adds nothing
            joint = pareto.joint_frontier(own)
            for model, points in enumerate(own):
                found[run, model] = (
                    pareto.hypervolume(points),
                    pareto.covered(points, joint, self.epsilon),
                    pareto.additive_epsilon(points, joint),
                )
                curves[run, model, 0] = pareto.best_given(points, LEVELS, of="user")
                curves[run, model, 1] = pareto.best_given(points, LEVELS, of="llm")
        return found, curves.mean(axis=0)

    def resample(self, rng: np.random.Generator, count: int) -> None:
        """Draw clusters `count` times, and measure each draw."""
        if self.groups < 2:
            return
        for weights in resamples(self.groups, rng, count):
            for drawn in weights > 0:  # a set has no use for a point that comes twice
                measures, curves = self._measure(drawn[self.code])
                self._drawn.append(measures.mean(axis=0))
                self._drawn_curves.append(curves)

    def value(self, name: str, model: int, runs: Sequence[int]) -> Variation:
        """A measure of one model."""
        place = SETS.index(name)
        drawn = [found[model, place] for found in self._drawn]
        return self._variation(self.sample[:, model, place], drawn, runs)

    def difference(self, name: str, one: int, other: int, runs: Sequence[int]) -> Variation:
        """A measure of one model less that of another, in the same resamples."""
        place = SETS.index(name)
        drawn = [found[one, place] - found[other, place] for found in self._drawn]
        return self._variation(
            self.sample[:, one, place] - self.sample[:, other, place], drawn, runs
        )

    def curve(self, model: int, of: str) -> tuple[CurvePoint, ...]:
        """The best welfare of one side under each of `LEVELS` for the other."""
        side = ("user", "llm").index(of)
        best = self._curves[model, side]
        drawn = [curves[model, side] for curves in self._drawn_curves]
        return tuple(
            CurvePoint(
                level,
                None if np.isnan(best[t]) else float(best[t]),
                _percentiles([one[t] for one in drawn]),
            )
            for t, level in enumerate(LEVELS)
        )

    def _variation(self, by_run: Floats, drawn: Sequence[float], runs: Sequence[int]) -> Variation:
        seeds = dict(zip(runs, by_run.tolist(), strict=True))
        middle, ends = float(by_run.mean()), _percentiles(drawn)
        if ends is not None:
            ends = min(ends[0], middle), max(ends[1], middle)
        return over_seeds(seeds, ends, self.groups)


def _percentiles(drawn: Sequence[float]) -> Ends | None:
    """The ends of the percentile interval; None where it is undefined in too many resamples."""
    values = np.asarray(drawn, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values) or len(values) < LEVEL * len(drawn):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
