"""Two models on the same questions: the difference, its interval and its p value.

Each method takes clusters, not rows, as the units that could have come out otherwise:

- *Sign flips*, for few clusters. If nothing differs, the difference of each cluster could as well
  have the other sign, so G clusters have 2^G tables. The p value is the share of them that are as
  extreme as ours (Fisher 1935), and the interval holds the differences that this test does not
  reject: its ends are differences over subsets of the clusters (Hartigan, "Using subsample values
  as typical values", JASA 1969). Both are exact for differences that are symmetric.
- *Bootstrap*, for many. Clusters are drawn with replacement. Each draw's distance from our
  difference is divided by the draw's own standard error, and our difference is compared with these
  ratios (Hall, "On symmetric bootstrap confidence intervals", JRSS B 1988).
- *Student's t* on the clustered standard error: where most differences are of a few sizes, as with
  0/1 outcomes, for which sign flips seldom come near .05; and for so many clusters that a bootstrap
  gives the same.

`benchmarks/levels.py` measures how often each finds a difference where there is none.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from gtalign.evaluation.draws import studentised, subsets
from gtalign.evaluation.statistics import LEAST, LEVEL, Floats, standard_error, student
from gtalign.evaluation.sums import PairedSums

RESAMPLES: Final = 10_000
POWER: Final = 0.8
"""Share of comparisons in which a difference of the detectable size is found."""

MANY: Final = 100
"""Clusters from which on the bootstrap is used, and below which signs are flipped."""

PLENTY: Final = 500
"""Clusters from which on the bootstrap and Student's t agree."""

_BOUNDLESS: Final = 10.0  # logarithm of a ratio that says no more than "any"
_EXACT: Final = 1e-9  # relative size of a difference that is rounding

