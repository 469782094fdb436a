"""Means and ratios with intervals, clustered by question.

Rows that answer the same question, under several seeds or as rewordings of one source prompt, are
not independent: they form one *cluster*. Every quantity here is a ratio of two sums over rows (a
mean is the ratio of a sum to a count), so it is computed from sums per cluster.

Not-a-number marks a row without the measurement; it is left out of both sums and never counts as
zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import DataError

Floats = NDArray[np.float64]

LEVEL = 0.95

LEAST = 6
"""Below so many clusters no test can reach p < .05, and clusters that are all alike say nothing
about others."""

FEW = f"Fewer than {LEAST} questions: normal intervals, and none if all are equal."
"""What is said below the means of few questions."""

_ROUNDING = 1e-12  # standard error that is none


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        value: The estimate; None where no row has the measurement.
        low: Lower end; None for fewer than two clusters, or fewer than `LEAST` that are all alike.
        high: Upper end; None for the same.
        n: Rows that have the measurement.
        clusters: Distinct clusters among them.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int


def codes(clusters: Sequence[object] | NDArray[np.generic]) -> tuple[NDArray[np.intp], int]:
    """Number clusters 0 .. G-1; returns the codes, shape [N], and G."""
    known: dict[object, int] = {}
    numbered = np.fromiter(
        (known.setdefault(c, len(known)) for c in clusters), dtype=np.intp, count=len(clusters)
    )
    return numbered, len(known)


def cluster_sums(values: Floats, code: NDArray[np.intp], count: int) -> tuple[Floats, Floats]:
    """Sums and numbers of the known values per cluster.

    Args:
        values: Shape [N]; not-a-number where unknown.
        code: Cluster of each row, shape [N], from `codes`.
        count: Number of clusters G.

    Returns:
        Two arrays of shape [G].
    """
    known = ~np.isnan(values)
    sums = np.bincount(code[known], weights=values[known], minlength=count).astype(np.float64)
    counts = np.bincount(code[known], minlength=count).astype(np.float64)
    return sums, counts


def mean_ci(values: ArrayLike, clusters: Sequence[object], level: float = LEVEL) -> Interval:
    """Mean with a confidence interval whose standard error is clustered.

    se = sqrt(C / (C - 1) * sum over clusters of (sum of residuals in the cluster)^2) / n, the
    clustered standard error of the evaluation framework Inspect (Miller, "Adding Error Bars to
    Evals", arXiv 2411.00640, section 2.2), and the interval is mean +- t(C - 1) * se. With every
    row its own cluster it is the ordinary t interval.

    Args:
        values: Shape [N]; not-a-number where unknown.
        clusters: Cluster of each row, N hashable labels.
        level: Confidence, between 0 and 1.

    Raises:
        DataError: The two lengths differ.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) != len(clusters):
        raise DataError(f"{array.shape} values need as many clusters, found {len(clusters)}")
    code, count = codes(clusters)
    return mean_of_sums(*cluster_sums(array, code, count), level=level)


def mean_of_sums(sums: Floats, counts: Floats, level: float = LEVEL) -> Interval:
    """The interval of `mean_ci` from sums and counts per cluster, both of shape [G].

    The counts may be other sums: the estimate is then the ratio of two means, and the standard
    error that of its linear approximation.
    """
    held = counts > 0
    sums, counts = sums[held], counts[held]
    groups = len(counts)
    if groups == 0:
        return Interval(None, None, None, 0, 0)
    total = float(counts.sum())
    value = float(sums.sum() / total)
    n = int(total)
    if groups < 2:
        return Interval(value, None, None, n, groups)
    error = standard_error((sums - value * counts) / total)
    if groups < LEAST and error <= _ROUNDING * max(1.0, abs(value)):
        return Interval(value, None, None, n, groups)
    reach = student(groups, (1 + level) / 2) * error
    return Interval(value, value - reach, value + reach, n, groups)


def known_interval(sums: Floats, counts: Floats) -> Interval | None:
    """The interval of `mean_of_sums`; None without scipy, which the extra `eval` brings."""
    try:
        return mean_of_sums(sums, counts)
    except ModuleNotFoundError:
        return None


def difference_ci(
    one: tuple[ArrayLike, Sequence[object]],
    other: tuple[ArrayLike, Sequence[object]],
    level: float = LEVEL,
) -> Interval:
    """Difference of two means over the same clusters, paired by cluster.

    The rows need not pair up: a cluster may have one row on one side and several on the other. The
    standard error is that of the linear approximation of the difference of two ratios: clusters add
    their residuals from both means, so what both sides share cancels.

    Args:
        one: Values and clusters of the rows of the first mean, as for `mean_ci`.
        other: The same of the mean that is subtracted.
        level: Confidence, between 0 and 1.

    Raises:
        DataError: Values and clusters of a side differ in length.
    """
    sides = [(np.asarray(values, np.float64), list(clusters)) for values, clusters in (one, other)]
    for array, clusters in sides:
        if array.ndim != 1 or len(array) != len(clusters):
            raise DataError(f"{array.shape} values need as many clusters, found {len(clusters)}")
    code, count = codes([cluster for _, clusters in sides for cluster in clusters])
    split = len(sides[0][1])
    (sums_a, counts_a), (sums_b, counts_b) = (
        cluster_sums(array, own, count)
        for (array, _), own in zip(sides, (code[:split], code[split:]), strict=True)
    )
    if not counts_a.sum() or not counts_b.sum():
        return Interval(None, None, None, 0, 0)
    mean_a, mean_b = sums_a.sum() / counts_a.sum(), sums_b.sum() / counts_b.sum()
    value = float(mean_a - mean_b)
    held = (counts_a + counts_b) > 0
    n, groups = int(counts_a.sum() + counts_b.sum()), int(held.sum())
    if groups < 2:
        return Interval(value, None, None, n, groups)
    influence = (sums_a - mean_a * counts_a) / counts_a.sum()
    influence -= (sums_b - mean_b * counts_b) / counts_b.sum()
    error = standard_error(influence[held])
    if groups < LEAST and error <= _ROUNDING * max(1.0, abs(value)):
        return Interval(value, None, None, n, groups)
    reach = student(groups, (1 + level) / 2) * error
    return Interval(value, value - reach, value + reach, n, groups)


def standard_error(influence: Floats) -> float:
    """Standard error of a sum over G clusters of terms whose sum is zero, shape [G]."""
    groups = len(influence)
    return float(np.sqrt(np.square(influence).sum() * groups / (groups - 1)))


def student(groups: int, probability: float) -> float:
    """Quantile of Student's t with one degree of freedom less than there are clusters."""
    from scipy import special  # needs the extra `eval`

    return float(special.stdtrit(groups - 1, probability))


def holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (Holm 1979); a None stays None and is not counted as a test."""
    order = sorted((p, i) for i, p in enumerate(pvalues) if p is not None)
    adjusted: list[float | None] = [None] * len(pvalues)
    worst = 0.0
    for rank, (p, i) in enumerate(order):
        worst = max(worst, min(1.0, p * (len(order) - rank)))
        adjusted[i] = worst
    return adjusted


def spread(means: Sequence[float]) -> float | None:
    """Standard deviation between seeds (n - 1 in the denominator); None for fewer than two."""
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def divide(top: Floats, bottom: Floats) -> Floats:
    """Element-wise ratio; not-a-number where the denominator is 0 (a resample drew no row)."""
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom != 0)
