"""The factors of the reward: the measured terms of welfare, one entry each.

The configuration, the score, transcripts, the tables of an evaluation and the documentation iterate
`FACTORS`, so a new entry appears in all of them. The formulas are those of GTAlign, arXiv
2510.08872, section 3 (`gtalign.reward.formulas`), and ours for robust terms
(`gtalign.reward.robust`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from gtalign.chain import solution_scores
from gtalign.game.form import Player
from gtalign.reward import formulas, robust
from gtalign.reward.evidence import Evidence, Numbers
from gtalign.reward.settings import Window


@dataclass(frozen=True, slots=True)
class Factor:
    """One measured term of welfare.

    Args:
        name: Its name in scores and transcripts.
        measures: What it measures, in a sentence.
        measure: Takes the `Evidence` on N completions; returns a number for each, ``[N]``, NaN
            where it is unknown. Completions that cannot be read become 0 in any case.
        sides: Whose welfare it enters: ``user``, ``llm``, both, or neither if it is only reported.
        weight: Key of its weight in the tables ``user`` and ``llm`` of a configuration; by default
            its name.
        unit: Unit of the number.
        range: Least and greatest value. A factor that enters a welfare stays within 0 and 1.
        chain: Whether it measures the chain. Such a factor is absent where no chain was asked for,
            and `measure` is then not called.
        gated: Whether robust terms multiply it by the quality to its side.
        stated: Whether only some judges state it, in the details of their verdicts. Scores leave it
            out where it is unknown.
        label: Its name in the tables of an evaluation; None leaves it out of them.
    """

    name: str
    measures: str
    measure: Callable[[Evidence], Numbers]
    sides: tuple[Player, ...] = ()
    weight: str | None = None
    unit: str = "share"
    range: tuple[float, float] = (0.0, 1.0)
    chain: bool = False
    gated: bool = False
    stated: bool = False
    label: str | None = None

    @property
    def key(self) -> str:
        """Key of its weight."""
        return self.weight or self.name


def _window(evidence: Evidence, part: str, limits: Window) -> Numbers:
    length_N = evidence.lengths.of(part, evidence.settings.unit)
    if evidence.settings.robust:
        return robust.upper_window(length_N, limits.high, limits.steepness)
    return formulas.window(length_N, limits.low, limits.high, limits.steepness)


def _response_window(evidence: Evidence) -> Numbers:
    return _window(evidence, "response", evidence.settings.response_window)


def _total_window(evidence: Evidence) -> Numbers:
    return _window(evidence, "total", evidence.settings.total_window)


def _latency(evidence: Evidence) -> Numbers:
    settings = evidence.settings
    before_N = evidence.lengths.of("before", settings.latency_unit)
    return formulas.latency(before_N, settings.latency_scale)


def _format(evidence: Evidence) -> Numbers:
    format_N = evidence.readings.well_formed_N.astype(np.float64)
    if evidence.settings.robust:
        carried_out = robust.carried_out(evidence.chain_responses, evidence.choices, evidence.form)
        format_N[evidence.chain_rows] *= carried_out
    return format_N


def _distinctness(evidence: Evidence) -> Numbers:
    measure = robust.contrast if evidence.settings.robust else formulas.distinctness
    return measure(evidence.payoffs_Nn2)


def _solution(evidence: Evidence) -> Numbers:
    # It stays unknown where the released code accepts a text that our parser cannot read.
    solution_N = np.full(len(evidence.readings), np.nan)
    scores_K = solution_scores(evidence.frontier_Kmn, evidence.choices, evidence.form)
    solution_N[evidence.chain_rows] = (
        robust.solution(evidence.frontier_Kmn, scores_K)
        if evidence.settings.robust
        else np.nan_to_num(scores_K)
    )
    for row, score in evidence.solutions.items():
        solution_N[row] = score
    return solution_N


FACTORS: Final[dict[str, Factor]] = {
    factor.name: factor
    for factor in (
        Factor(
            name="quality",
            measures="The judge's score of the answer, the one number to report.",
            measure=lambda evidence: evidence.quality,
            label="Answer quality",
        ),
        Factor(
            name="quality_user",
            measures="Q to the user: the quality of the answer, as its task defines it.",
            measure=lambda evidence: evidence.quality_user,
            sides=("user",),
            weight="quality",
        ),
        Factor(
            name="quality_llm",
            measures="Q to the LLM: the quality of the answer, as its task defines it.",
            measure=lambda evidence: evidence.quality_llm,
            sides=("llm",),
            weight="quality",
        ),
        Factor(
            name="response_window",
            measures="win(n; lo, hi, k) of the length n of the response, in the preset's `unit`.",
            measure=_response_window,
            sides=("user",),
            weight="window",
            gated=True,
        ),
        Factor(
            name="total_window",
            measures="win(n; lo, hi, k) of the length n of the completion, in the preset's `unit`.",
            measure=_total_window,
            sides=("llm",),
            weight="window",
            gated=True,
        ),
        Factor(
            name="latency",
            measures=(
                "exp(-n / `latency_scale`) of the length n of all that precedes the response, in"
                " `latency_unit`."
            ),
            measure=_latency,
            sides=("user",),
            gated=True,
        ),
        Factor(
            name="format",
            measures="F: 1 if the completion keeps the form of the chain, else 0.",
            measure=_format,
            sides=("llm",),
            unit="0 or 1",
            chain=True,
            label="Format",
        ),
        Factor(
            name="distinctness",
            measures=(
                "M: each of the six cells adds 1/12 if its two payoffs differ, and 1/12 if they"
                " differ by more than 10% of the larger magnitude."
            ),
            measure=_distinctness,
            sides=("llm",),
            chain=True,
        ),
        Factor(
            name="solution",
            measures=(
                "S: 1 if the analysis chooses a cell on the Pareto frontier of the chain's own"
                " matrix, 0.5 if it chooses only an LLM action that occurs on the frontier, else 0."
            ),
            measure=_solution,
            sides=("llm",),
            unit="0, 0.5 or 1",
            chain=True,
            label="Solution S",
        ),
        Factor(
            name="episode_user",
            measures=(
                "The user's true payoff of what the answer carries out, scaled to 0..1, where the"
                " judge knows it: `episode_user` in the details of its verdict."
            ),
            measure=lambda evidence: evidence.stated("episode_user"),
            sides=("user",),
            stated=True,
        ),
        Factor(
            name="episode_llm",
            measures=(
                "The LLM's true payoff of what the answer carries out, scaled to 0..1, where the"
                " judge knows it: `episode_llm` in the details of its verdict."
            ),
            measure=lambda evidence: evidence.stated("episode_llm"),
            sides=("llm",),
            stated=True,
        ),
    )
}
"""The factors by name. An entry of your own takes effect as soon as you add it."""


def factors_of(side: Player) -> tuple[Factor, ...]:
    """The factors that enter the welfare of a side."""
    return tuple(factor for factor in FACTORS.values() if side in factor.sides)
