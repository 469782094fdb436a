"""Means, ratios and paired differences with intervals, clustered by question.

Rows that answer the same question, under several seeds or as rewordings of one source prompt, are
not independent: they form one *cluster*, and the bootstrap draws clusters, not rows. Every quantity
here is a ratio of two sums over rows (a mean is the ratio of a sum to a count). So all quantities
are computed from sums per cluster, and a bootstrap is one matrix product.

Not-a-number marks a row without the measurement; it is left out of both sums and never counts as
zero.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import DataError

Floats = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
_CHUNK_CELLS = 4_000_000  # resample weights held in memory at once


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        value: The estimate; None where no row has the measurement.
        low: Lower end; None where fewer than two clusters leave it undefined.
        high: Upper end; None where fewer than two clusters leave it undefined.
        n: Rows that have the measurement.
        clusters: Distinct clusters among them.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """The difference a - b between two models on the same questions.

    Attributes:
        value: a - b over the clusters that both models have; None where there are none.
        low: Lower end of its percentile interval; None for fewer than two clusters.
        high: Upper end.
        p: Two-sided bootstrap p value of "no difference"; never below 2 / (resamples + 1).
        relative: a / b - 1; None where b is not positive.
        relative_low: Lower end of its percentile interval.
        relative_high: Upper end.
        clusters: Clusters that both models have.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
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
    """The interval of `mean_ci` from sums and counts per cluster, both of shape [G]."""
    held = counts > 0
    sums, counts = sums[held], counts[held]
    n, groups = int(counts.sum()), len(counts)
    if n == 0:
        return Interval(None, None, None, 0, 0)
    mean = float(sums.sum() / n)
    if groups < 2:
        return Interval(mean, None, None, n, groups)
    from scipy import special  # needs the extra `eval`

    residuals = sums - mean * counts
    error = float(np.sqrt(np.square(residuals).sum() * groups / (groups - 1)) / n)
    reach = float(special.stdtrit(groups - 1, (1 + level) / 2)) * error
    return Interval(mean, mean - reach, mean + reach, n, groups)


def resamples(groups: int, rng: np.random.Generator, count: int = RESAMPLES) -> Iterator[Floats]:
    """How often each of `groups` clusters is drawn, in chunks of shape [some resamples, G]."""
    step = max(1, _CHUNK_CELLS // max(groups, 1))
    for start in range(0, count, step):
        rows = min(step, count - start)
        drawn = rng.integers(0, groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        counted = np.bincount(drawn.ravel(), minlength=rows * groups)
        yield counted.reshape(rows, groups).astype(np.float64)


def bootstrap_sums(columns: Floats, rng: np.random.Generator, count: int = RESAMPLES) -> Floats:
    """Totals of each column under resampled clusters.

    Args:
        columns: Sums per cluster, shape [G, K]. All columns see the same resamples, so that their
            differences and ratios are paired.
        rng: Source of the resamples.
        count: Number of resamples B.

    Returns:
        Shape [B, K].
    """
    groups = columns.shape[0]
    return np.concatenate([weights @ columns for weights in resamples(groups, rng, count)])


def ratio_of_totals(
    top: Floats, bottom: Floats, tops: Floats, bottoms: Floats, level: float = LEVEL
) -> Interval:
    """Ratio of two sums with a percentile interval.

    Args:
        top: Numerator per cluster, shape [G].
        bottom: Denominator per cluster, shape [G].
        tops: Resampled numerators, shape [B], from `bootstrap_sums`.
        bottoms: Resampled denominators, shape [B].
        level: Confidence.

    Returns:
        The interval; rows are not known here, so its `n` is the number of clusters.
    """
    held = int(np.count_nonzero(bottom))
    if held == 0:
        return Interval(None, None, None, 0, 0)
    value = float(top.sum() / bottom.sum())
    if held < 2:
        return Interval(value, None, None, held, held)
    low, high = _percentiles(divide(tops, bottoms), level)
    return Interval(value, low, high, held, held)


def contrast(
    totals: tuple[float, float],
    drawn_a: Floats,
    drawn_b: Floats,
    clusters: int,
    level: float = LEVEL,
) -> Contrast:
    """Compare two estimates by their paired resamples.

    Args:
        totals: The estimates of a and b on the clusters that both have.
        drawn_a: a under each resample, shape [B].
        drawn_b: b under the same resamples, shape [B].
        clusters: Number of clusters behind them.
        level: Confidence.
    """
    a, b = totals
    if clusters == 0:
        return Contrast(None, None, None, None, None, None, None, 0)
    relative = a / b - 1 if b > 0 else None
    if clusters < 2:
        return Contrast(a - b, None, None, None, relative, None, None, clusters)
    differences = drawn_a - drawn_b
    differences = differences[~np.isnan(differences)]
    low, high = _percentiles(differences, level)
    # Adding one to both counts keeps the p value away from an impossible zero.
    tail = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    p = min(1.0, 2 * (tail + 1) / (len(differences) + 1))
    relative_low: float | None = None
    relative_high: float | None = None
    if relative is not None and np.nanmin(drawn_b) > 0:
        relative_low, relative_high = _percentiles(divide(drawn_a, drawn_b) - 1, level)
    return Contrast(a - b, low, high, p, relative, relative_low, relative_high, clusters)


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


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    tail = 50 * (1 - level)
    low, high = np.percentile(values[~np.isnan(values)], [tail, 100 - tail])
    return float(low), float(high)
