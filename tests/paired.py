"""Two models compared on the same rows, from the pieces that a comparison is made of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gtalign.evaluation.statistics import (
    LEVEL,
    RESAMPLES,
    Contrast,
    bootstrap_sums,
    cluster_sums,
    codes,
    contrast,
    divide,
)


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[object],
    rng: np.random.Generator,
    *,
    per_a: ArrayLike | None = None,
    per_b: ArrayLike | None = None,
    count: int = RESAMPLES,
    level: float = LEVEL,
) -> Contrast:
    """Paired cluster bootstrap of the difference between two models' means or ratios.

    Args:
        a: Values of the first model, one row per answer, shape [N]; not-a-number where unknown.
        b: Values of the second model on the same rows, shape [N].
        clusters: Cluster of each row.
        rng: Source of the resamples.
        per_a: If given, shape [N], the estimate is sum(a) / sum(per_a): a ratio of means.
        per_b: Likewise for b.
        count: Number of resamples.
        level: Confidence of the intervals.
    """
    arrays = [
        np.asarray(x, dtype=np.float64)
        for x in (a, b, a if per_a is None else per_a, b if per_b is None else per_b)
    ]
    code, groups = codes(clusters)
    missing = np.isnan(arrays).any(axis=0)
    for x in arrays:
        x[missing] = np.nan
    top_a, n = cluster_sums(arrays[0], code, groups)
    top_b, _ = cluster_sums(arrays[1], code, groups)
    bottom_a = n if per_a is None else cluster_sums(arrays[2], code, groups)[0]
    bottom_b = n if per_b is None else cluster_sums(arrays[3], code, groups)[0]
    held = n > 0
    columns = np.stack([top_a, bottom_a, top_b, bottom_b], axis=1)[held]
    if not len(columns):
        return Contrast(None, None, None, None, None, None, None, 0)
    drawn = bootstrap_sums(columns, rng, count)
    totals = columns.sum(axis=0)
    return contrast(
        (float(totals[0] / totals[1]), float(totals[2] / totals[3])),
        divide(drawn[:, 0], drawn[:, 1]),
        divide(drawn[:, 2], drawn[:, 3]),
        len(columns),
        level,
    )
