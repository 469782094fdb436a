"""How the times of many answers are spread: counts that can be added, and percentiles of them."""

from collections.abc import Sequence
from math import inf
from typing import Any, Final

from sqlalchemy import ColumnElement, Label, case, func

BOUNDS: Final = (*(0.25 * 2.0**step for step in range(16)), inf)
"""Ends of the buckets in milliseconds, inclusive: each is twice as wide as the one before."""

NAMES: Final = tuple(f"within_{number}" for number in range(len(BOUNDS)))
"""Names of the columns that count the times up to each bound."""


def counted(time: ColumnElement[Any]) -> list[Label[Any]]:
    """The number of times up to each bound, of a column of milliseconds; unknown times have none.

    The counts are cumulative: the last one is the number of known times.
    """
    ends = (time <= bound if bound < inf else time.is_not(None) for bound in BOUNDS)
    return [
        func.sum(case((end, 1), else_=0)).label(name) for name, end in zip(NAMES, ends, strict=True)
    ]


def percentile(within: Sequence[float | None], share: float) -> float | None:
    """The time that a share of the answers did not exceed, in milliseconds.

    Between the ends of a bucket, times count as evenly spread, as in Prometheus'
    ``histogram_quantile``. A time above the last finite bound is given as that bound.

    Args:
        within: Number of times up to each of `BOUNDS`; None where nobody counted them.
        share: 0.5 for the median, 0.95 for the 95th percentile.
    """
    counts = [count for count in within if count is not None]
    if len(counts) < len(BOUNDS) or not counts[-1]:
        return None
    rank, below, low = share * counts[-1], 0.0, 0.0
    for bound, count in zip(BOUNDS[:-1], counts, strict=False):
        if count >= rank and count > below:
            return low + (bound - low) * (rank - below) / (count - below)
        below, low = count, bound
    return low
