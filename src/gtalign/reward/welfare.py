"""From factors to the welfare of each side, and from the two welfares to one number.

All of it is over arrays of N completions. NaN stands for what is unknown, and whatever needs an
unknown is unknown.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from gtalign.game.welfare import ces
from gtalign.reward.config import LLMWeights, RewardConfig, UserWeights

Numbers = NDArray[np.float64]
Factors = Mapping[str, Numbers]


def user_welfare(factors: Factors, weights: UserWeights, earned: bool = False) -> Numbers:
    """Return U, a weighted sum.

    Args:
        factors: By name, each ``[N]``.
        weights: Of the user.
        earned: Whether window and latency count only as far as the answer helps: each is
            multiplied by the quality.
    """
    return _weigh(
        factors,
        weights.constant,
        (
            ("quality_user", weights.quality),
            ("response_window", weights.window),
            ("latency", weights.latency),
        ),
        "quality_user" if earned else None,
    )


def llm_welfare(factors: Factors, weights: LLMWeights, earned: bool = False) -> Numbers:
    """Return L, a weighted sum.

    Args:
        factors: By name, each ``[N]``.
        weights: Of the LLM.
        earned: Whether the window is multiplied by the quality.
    """
    return _weigh(
        factors,
        weights.constant,
        (
            ("quality_llm", weights.quality),
            ("total_window", weights.window),
            ("format", weights.format),
            ("distinctness", weights.distinctness),
            ("solution", weights.solution),
        ),
        "quality_llm" if earned else None,
    )


def answer_llm_welfare(factors: Factors, weights: LLMWeights, earned: bool = False) -> Numbers:
    """Return L without the chain's own terms.

    The remaining weights are scaled so that they sum to what all five sum to; completions with and
    without a chain can then be compared.
    """
    answer = weights.quality + weights.window
    scale = (answer + weights.format + weights.distinctness + weights.solution) / answer
    return _weigh(
        factors,
        weights.constant,
        (("quality_llm", weights.quality * scale), ("total_window", weights.window * scale)),
        "quality_llm" if earned else None,
    )


def mutual_welfare(user: Numbers, llm: Numbers) -> Numbers:
    """Return W = sqrt(U L), the Cobb-Douglas welfare."""
    return np.sqrt(user * llm)


def aggregate(user: Numbers, llm: Numbers, config: RewardConfig) -> Numbers:
    """Return the reward: the aggregate that the configuration names.

    Unknown if a side is, whatever the aggregate.
    """
    known = ~(np.isnan(user) | np.isnan(llm))
    return np.where(known, _aggregate(user, llm, config), np.nan)


def _aggregate(user: Numbers, llm: Numbers, config: RewardConfig) -> Numbers:
    if config.aggregate == "user":
        return user
    if config.aggregate == "llm":
        return llm
    if config.aggregate == "linear":
        return (user + llm) / 2
    if config.aggregate == "ces":
        return ces(user, llm, config.rho)
    return mutual_welfare(user, llm)


_LENGTHS = frozenset({"response_window", "total_window", "latency"})


def _weigh(
    factors: Factors, constant: float, weights: Iterable[tuple[str, float]], gate: str | None
) -> Numbers:
    """Return the weighted sum, each term of lengths multiplied by the factor ``gate``."""
    total = np.full(len(factors["quality"]), constant)
    for name, weight in weights:
        if weight > 0:  # what weighs nothing need not be known
            gated = gate is not None and name in _LENGTHS
            total += weight * (factors[name] * factors[gate] if gated and gate else factors[name])
    return total