Method = Literal["none", "sign flips", "t", "bootstrap"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """The difference a - b between two models on the same questions.

    Attributes:
        value: a - b over the clusters that both models have; None where there are none.
        low: Lower end of its interval; None for fewer than two clusters.
        high: Upper end.
        p: Two-sided p value of "no difference"; None for fewer than `LEAST` clusters, and never
            below 2 / 2^clusters, the least that sign flips of so many clusters can show.
        relative: a / b - 1; None where b is not positive.
        relative_low: Lower end of its interval; None where it cannot be told.
        relative_high: Upper end.
        clusters: Clusters that both models have.
        method: How interval and p value were found. With ``none`` there is no p value, and the
            interval is Student's, which takes differences to be normal.
        detectable: The smallest true difference that so many questions show as p < .05 in `POWER`
            of comparisons; None where the differences have no spread.
        mcnemar: The p value of McNemar's exact test; None unless each cluster is one pair of 0/1
            outcomes.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    clusters: int
    method: Method = "none"
    detectable: float | None = None
    mcnemar: float | None = None


NOTHING: Final = Contrast(None, None, None, None, None, None, None, 0)
"""The contrast of models that share no question."""


def contrasts(
    sums: PairedSums, rng: np.random.Generator, count: int = RESAMPLES, level: float = LEVEL
) -> list[Contrast]:
    """Compare two models in K quantities, from one set of resamples.

    Args:
        sums: Sums of both by cluster.
        rng: Source of the resamples.
        count: Number of resamples.
        level: Confidence of the intervals.
    """
    clusters_k = sums.held.sum(axis=0)
    many = np.flatnonzero((clusters_k >= MANY) & (clusters_k < PLENTY))
    drawn = studentised(sums.columns(many), rng, count) if len(many) else None
    places = {int(k): place for place, k in enumerate(many)}
    halves: dict[int, Floats] = {}
    found = []
    for k in range(sums.width):
        own = sums.column(k)
        place = places.get(k)
        if drawn is not None and place is not None:
            found.append(_contrast(own, level, drawn=drawn[:, :, place]))
            continue
        if LEAST <= own.groups < MANY and own.groups not in halves:
            halves[own.groups] = subsets(own.groups, rng, count)
        found.append(_contrast(own, level, halves=halves.get(own.groups)))
    return found


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A number with its standard error."""

    value: float
    error: float

    def ends(self, reach: float) -> tuple[float, float]:
        return self.value - reach * self.error, self.value + reach * self.error


def _contrast(
    sums: PairedSums, level: float, *, halves: Floats | None = None, drawn: Floats | None = None
) -> Contrast:
    """Compare in one quantity.

    Args:
        sums: Its sums, in the clusters that both models have.
        level: Confidence of the intervals.
        halves: Subsets of the clusters, for sign flips.
        drawn: Studentised resamples of the difference and of the log ratio, shape [2, B].
    """
    groups = sums.groups
    if groups == 0:
        return NOTHING
    a, b = sums.ratios()
    relative = a / b - 1 if b > 0 else None
    if groups < 2:
        return Contrast(a - b, None, None, None, relative, None, None, groups)
    terms_a, terms_b = sums.influence()
    difference = _Estimate(a - b, standard_error(terms_a - terms_b))
    log_ratio = None
    if a > 0 and b > 0:
        log_ratio = _Estimate(float(np.log(a / b)), standard_error(terms_a / a - terms_b / b))
    if halves is not None and not _few_sizes(sums):
        method: Method = "sign flips"
        p: float | None
        low, high, p, gain = _flips(sums, halves, level)
    else:
        method, low, high, p, gain = _studentised(difference, log_ratio, drawn, groups, level)
    reach = student(groups, (1 + LEVEL) / 2) + student(groups, POWER)
    spread = difference.error > 1e-12 * max(abs(a), abs(b))
    return Contrast(
        value=a - b,
        low=low,
        high=high,
        p=None if p is None else min(1.0, max(p, 2.0 ** (1 - groups))),
        relative=relative,
        relative_low=None if gain is None else gain[0],
        relative_high=None if gain is None else gain[1],
        clusters=groups,
        method=method,
        detectable=reach * difference.error if spread else None,
        mcnemar=_mcnemar(sums),
    )


Ends = tuple[float, float] | None


def _studentised(
    difference: _Estimate,
    log_ratio: _Estimate | None,
    drawn: Floats | None,
    groups: int,
    level: float,
) -> tuple[Method, float, float, float | None, Ends]:
    """Method, ends and p value of the difference, and ends of the gain."""
    reaches = np.full(2, student(groups, (1 + level) / 2))
    p: float | None = None if groups < LEAST else _student_p(difference, groups)
    method: Method = "none" if p is None else "t"
    if drawn is not None and difference.error > 0:
        found = np.sort(drawn, axis=1)[:, int(np.ceil(level * (drawn.shape[1] + 1))) - 1]
        if np.isfinite(found[0]):  # else too many draws have no spread
            method = "bootstrap"
            size = abs(difference.value) / difference.error
            p = (1 + int(np.count_nonzero(drawn[0] >= size * (1 - _EXACT)))) / (len(drawn[0]) + 1)
            reaches = np.where(np.isfinite(found), found, reaches)
    gain = None
    if log_ratio is not None:
        below, above = log_ratio.ends(float(reaches[1]))
        if above < _BOUNDLESS:
            gain = float(np.expm1(below)), float(np.expm1(above))
    return method, *difference.ends(float(reaches[0])), p, gain


def _student_p(difference: _Estimate, groups: int) -> float:
    if difference.error <= 0:
        return float(difference.value == 0)
    from scipy import special  # needs the extra `eval`

    return float(2 * special.stdtr(groups - 1, -abs(difference.value) / difference.error))


def _flips(sums: PairedSums, halves: Floats, level: float) -> tuple[float, float, float, Ends]:
    """Ends and p value of the difference, and ends of the gain, from subsets of the clusters.

    To flip the signs of a subset turns the total beyond ours if the subset's own total is beyond 0.
    """
    ta, ba, tb, bb = ((halves @ part)[:, 0] for part in sums.parts)
    a, b = ta / ba, tb / bb
    differences = np.sort(a - b)
    rounding = _EXACT * float(np.abs(a).max() + np.abs(b).max())
    below = int(np.count_nonzero(differences <= rounding))
    above = int(np.count_nonzero(differences >= -rounding))
    tables = len(differences) + 1  # that of no flip is as extreme as ours
    place = int((1 - level) / 2 * tables) - 1
    gain = None
    if b.min() > 0:
        ratios = np.sort(a / b - 1)
        gain = float(ratios[place]), float(ratios[-1 - place])
    p = 2 * (min(below, above) + 1) / tables
    return float(differences[place]), float(differences[-1 - place]), p, gain


def _few_sizes(sums: PairedSums) -> bool:
    """Whether less than half of the differences that are not zero are of a size of their own."""
    sizes = np.abs(sums.top_a / sums.bottom_a - sums.top_b / sums.bottom_b)[:, 0]
    sizes = sizes[sizes > _EXACT * sizes.max()]
    return 2 * len(np.unique(np.round(sizes / sizes.max(initial=0.0), 9))) < len(sizes)


def _mcnemar(sums: PairedSums) -> float | None:
    """McNemar's exact test (1947): the pairs that differ, against as many heads and tails."""
    ta, ba, tb, bb = (part[:, 0] for part in sums.parts)
    single = (ba == 1).all() and (bb == 1).all()
    if not single or not (np.isin(ta, (0, 1)).all() and np.isin(tb, (0, 1)).all()):
        return None
    from scipy import special  # needs the extra `eval`

    wins, losses = int(np.count_nonzero(ta > tb)), int(np.count_nonzero(ta < tb))
    if wins + losses == 0:
        return 1.0
    return min(1.0, 2 * float(special.bdtr(min(wins, losses), wins + losses, 0.5)))
