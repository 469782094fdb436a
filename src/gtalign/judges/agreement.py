"""Agreement of judges with each other or with gold labels: Krippendorff's alpha.

Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D; its worked
examples are in the tests. The ratings themselves give the agreement by chance, raters may have left
out any unit, and any number of raters is allowed.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import DataError

Level = Literal["nominal", "ordinal", "interval"]
"""The meaning of a difference between scores: unequal, a distance in rank, a distance in value."""


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]], level: Level) -> float | None:
    """Return Krippendorff's alpha: 1 for perfect agreement, 0 for agreement by chance.

    alpha = 1 - D_o / D_e, with D_o the observed and D_e the expected disagreement, both over pairs
    of ratings of a unit by different raters.

    Args:
        ratings: Shape [raters, units]; None or not-a-number where a rater left a unit out. Gold
            labels are one more rater.
        level: ``nominal``: d = 0 or 1. ``ordinal``: d is the squared number of ratings between two
            scores, half of each score's own counted. ``interval``: d = (a - b)^2.

    Returns:
        None where it is not defined: fewer than two ratings can be paired, or all of those are
        equal.

    Raises:
        DataError: The raters have different numbers of units, or a rating is infinite.
    """
    if len({len(row) for row in ratings}) > 1:
        raise DataError(f"raters have {[len(row) for row in ratings]} units; they need the same")
    if not ratings or not ratings[0]:
        return None
    ratings_ru = np.array(
        [[np.nan if value is None else value for value in row] for row in ratings], dtype=np.float64
    )
    if np.isinf(ratings_ru).any():
        raise DataError("a rating is infinite")
    values, counts_uv = _counts(ratings_ru)
    pairable_u = counts_uv.sum(axis=1)
    counts_uv, pairable_u = counts_uv[pairable_u > 1], pairable_u[pairable_u > 1]
    totals_v = counts_uv.sum(axis=0)
    number = totals_v.sum()
    if np.count_nonzero(totals_v) < 2:
        return None
    # Pairs (a, b) within a unit, each unit weighted by 1 / (ratings - 1).
    weighted_uv = counts_uv / (pairable_u - 1)[:, None]
    observed_vv = weighted_uv.T @ counts_uv - np.diag(weighted_uv.sum(axis=0))
    expected_vv = (np.outer(totals_v, totals_v) - np.diag(totals_v)) / (number - 1)
    distance_vv = _distances(values, totals_v, level)
    return float(1 - (observed_vv * distance_vv).sum() / (expected_vv * distance_vv).sum())


def _counts(
    ratings_ru: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values that occur, ascending, and the count of each value in each unit."""
    known_ru = ~np.isnan(ratings_ru)
    values, index = np.unique(ratings_ru[known_ru], return_inverse=True)
    counts_uv = np.zeros((ratings_ru.shape[1], len(values)))
    np.add.at(counts_uv, (np.nonzero(known_ru)[1], index), 1.0)
    return values, counts_uv


def _distances(
    values: NDArray[np.float64], totals_v: NDArray[np.float64], level: Level
) -> NDArray[np.float64]:
    if level == "nominal":
        return 1 - np.eye(len(values))
    if level == "ordinal":
        values = np.cumsum(totals_v) - totals_v / 2  # mid-ranks: their differences are the counts
    elif level == "interval":
        values = values / max(np.abs(values).max(), 1.0)  # alpha is the same; squares stay finite
    else:
        raise DataError(f"level {level!r} is not nominal, ordinal or interval")
    return np.square(values[:, None] - values[None, :])
