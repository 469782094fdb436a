"""One number with two variations: over questions, and over training runs.

Each cluster of questions was answered by the models of S training runs (seeds). A number can come
out otherwise for two reasons: other *questions*, or another *training run*. Three intervals say how
far, each at 95%:

- over questions, with the trained models as they are: the clustered t interval of
  `gtalign.evaluation.statistics.mean_ci`;
- over training runs, with the questions as they are: the t interval of the S numbers of the seeds;
- over both. Each cluster and seed has a value, y[g, s] = m + question[g] + training[s] + rest[g, s]
  with independent random effects, a crossed design without repetition. Its mean squares MS estimate
  the variance of the mean over both by (MS_questions + MS_training - MS_rest) / (G S), with the
  degrees of freedom of Satterthwaite ("An approximate distribution of estimates of variance
  components", Biometrics 1946). Where the largest mean square is more than their sum, it stands
  alone: the interval is then too wide rather than too narrow. Source: Searle, Casella and
  McCulloch, "Variance Components" (1992), chapter 4.

A ratio of sums is treated to first order. With a single training run the last two intervals are
None: nothing is known about another run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from gtalign.drawing import fixed, interval
from gtalign.evaluation.statistics import (
    LEVEL,
    Floats,
    codes,
    divide,
    mean_of_sums,
    standard_error,
    student,
)

Ends = tuple[float, float]
Sums = tuple[Floats, Floats]
"""Numerators and denominators by cluster and seed, two arrays of shape [G, S]."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of the three random effects on one answer; 0 where none is seen."""

    questions: float
    training: float
    rest: float


@dataclass(frozen=True, slots=True)
class Variation:
    """A number with its intervals.

    Attributes:
        value: The number over all questions and seeds; None where nothing is known.
        questions: Ends of the interval over questions; None for fewer than two clusters.
        training: Ends of the interval over training runs; None for fewer than two seeds.
        both: Ends of the interval over both; None where either is missing.
        seeds: The number of each seed alone.
        spread: Where the variation comes from; None where `both` is.
        clusters: Number of clusters.
    """

    value: float | None
    questions: Ends | None = None
    training: Ends | None = None
    both: Ends | None = None
    seeds: Mapping[int, float] = field(default_factory=dict)
    spread: Spread | None = None
    clusters: int = 0

    def within(self, low: float, high: float) -> "Variation":
        """The same with intervals that end where the number cannot go further."""

        def cut(ends: Ends | None) -> Ends | None:
            return None if ends is None else (max(ends[0], low), min(ends[1], high))

        return replace(
            self, questions=cut(self.questions), training=cut(self.training), both=cut(self.both)
        )

    def over_questions(self, value: float | None, ends: Ends) -> "Variation":
        """The same with a number and an interval over questions that were found otherwise."""
        return replace(self, value=value, questions=ends)

    @property
    def ends(self) -> Ends | None:
        """The interval that says most: over both if there is one, else over questions."""
        return self.both or self.questions

    def to_json(self) -> dict[str, float | int | None]:
        """Return the number, all ends and deviations in one flat object."""
        found: dict[str, float | int | None] = {"value": self.value}
        for name in ("questions", "training", "both"):
            low, high = getattr(self, name) or (None, None)
            found |= {f"{name}_low": low, f"{name}_high": high}
        for name in ("questions", "training", "rest"):
            found[f"sd_{name}"] = None if self.spread is None else getattr(self.spread, name)
        runs = len(self.seeds) or int(self.value is not None)  # a single run has no numbers by seed
        return found | {"clusters": self.clusters, "training_runs": runs}


def by_cluster(
    values: Sequence[float] | Floats, clusters: Sequence[object], runs: Sequence[str]
) -> tuple[Sums, list[int]]:
    """Sum values by cluster and training run.

    Args:
        values: N values; not-a-number where unknown.
        clusters: Cluster of each.
        runs: Training run of each: its seed, as text. Where one is no number, all are one run.

    Returns:
        The sums, and the seeds in the order of their second axis.
    """
    seeds = sorted({int(run) for run in runs}) if all(run.isdigit() for run in runs) else []
    place = {seed: number for number, seed in enumerate(seeds)} if len(seeds) > 1 else {}
    code, groups = codes(clusters)
    top, bottom = np.zeros((2, groups, max(len(place), 1)))
    for group, run, value in zip(code, runs, values, strict=True):
        if not np.isnan(value):
            column = place[int(run)] if place else 0
            top[group, column] += value
            bottom[group, column] += 1
    return (top, bottom), seeds if place else [0]


