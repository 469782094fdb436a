"""The scores of completions: one by one, and as columns."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import Chain, Chains
from gtalign.errors import JudgeError
from gtalign.reward.factors import FACTORS

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a completion. None always means unknown, never 0.

    Args:
        chain: The chain, as our parser reads it.
        chain_error: Why there is none; None if no chain was asked for.
        tokens: Number of tokens in each block that could be read, ``before`` the response block,
            and in ``total``.
        factors: Each of `FACTORS`; None if it could not be measured or does not apply.
        user_welfare: U.
        llm_welfare: L.
        mutual_welfare: W = sqrt(U L), under every aggregate.
        answer_llm_welfare: L without the chain's own terms, to compare with plain answers.
        answer_mutual_welfare: sqrt of U times ``answer_llm_welfare``.
        reward: The configured aggregate.
        unscored: Why the welfare is unknown; None if it is known.
    """

    chain: Chain | None
    chain_error: str | None
    tokens: Mapping[str, int]
    factors: Mapping[str, float | None]
    user_welfare: float | None
    llm_welfare: float | None
    mutual_welfare: float | None
    answer_llm_welfare: float | None
    answer_mutual_welfare: float | None
    reward: float | None
    unscored: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the score as the fields of a transcript (the reward itself is not one)."""
        record = {name: getattr(self, name) for name in _MEASURED}
        record["chain"] = None if self.chain is None else self.chain.to_json()
        record["tokens"] = dict(self.tokens)
        record["factors"] = {
            name: value
            for name, value in self.factors.items()
            if value is not None or not FACTORS[name].stated
        }
        return record


NUMBERS: Final = tuple(f.name for f in fields(Score) if f.type == float | None)
"""The numbers of a score, by the names of their fields: every welfare, and the reward."""

_EVERY: Final = tuple(name for name in NUMBERS if name.endswith("welfare"))

WELFARE: Final = tuple(name for name in _EVERY if not name.startswith("answer_"))
"""The welfare of the user, of the LLM, and the mutual one: U, L and W."""

PLAIN_WELFARE: Final = tuple(name for name in _EVERY if f"answer_{name}" not in _EVERY)
"""The same without the chain's own terms, which a plain answer cannot earn."""

_MEASURED: Final = tuple(field.name for field in fields(Score) if field.name != "reward")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The scores of N completions, as columns; ``scores[row]`` is the `Score` of one.

    Every column is an array ``[N]`` with NaN for unknown values, where a `Score` has None. `Score`
    describes each column.

    Args:
        chains: The chains; None if none were asked for.
        chain_errors: Why there is no chain, by row.
        tokens: Numbers of tokens by block, ``before`` and ``total``; NaN for a block that could not
            be read.
        recorded: Token counts of earlier scores that were used, by row.
        factors: The factors by name, each of `FACTORS`.
        user_welfare: U.
        llm_welfare: L.
        mutual_welfare: W.
        answer_llm_welfare: L without the chain's own terms.
        answer_mutual_welfare: sqrt of U times ``answer_llm_welfare``.
        reward: The configured aggregate.
        unscored: Why the welfare is unknown, by row.
        errors: The errors of verdicts outside the range of their task, by row; these rows are
            unscored.
    """

    chains: Chains | None
    chain_errors: Mapping[int, str]
    tokens: Mapping[str, Numbers]
    recorded: Mapping[int, Mapping[str, int]]
    factors: Mapping[str, Numbers]
    user_welfare: Numbers
    llm_welfare: Numbers
    mutual_welfare: Numbers
    answer_llm_welfare: Numbers
    answer_mutual_welfare: Numbers
    reward: Numbers
    unscored: Mapping[int, str]
    errors: Mapping[int, JudgeError]

    def __len__(self) -> int:
        return len(self.reward)

    def __iter__(self) -> Iterator[Score]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> Score:
        row = range(len(self))[row]
        tokens = self.recorded.get(row)
        if tokens is None:
            columns = self.tokens.items()
            tokens = {k: int(counts[row]) for k, counts in columns if not math.isnan(counts[row])}
        return Score(
            chain=None if self.chains is None else self.chains[row],
            chain_error=self.chain_errors.get(row),
            tokens=tokens,
            factors={name: _known(column[row]) for name, column in self.factors.items()},
            **{name: _known(getattr(self, name)[row]) for name in NUMBERS},
            unscored=self.unscored.get(row),
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
