"""The facts about completions that the factors of a reward measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import Choice, chosen_cell
from gtalign.game import GameForm, pareto_frontier
from gtalign.reward.lengths import Lengths
from gtalign.reward.reading import Readings
from gtalign.reward.settings import RewardSettings
from gtalign.tasks import Question

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The facts about N completions. A factor returns one number for each.

    Args:
        settings: How the configuration measures factors.
        form: The game that chains are about.
        questions: The questions.
        readings: The completions, parsed.
        lengths: Lengths of their parts.
        quality: Quality to report, ``[N]``; NaN where no judge gave one.
        quality_user: Quality to the user, ``[N]``; NaN where no judge gave one.
        quality_llm: Quality to the LLM, ``[N]``; NaN where no judge gave one.
        solutions: Solution scores that a judge gave, by row.
        details: The details of each verdict with a score; none for the others.
    """

    settings: RewardSettings
    form: GameForm
    questions: Sequence[Question]
    readings: Readings
    lengths: Lengths
    quality: Numbers
    quality_user: Numbers
    quality_llm: Numbers
    solutions: Mapping[int, float]
    details: Sequence[Mapping[str, float]]

    def stated(self, name: str) -> Numbers:
        """A detail of the verdicts, ``[N]``; NaN where the judge states no number in [0, 1]."""
        stated_N = np.array([known.get(name, np.nan) for known in self.details], np.float64)
        return np.where((stated_N >= 0) & (stated_N <= 1), stated_N, np.nan)

    @property
    def payoffs_Nn2(self) -> Numbers:
        """Payoffs of the n cells (user, LLM) in each chain; for factors of the chain alone."""
        assert self.readings.payoffs_Nn2 is not None
        return self.readings.payoffs_Nn2

    @property
    def chain_rows(self) -> NDArray[np.intp]:
        """The rows of the K completions in which our parser finds a chain."""
        return self._chains[0]

    @property
    def chain_responses(self) -> Sequence[str]:
        """The responses of these K chains."""
        return self._chains[2]

    @cached_property
    def choices(self) -> list[Choice]:
        """The choices of these K chains' analyses."""
        return [chosen_cell(analyze, self.form) for analyze in self._chains[1]]

    @cached_property
    def frontier_Kmn(self) -> NDArray[np.bool_]:
        """The Pareto frontiers of their matrices."""
        chains = self.readings.chains
        assert chains is not None
        return pareto_frontier(chains.payoffs_Nmn2[self.chain_rows])

    @cached_property
    def _chains(self) -> tuple[NDArray[np.intp], Sequence[str], Sequence[str]]:
        assert self.readings.chains is not None
        return self.readings.chains.found()