def vary(sums: Sums, seeds: Sequence[int], level: float = LEVEL) -> Variation:
    """The variation of a mean or ratio.

    Args:
        sums: Its sums by cluster and seed; zeros where a model has nothing.
        seeds: The seeds, in the order of the second axis.
        level: Confidence of the intervals.
    """
    top_gs, bottom_gs = sums
    found = mean_of_sums(top_gs.sum(axis=1), bottom_gs.sum(axis=1), level)
    if found.value is None:
        return Variation(None)
    ends = None if found.low is None or found.high is None else (found.low, found.high)
    known = _known(seeds, divide(top_gs.sum(axis=0), bottom_gs.sum(axis=0)))
    whole = Variation(found.value, ends, seeds=known, clusters=found.clusters)
    complete = np.asarray((bottom_gs > 0).all(axis=1), np.bool_)
    return _over_training(whole, _effects(sums), complete, level)


def vary_difference(
    one: Sums, other: Sums, seeds: Sequence[int], level: float = LEVEL
) -> Variation:
    """The variation of a difference of two models in one measure, on the same questions and seeds.

    Args:
        one: Sums of the model that is compared.
        other: Sums of the one that is taken off, of the same clusters and seeds.
        seeds: The seeds that both have, in the order of the second axis.
        level: Confidence of the intervals.
    """
    totals = [part.sum(axis=1) for part in (*one, *other)]
    held = (totals[1] > 0) & (totals[3] > 0)
    if not held.any():
        return Variation(None)
    ta, ba, tb, bb = (part[held] for part in totals)
    a, b = ta.sum() / ba.sum(), tb.sum() / bb.sum()
    ends = None
    groups = int(held.sum())
    if groups > 1:
        influence = (ta - a * ba) / ba.sum() - (tb - b * bb) / bb.sum()
        reach = student(groups, (1 + level) / 2) * standard_error(influence)
        ends = (float(a - b - reach), float(a - b + reach))
    both = [(top[held], bottom[held]) for top, bottom in (one, other)]
    by_seed = [divide(top.sum(axis=0), bottom.sum(axis=0)) for top, bottom in both]
    known = _known(seeds, by_seed[0] - by_seed[1])
    whole = Variation(float(a - b), ends, seeds=known, clusters=groups)
    effects = _effects(both[0]) - _effects(both[1])
    complete = np.asarray((both[0][1] > 0).all(axis=1) & (both[1][1] > 0).all(axis=1), np.bool_)
    return _over_training(whole, effects, complete, level)


def over_seeds(
    values: Mapping[int, float], questions: Ends | None, clusters: int, level: float = LEVEL
) -> Variation:
    """The variation of a number that is no mean of answers: the mean of its values by seed.

    Args:
        values: The number of each seed.
        questions: Ends of the interval over questions, found by other means.
        clusters: Number of clusters.
        level: Confidence of the interval over training runs.
    """
    known = {seed: value for seed, value in values.items() if not np.isnan(value)}
    if not known:
        return Variation(None)
    return Variation(
        value=float(np.mean(list(known.values()))),
        questions=questions,
        training=_of_seeds(list(known.values()), level),
        seeds=known if len(known) > 1 else {},
        clusters=clusters,
    )


