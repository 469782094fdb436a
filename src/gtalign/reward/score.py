"""The reward of completions, with all its terms."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import Final

import numpy as np

from gtalign.chain import parse_batch
from gtalign.errors import JudgeError
from gtalign.game import USER_LLM, GameForm
from gtalign.judges import Verdict
from gtalign.models import count_words
from gtalign.reward.config import RewardConfig
from gtalign.reward.evidence import Evidence, Numbers
from gtalign.reward.factors import FACTORS
from gtalign.reward.lengths import Lengths, usable
from gtalign.reward.reading import Readings, read_as_released, read_chains, read_plain
from gtalign.reward.scores import Scores
from gtalign.reward.weights import Weights
from gtalign.reward.welfare import Welfare, aggregate, mutual_welfare
from gtalign.tasks import Question, task_named

NO_VERDICT: Final = "no verdict"
"""Why an answer is unscored that no judge has graded."""


class Reward:
    """Reads completions, then scores them; each completion is parsed once.

    Args:
        config: Preset, weights and aggregate; those of ``robust`` by default.
        count_tokens: Length of a text in the model's tokens; by default words are counted.
        form: The game that chains are about.
    """

    def __init__(
        self,
        config: RewardConfig | None = None,
        count_tokens: Callable[[str], int] | None = None,
        form: GameForm = USER_LLM,
    ) -> None:
        self.config = config or RewardConfig()
        self.count_tokens = count_tokens or count_words
        self.form = form
        self._user = self._sums(self.config.user)
        self._llm = self._sums(self.config.llm)
        by_task = self.config.llm_by_task.items()
        self._llm_by_task = {task: self._sums(weights) for task, weights in by_task}
        sums = (self._user, self._llm, *self._llm_by_task.values())
        chain = self.config.chain
        terms = {t[0] for whole, answer in sums for t in (whole if chain else answer).terms}
        self._weighed = [name for name in FACTORS if name in terms]

    def read(self, completions: Sequence[str]) -> Readings:
        """Parse N completions, in the configured way.

        A judge grades the ``responses`` of the result. A response that is None cannot be read:
        there is nothing to judge, and `score` gives it 0.

        Args:
            completions: The whole texts of the model.
        """
        if not self.config.chain:
            return read_plain(completions)
        reading = self.config.reading
        chains = parse_batch(
            completions, self.form, tolerant=reading != "strict", belief=self.config.belief
        )
        if reading in ("strict", "tolerant"):
            return read_chains(chains)
        return read_as_released(chains, needs_analyze=reading == "released-eval")

    def score(
        self,
        questions: Sequence[Question],
        readings: Readings,
        verdicts: Sequence[Verdict | None],
        solutions: Sequence[float | None] | None = None,
        tokens: Sequence[Mapping[str, int] | None] | None = None,
    ) -> Scores:
        """Score N completions.

        A completion that cannot be read as the requested chain scores 0 in everything, under any
        verdict. Quality and welfare are unknown where the verdict is missing, has no score, or has
        one outside the task's range (which is then among the ``errors`` of the result), and where a
        plain answer has no response. An error in one row does not affect the others.

        Args:
            questions: The questions.
            readings: The completions, as `read` returns them.
            verdicts: A judge's verdicts on the responses; None where there is none.
            solutions: S, where a judge gave it. By default a rule reads it from the analysis; an
                analysis that picks no action has not solved the game: S = 0.
            tokens: Token counts of earlier scores of the same completions (at least ``before``,
                ``response`` and ``total``); with them no tokenizer is needed.
        """
        read_N = readings.read_N
        recorded = {
            row: counts
            for row, counts in enumerate(tokens or ())
            if counts is not None and (not read_N[row] or usable(counts))
        }
        quality_N3, unscored, errors = self._quality(questions, readings, verdicts)
        evidence = Evidence(
            settings=self.config,
            form=self.form,
            questions=questions,
            readings=readings,
            lengths=Lengths(readings, self.count_tokens, recorded),
            quality=quality_N3[:, 0],
            quality_user=quality_N3[:, 1],
            quality_llm=quality_N3[:, 2],
            solutions={row: s for row, s in enumerate(solutions or ()) if s is not None},
            details=[v.details if v is not None and v.score is not None else {} for v in verdicts],
        )
        factors = _measure(evidence)
        welfare = self._weigh(questions, factors)
        # What only some judges state stays unknown where no judge was asked, unless it is paid for.
        known = [c for n, c in factors.items() if n in self._weighed or not FACTORS[n].stated]
        for column in (*known, *welfare):
            column[~read_N] = 0.0
        user, llm, answer_user, answer_llm = welfare
        for row in np.flatnonzero(np.isnan(user + llm)).tolist():
            if row not in unscored:
                unknown = [name for name in self._weighed if np.isnan(factors[name][row])]
                unscored[row] = f"no {' and '.join(unknown)} score: it cannot be measured"
        return Scores(
            chains=readings.chains,
            chain_errors=readings.errors,
            tokens=evidence.lengths.tokens,
            recorded=recorded,
            factors=factors,
            user_welfare=user,
            llm_welfare=llm,
            mutual_welfare=mutual_welfare(user, llm),
            answer_llm_welfare=answer_llm,
            answer_mutual_welfare=mutual_welfare(answer_user, answer_llm),
            reward=aggregate(user, llm, self.config),
            unscored=unscored,
            errors=errors,
        )

    def _quality(
        self,
        questions: Sequence[Question],
        readings: Readings,
        verdicts: Sequence[Verdict | None],
    ) -> tuple[Numbers, dict[int, str], dict[int, JudgeError]]:
        """Return quality ``[N, 3]`` to report, to the user and to the LLM, NaN where it is unknown;
        the reasons for unknown ones; and the verdicts that were refused."""
        unscored: dict[int, str] = {}
        errors: dict[int, JudgeError] = {}
        found: list[float] = []
        rows = zip(questions, readings.responses, verdicts, strict=True)
        for row, (question, response, verdict) in enumerate(rows):
            if response is None:
                pass  # scores 0 under any verdict
            elif (verdict is None or verdict.score is None) and row in readings.unanswered:
                unscored[row] = readings.unanswered[row]
            elif verdict is None:
                unscored[row] = NO_VERDICT
            elif verdict.score is None:
                unscored[row] = f"judge {verdict.judge}: {verdict.reason}"
            else:
                try:
                    task = task_named(question.task)
                    quality = task.quality(question, response, verdict.score, self.config.quality)
                except JudgeError as error:
                    errors[row] = error
                    unscored[row] = f"judge {verdict.judge}: {error}"
                else:
                    if isnan(quality.user):
                        unscored[row] = "the question has no ground truth"
                    found += (quality.reported, quality.user, quality.llm)
                    continue
            found += (np.nan, np.nan, np.nan)
        return np.array(found).reshape(-1, 3), unscored, errors

    def _sums(self, weights: Weights) -> tuple[Welfare, Welfare]:
        """Return the welfare of a side as a sum of all terms, and without the chain's own."""
        gated = self.config.robust
        whole, answer = (Welfare.of(weights, gated=gated, chain=chain) for chain in (True, False))
        return whole, answer

    def _weigh(
        self, questions: Sequence[Question], factors: Mapping[str, Numbers]
    ) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Return U and L, then U and L without the chain's own terms."""
        chain = self.config.chain
        whole, answer = self._user
        answer_user_N = answer.measure(factors)
        user_N = whole.measure(factors) if chain and whole != answer else answer_user_N.copy()
        llm_N, answer_llm_N = np.empty_like(user_N), np.empty_like(user_N)
        rows_of: dict[str, list[int]] = {}
        for row, question in enumerate(questions):
            task = question.task if question.task in self._llm_by_task else ""
            rows_of.setdefault(task, []).append(row)
        for task, rows in rows_of.items():
            some = factors
            if len(rows_of) > 1:
                some = {name: column[rows] for name, column in factors.items()}
            whole, answer = self._llm_by_task.get(task, self._llm)
            answer_llm_N[rows] = answer.measure(some)
            llm_N[rows] = whole.measure(some) if chain else answer_llm_N[rows]
        return user_N, llm_N, answer_user_N, answer_llm_N


def _measure(evidence: Evidence) -> dict[str, Numbers]:
    """Return every factor ``[N]``; those of the chain are NaN where no chain was asked for."""
    count, plain = len(evidence.readings), evidence.readings.chains is None
    return {
        name: np.full(count, np.nan) if factor.chain and plain else factor.measure(evidence)
        for name, factor in FACTORS.items()
    }
