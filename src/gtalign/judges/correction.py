"""The rate that a fallible judge would report if it made no errors.

A judge says yes to some answers that deserve no, and no to some that deserve yes. A small gold set
that people labelled shows how often. That corrects the rate over the large set that only the judge
saw (Rogan and Gladen, "Estimating prevalence from the results of a screening test", American
Journal of Epidemiology 107, 1978):

    rate = (yes + specificity - 1) / (sensitivity + specificity - 1)

Both sets are samples, and the gold set is the smaller one: an interval that treats sensitivity and
specificity as known would be far too narrow. The interval here is the central one of the
posterior of the rate, with an even prior on [0, 1]; sensitivity and specificity are averaged over
draws from their Jeffreys posteriors, Beta(k + 1/2, n - k + 1/2), given the gold set (the model of
Gelman and Carpenter, "Bayesian analysis of tests with unknown specificity and sensitivity", Journal
of the Royal Statistical Society C 69, 2020, without hierarchy).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gtalign.errors import DataError

DRAWS = 4_000
_GRID = 1_001  # rates at which the posterior is computed


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A rate, corrected for the judge's errors.

    Args:
        value: The corrected rate, in [0, 1].
        low: Lower end of its interval.
        high: Upper end of its interval.
        reported: The judge's rate, uncorrected.
        sensitivity: Share of the gold set's true answers that the judge calls true.
        specificity: Share of the gold set's false answers that the judge calls false.
        n: Number of answers that only the judge saw.
        gold: Number of answers in the gold set.
    """

    value: float
    low: float
    high: float
    reported: float
    sensitivity: float
    specificity: float
    n: int
    gold: int


def corrected_rate(
    verdicts: Sequence[bool],
    gold: Sequence[tuple[bool, bool]],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
) -> CorrectedRate:
    """Correct the share of true verdicts for the judge's errors.

    Args:
        verdicts: The judge's verdicts on answers without a label. They must not hold the gold set.
        gold: The judge's verdict and the label of each answer of the gold set, which has to be
            drawn from the same kind of answers, with some of both labels.
        rng: Source of the draws.
        level: Confidence.
        draws: Number of draws of sensitivity and specificity.

    Raises:
        DataError: There is no verdict, the gold set lacks a label, or the judge is no better than
            chance on it.
    """
    if not verdicts:
        raise DataError("there is no verdict to correct")
    on_true = [verdict for verdict, label in gold if label]
    on_false = [verdict for verdict, label in gold if not label]
    if not on_true or not on_false:
        raise DataError(
            f"the gold set has {len(on_true)} true and {len(on_false)} false labels; it needs both"
        )
    counts = (
        (sum(verdicts), len(verdicts)),
        (sum(on_true), len(on_true)),
        (len(on_false) - sum(on_false), len(on_false)),
    )
    reported, sensitivity, specificity = (k / n for k, n in counts)
    informed = sensitivity + specificity - 1
    if informed <= 0:
        raise DataError(
            f"sensitivity {sensitivity:.3f} and specificity {specificity:.3f} of the judge on the"
            " gold set are no better than chance; nothing can be corrected with them"
        )
    value = min(max((reported + specificity - 1) / informed, 0.0), 1.0)
    low, high = _interval(counts, rng, level, draws)
    return CorrectedRate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        reported=reported,
        sensitivity=sensitivity,
        specificity=specificity,
        n=len(verdicts),
        gold=len(gold),
    )


def _interval(
    counts: Sequence[tuple[int, int]], rng: np.random.Generator, level: float, draws: int
) -> tuple[float, float]:
    """Return the central interval of the rate's posterior.

    Args:
        counts: Successes and trials of the verdicts, on the true labels and on the false ones.
        rng: Source of the draws.
        level: Share of the posterior that the interval holds.
        draws: Number of draws D.
    """
    (yes, number), *gold = counts
    sens_d, spec_d = (rng.beta(k + 0.5, n - k + 0.5, size=draws) for k, n in gold)
    rates_r = (np.arange(_GRID) + 0.5) / _GRID
    posterior_r = np.zeros(_GRID)
    peak = -np.inf
    for start in range(0, draws, 500):  # a few megabytes at once
        sens, spec = sens_d[start : start + 500, None], spec_d[start : start + 500, None]
        said_dr = rates_r * sens + (1 - rates_r) * (1 - spec)
        said_dr = np.clip(said_dr, 1e-300, 1 - 1e-16)  # a draw can round to 0 or 1
        log_dr = yes * np.log(said_dr) + (number - yes) * np.log1p(-said_dr)
        highest = max(peak, float(log_dr.max()))
        posterior_r = posterior_r * np.exp(peak - highest) + np.exp(log_dr - highest).sum(axis=0)
        peak = highest
    below_r = np.cumsum(posterior_r) / posterior_r.sum()
    tail = (1 - level) / 2
    low, high = np.interp([tail, 1 - tail], below_r, rates_r)
    return float(low), float(high)
