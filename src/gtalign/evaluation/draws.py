"""Draws of clusters: subsets of them, and resamples whose differences are studentised."""

from collections.abc import Iterator

import numpy as np

from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.sums import PairedSums

_CELLS = 4_000_000  # numbers held in memory at once
_ROUNDING = 1e-15  # variance, of the square of what varies, that is none


def resamples(
    groups: int, rng: np.random.Generator, count: int, width: int = 1
) -> Iterator[Floats]:
    """How often each of `groups` clusters is drawn, in chunks of shape [some resamples, G].

    Args:
        groups: Number of clusters.
        rng: Source of the draws.
        count: Number of resamples.
        width: Numbers that are computed of each resample, which bounds a chunk as well.
    """
    step = max(1, _CELLS // max(groups, width, 1))
    for start in range(0, count, step):
        rows = min(step, count - start)
        drawn = rng.integers(0, groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        counted = np.bincount(drawn.ravel(), minlength=rows * groups)
        yield counted.reshape(rows, groups).astype(np.float64)


def subsets(groups: int, rng: np.random.Generator, count: int) -> Floats:
    """Subsets of clusters as rows of 0 and 1: all but the empty one, or so many random ones."""
    if 2**groups <= count:
        numbers = np.arange(1, 2**groups)[:, None]
        return ((numbers >> np.arange(groups)) & 1).astype(np.float64)
    drawn = rng.integers(0, 2, size=(count, groups)).astype(np.float64)
    return drawn[drawn.any(axis=1)]


def studentised(sums: PairedSums, rng: np.random.Generator, count: int) -> Floats:
    """How far resamples are from the estimate, in their own standard errors.

    All quantities see the same resamples. The clustered variance of a resample is a polynomial in
    weighted sums of products of the four columns, so all of it is one matrix product.

    Args:
        sums: Sums by cluster, of K quantities; zeros where a cluster does not count.
        rng: Source of the draws.
        count: Number of resamples B.

    Returns:
        Shape [2, B, K]: of the difference a - b, and of the logarithm of a / b. Infinite where a
        resample has no spread, or no logarithm.
    """
    ta, ba, tb, bb = sums.parts
    products = (
        ta * ta,
        ta * ba,
        ba * ba,
        tb * tb,
        tb * bb,
        bb * bb,
        ta * tb,
        ta * bb,
        ba * tb,
        ba * bb,
    )
    columns = np.concatenate([ta, ba, tb, bb, *products], axis=1)
    found = [
        _distances((weights @ columns).reshape(len(weights), -1, sums.width), sums)
        for weights in resamples(sums.groups, rng, count, columns.shape[1])
    ]
    return np.concatenate(found, axis=1)


def _distances(drawn_bpk: Floats, sums: PairedSums) -> Floats:
    """The two distances of some resamples, shape [2, b, K], from their 14 sums."""
    totals = [part.sum(axis=0) for part in sums.parts]
    ta, ba, tb, bb, tata, taba, baba, tbtb, tbbb, bbbb, tatb, tabb, batb, babb = np.moveaxis(
        drawn_bpk, 1, 0
    )
    groups = sums.held.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # resamples without a row: not-a-number
        a, b = ta / ba, tb / bb
        var_a = (tata - 2 * a * taba + a * a * baba) / ba**2
        var_b = (tbtb - 2 * b * tbbb + b * b * bbbb) / bb**2
        cov = (tatb - b * tabb - a * batb + a * b * babb) / (ba * bb)
        was_a, was_b = totals[0] / totals[1], totals[2] / totals[3]
        factor = groups / (groups - 1)
        difference = _ratio(
            a - b - (was_a - was_b), factor * (var_a + var_b - 2 * cov), a * a + b * b
        )
        log = np.log(a / b) - np.log(was_a / was_b)
        spread = var_a / a**2 + var_b / b**2 - 2 * cov / (a * b)
        return np.stack([difference, _ratio(log, factor * spread, 1.0)])


def _ratio(distance: Floats, variance: Floats, size: Floats | float) -> Floats:
    """Distances over standard errors; infinite where the spread is rounding, or there is no row."""
    found = np.abs(distance) / np.sqrt(np.where(variance > _ROUNDING * size, variance, np.nan))
    return np.where(np.isnan(found), np.inf, found)
