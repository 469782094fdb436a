"""From factors to the welfare of each side, and from the two welfares to one number."""

import math
from collections.abc import Mapping

from gtalign.game.welfare import ces
from gtalign.reward.config import LLMWeights, RewardConfig, UserWeights

Factors = Mapping[str, float | None]


def user_welfare(factors: Factors, weights: UserWeights) -> float | None:
    """Return U, a weighted sum; None if a factor that it needs is unknown."""
    return _weigh(
        factors,
        weights.constant,
        {
            "quality_user": weights.quality,
            "response_window": weights.window,
            "latency": weights.latency,
        },
    )


def llm_welfare(factors: Factors, weights: LLMWeights) -> float | None:
    """Return L, a weighted sum; None if a factor that it needs is unknown."""
    return _weigh(
        factors,
        weights.constant,
        {
            "quality_llm": weights.quality,
            "total_window": weights.window,
            "format": weights.format,
            "distinctness": weights.distinctness,
            "solution": weights.solution,
        },
    )


def answer_llm_welfare(factors: Factors, weights: LLMWeights) -> float | None:
    """Return L without the chain's own terms.

    The remaining weights are scaled so that they sum to what all five sum to; completions with and
    without a chain can then be compared.
    """
    answer = weights.quality + weights.window
    scale = (answer + weights.format + weights.distinctness + weights.solution) / answer
    return _weigh(
        factors,
        weights.constant,
        {"quality_llm": weights.quality * scale, "total_window": weights.window * scale},
    )


def mutual_welfare(user: float | None, llm: float | None) -> float | None:
    """Return W = sqrt(U L), the Cobb-Douglas welfare; None if a side is unknown."""
    return None if user is None or llm is None else math.sqrt(user * llm)


def aggregate(user: float | None, llm: float | None, config: RewardConfig) -> float | None:
    """Return the reward: the aggregate that the configuration names; None if a side is unknown."""
    if user is None or llm is None:
        return None
    if config.aggregate == "user":
        return user
    if config.aggregate == "llm":
        return llm
    if config.aggregate == "linear":
        return (user + llm) / 2
    if config.aggregate == "ces":
        return float(ces(user, llm, config.rho))
    return math.sqrt(user * llm)


def _weigh(factors: Factors, constant: float, weights: Mapping[str, float]) -> float | None:
    total = constant
    for name, weight in weights.items():
        if weight > 0:
            value = factors[name]
            if value is None:
                return None
            total += weight * value
    return total
