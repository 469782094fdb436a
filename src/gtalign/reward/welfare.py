"""From factors to the welfare of each side, and from the two welfares to one number.

All functions take arrays over N completions. NaN stands for unknown values, and a result that needs
an unknown value is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gtalign.game.welfare import ces
from gtalign.reward.config import RewardConfig
from gtalign.reward.evidence import Numbers
from gtalign.reward.factors import factors_of
from gtalign.reward.weights import Weights


@dataclass(frozen=True, slots=True)
class Welfare:
    """The welfare of one side as a weighted sum of its factors.

    Args:
        constant: Added as it is.
        terms: Each a factor, its weight, and the factor that it is multiplied by, if any.
    """

    constant: float
    terms: tuple[tuple[str, float, str | None], ...]

    @classmethod
    def of(cls, weights: Weights, *, gated: bool, chain: bool) -> "Welfare":
        """Build the sum.

        Args:
            weights: Weights of the side.
            gated: Whether factors that are `Factor.gated` are multiplied by the quality to the
                side.
            chain: Whether the chain's own terms count. If not, the remaining weights are scaled so
                that they sum to what all of them sum to; completions with and without a chain can
                then be compared.
        """
        answer, total = weights.sums()
        scale = 1.0 if chain or total == answer else total / answer
        gate = f"quality_{weights.side}" if gated else None
        return cls(
            weights.constant,
            tuple(
                (factor.name, weight * scale, gate if factor.gated else None)
                for factor in factors_of(weights.side)
                # A factor of weight 0 need not be known.
                if (weight := weights.of(factor.key)) > 0 and (chain or not factor.chain)
            ),
        )

    def measure(self, factors: Mapping[str, Numbers]) -> Numbers:
        """Return the welfare ``[N]`` of completions whose factors are known, by name."""
        result_N = np.full(len(factors["quality"]), self.constant)
        for name, weight, gate in self.terms:
            result_N += weight * (factors[name] if gate is None else factors[name] * factors[gate])
        return result_N


def mutual_welfare(user: Numbers, llm: Numbers) -> Numbers:
    """Return W = sqrt(U L), the Cobb-Douglas welfare."""
    return np.sqrt(user * llm)


def aggregate(user: Numbers, llm: Numbers, config: RewardConfig) -> Numbers:
    """Return the reward: the aggregate that the configuration names.

    It is unknown if either side is, under every aggregate.
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