def says(difference: Variation, digits: int = 3) -> str:
    """Say what a difference shows, and no more than its intervals do.

    The word is ``above`` or ``below`` only where the interval over questions and training runs
    excludes 0. With one training run it is about these trained models alone.
    """
    if difference.value is None:
        return "not comparable: no question is known of both"
    size = fixed(difference.value, digits, sign=True)
    if difference.questions is None:
        return f"{size}, of one question: nothing is known about others"
    side = "above" if difference.value > 0 else "below"
    over_questions = interval(*difference.questions, digits, sign=True)
    if difference.both is None:
        start = side if _apart(difference.questions) else "not distinguishable"
        return (
            f"{start} by {size} {over_questions} over other questions; one training run: "
            "nothing is known about another"
            if start == side
            else f"{start}: {size} {over_questions} over other questions, of one training run"
        )
    runs = f"{len(difference.seeds)} training runs"
    over_both = interval(*difference.both, digits, sign=True)
    if _apart(difference.both):
        return f"{side} by {size} {over_both} over other questions and training runs ({runs})"
    if _apart(difference.questions):
        return (
            f"{side} by {size} {over_questions} over other questions for these {runs}, but not "
            f"distinguishable over other training runs {over_both}"
        )
    return (
        f"not distinguishable: {size} {over_both} over other questions and training runs ({runs})"
    )


def _apart(ends: Ends) -> bool:
    """Whether an interval excludes 0."""
    return not ends[0] <= 0 <= ends[1]


def _known(seeds: Sequence[int], values: Floats) -> dict[int, float]:
    """The numbers by seed; none for a single seed, which is the number itself."""
    if len(seeds) < 2:
        return {}
    return {seed: float(value) for seed, value in zip(seeds, values, strict=True) if value == value}


def _effects(sums: Sums) -> Floats:
    """What each cluster and seed adds to the number, to first order; shape [G, S], mean about 0."""
    top_gs, bottom_gs = sums
    ratio = top_gs.sum() / bottom_gs.sum()
    return np.asarray((top_gs - ratio * bottom_gs) / bottom_gs.mean(), dtype=np.float64)


def _of_seeds(values: Sequence[float], level: float) -> Ends | None:
    count = len(values)
    if count < 2:
        return None
    middle, error = float(np.mean(values)), float(np.std(values, ddof=1)) / sqrt(count)
    reach = student(count, (1 + level) / 2) * error
    return middle - reach, middle + reach


def _over_training(
    whole: Variation, effects_gs: Floats, complete: NDArray[np.bool_], level: float
) -> Variation:
    """Add the intervals over training runs and over both.

    Args:
        whole: The number with its interval over questions and its seeds.
        effects_gs: What each cluster and seed adds.
        complete: Clusters that every seed has, shape [G].
        level: Confidence.
    """
    if whole.value is None or len(whole.seeds) < 2:
        return whole
    training = _of_seeds(list(whole.seeds.values()), level)
    held = effects_gs[complete]
    groups, runs = held.shape
    if groups < 2 or runs < 2:
        return replace(whole, training=training)
    middle = held.mean()
    by_group, by_run = held.mean(axis=1), held.mean(axis=0)
    rest = held - by_group[:, None] - by_run[None, :] + middle
    freedom = np.array([groups - 1, runs - 1, (groups - 1) * (runs - 1)], dtype=np.float64)
    squares = np.array(
        [
            runs * np.square(by_group - middle).sum(),
            groups * np.square(by_run - middle).sum(),
            np.square(rest).sum(),
        ]
    )
    mean_squares = squares / freedom
    reach = _reach(mean_squares, freedom, level) / sqrt(groups * runs)
    components = np.sqrt(
        np.maximum(
            [
                (mean_squares[0] - mean_squares[2]) / runs,
                (mean_squares[1] - mean_squares[2]) / groups,
                mean_squares[2],
            ],
            0.0,
        )
    )
    return replace(
        whole,
        training=training,
        both=(whole.value - reach, whole.value + reach),
        spread=Spread(*components.tolist()),
    )


def _reach(mean_squares: Floats, freedom: Floats, level: float) -> float:
    """Half the width of the interval over both, before it is divided by the number of values."""
    from scipy import special  # needs the extra `eval`

    largest = int(np.argmax(mean_squares))
    variance, degrees = float(mean_squares[largest]), float(freedom[largest])
    summed = float(mean_squares[0] + mean_squares[1] - mean_squares[2])
    if summed > variance > 0:
        degrees = summed**2 / float((mean_squares**2 / freedom).sum())
        variance = summed
    return float(special.stdtrit(max(degrees, 1.0), (1 + level) / 2)) * sqrt(variance)
