"""From factors to the welfare of each side, and from the two welfares to one number."""

import math
from collections.abc import Iterable, Mapping

from gtalign.game.welfare import ces
from gtalign.reward.config import LLMWeights, RewardConfig, UserWeights

Factors = Mapping[str, float | None]


def user_welfare(factors: Factors, weights: UserWeights, earned: bool = False) -> float | None:
    """Return U, a weighted sum; None if a factor that it needs is unknown.

    Args:
        factors: By name.
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


def llm_welfare(factors: Factors, weights: LLMWeights, earned: bool = False) -> float | None:
    """Return L, a weighted sum; None if a factor that it needs is unknown.

    Args:
        factors: By name.
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


def answer_llm_welfare(factors: Factors, weights: LLMWeights, earned: bool = False) -> float | None:
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


_LENGTHS = frozenset({"response_window", "total_window", "latency"})


def _weigh(
    factors: Factors, constant: float, weights: Iterable[tuple[str, float]], gate: str | None
) -> float | None:
    """Return the weighted sum, each term of lengths multiplied by the factor ``gate``."""
    total = constant
    for name, weight in weights:
        if weight > 0:
            value = factors[name]
            if value is None:
                return None
            if gate is not None and name in _LENGTHS:
                share = factors[gate]
                if share is None:
                    return None
                value *= share
            total += weight * value
    return total
