"""Values of answers as columns, and their numbers by model: with variation, and paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation.comparison import Group
from gtalign.evaluation.contrast import RESAMPLES, Contrast, contrasts
from gtalign.evaluation.rows import NO_SEED, Rows
from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.sums import PairedSums
from gtalign.evaluation.variation import Sums, Variation, vary, vary_difference

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """One measure of N answers: a model's number is the sum of `top` over that of `bottom`.

    Args:
        top: Shape [N]; not-a-number where unknown.
        bottom: Shape [N]; None for a mean.
        range: Least and greatest number; intervals end there.
    """

    top: Floats
    bottom: Floats | None = None
    range: tuple[float, float] = (-np.inf, np.inf)

    def filled(self) -> tuple[Floats, Floats, Booleans]:
        """Numerators and denominators, 0 where unknown, and where both are known."""
        bottom = np.ones_like(self.top) if self.bottom is None else self.bottom
        known = ~(np.isnan(self.top) | np.isnan(bottom))
        return np.where(known, self.top, 0.0), np.where(known, bottom, 0.0), known


class Columns:
    """The answers of one group.

    Args:
        rows: All answers.
        group: The group; None for all of them.

    Attributes:
        inside: Which answers are in the group, shape [N].
    """

    def __init__(self, rows: Rows, group: Group | None = None) -> None:
        self.rows = rows
        self.inside = np.ones(len(rows.transcripts), dtype=np.bool_)
        if group is not None:
            self.inside &= rows.split == group.split
            if group.task is not None:
                self.inside &= rows.task == group.task
        own = rows.cluster_q[rows.question]
        held, code = np.unique(own[self.inside], return_inverse=True)
        self._groups = len(held)
        self._cluster_n = np.zeros(len(own), dtype=np.intp)
        self._cluster_n[self.inside] = code

    def models(self) -> list[str]:
        """Models with answers in the group, in order of appearance."""
        return list(dict.fromkeys(self.rows.model[self.inside].tolist()))

    def seeds(self, *models: str) -> tuple[int, ...]:
        """Seeds that all these models have; empty if some answer of one has none."""
        found: set[int] | None = None
        for model in models:
            own = set(self.rows.seed[self.inside & (self.rows.model == model)].tolist())
            found = own if found is None else found & own
            if NO_SEED in own:
                return ()
        return tuple(sorted(found or ()))

    def estimate(self, model: str, column: Column) -> Variation:
        """The number of one model."""
        top, bottom, known = column.filled()
        seeds = self.seeds(model)
        sums = self._sums(model, top, bottom, known, seeds)
        return vary(sums, seeds or (0,)).within(*column.range)

    def contrast(
        self, one: str, other: str, column: Column, rng: np.random.Generator
    ) -> tuple[Contrast, Variation]:
        """One model less another, on the questions for which both have the measure.

        Returns:
            The paired contrast over all answers, and its variation. The interval of the variation
            over questions is that of the contrast; those over training runs are of the seeds that
            both have.
        """
        top, bottom, known = column.filled()
        model, question = self.rows.model, self.rows.question
        held = known & self.inside
        shared = np.intersect1d(question[held & (model == one)], question[held & (model == other)])
        held &= np.isin(question, shared)
        whole = [self._sums(name, top, bottom, held, ()) for name in (one, other)]
        paired = PairedSums(*(part for sums in whole for part in sums))
        (contrast,) = contrasts(paired, rng, RESAMPLES)
        seeds = self.seeds(one, other)
        varied = vary_difference(whole[0], whole[1], (0,))
        if len(seeds) > 1:
            by_seed = [self._sums(name, top, bottom, held, seeds) for name in (one, other)]
            varied = vary_difference(by_seed[0], by_seed[1], seeds)
        if contrast.low is None or contrast.high is None:
            return contrast, varied
        return contrast, varied.over_questions(contrast.value, (contrast.low, contrast.high))

    def _sums(
        self, model: str, top: Floats, bottom: Floats, held: Booleans, seeds: Sequence[int]
    ) -> Sums:
        """Sums by cluster and seed, shape [G, S]; over all seeds together if none is given."""
        mine = held & self.inside & (self.rows.model == model)
        runs = max(len(seeds), 1)
        place = np.zeros(len(mine), dtype=np.intp)
        if seeds:
            mine &= np.isin(self.rows.seed, seeds)
            place[mine] = np.searchsorted(np.asarray(seeds), self.rows.seed[mine])
        cells = self._cluster_n[mine] * runs + place[mine]
        shape = (self._groups, runs)
        found = [
            np.bincount(cells, weights=part[mine], minlength=self._groups * runs)
            .reshape(shape)
            .astype(np.float64)
            for part in (top, bottom)
        ]
        return found[0], found[1]


def metric_columns(rows: Rows) -> Mapping[str, Column]:
    """Every metric of the package as a column."""
    nan = np.where(rows.known_nm, 0.0, np.nan)
    return {
        metric.name: Column(
            rows.tops_nm[:, place] + nan[:, place],
            rows.bottoms_nm[:, place] + nan[:, place],
            metric.range,
        )
        for place, metric in enumerate(rows.metrics)
    }
