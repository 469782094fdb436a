"""From factors to the welfare of each side, and from the two welfares to one number.

All functions take arrays over N completions. NaN stands for unknown values, and a result that needs
an unknown value is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gtalign.game.form import TOLERANCE
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


def constrained(user: Numbers, llm: Numbers, least: float) -> Numbers:
    """Return a reward whose best answer has the highest U of those with L >= ``least``.

    There it is (1 + U)/2. Below, where U does not count, it is half the share of ``least`` that L
    reaches. So every answer that meets the constraint is better than any that does not (Deb, "An
    efficient constraint handling method for genetic algorithms", 2000).

    Args:
        user: U, ``[N]``, in [0, 1].
        llm: L, ``[N]``.
        least: The L that is asked for, above 0.
    """
    return np.where(llm >= least - TOLERANCE, (1 + user) / 2, llm / least / 2)


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
    if config.aggregate == "weighted":
        return config.user_weight * user + (1 - config.user_weight) * llm
    if config.aggregate == "constrained":
        return constrained(user, llm, config.least)
    if config.aggregate == "ces":
        return ces(user, llm, config.rho)
    return mutual_welfare(user, llm)
