"""The reward of completions, with every term that it is made of."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gtalign.chain import chosen_cell, parse_batch, solution_scores
from gtalign.errors import JudgeError
from gtalign.game import USER_LLM, GameForm, pareto_frontier
from gtalign.judges import Verdict
from gtalign.reward import robust
from gtalign.reward.config import RewardConfig, Window
from gtalign.reward.factors import distinctness, latency, window
from gtalign.reward.lengths import Lengths, count_words, usable
from gtalign.reward.reading import Readings, read_as_released, read_chains, read_plain
from gtalign.reward.scores import CHAIN_FACTORS, FACTORS, Numbers, Scores
from gtalign.reward.welfare import (
    aggregate,
    answer_llm_welfare,
    llm_welfare,
    mutual_welfare,
    user_welfare,
)
from gtalign.tasks import Question, task_named


class Reward:
    """Reads completions, then scores them: what is read once can be judged and scored.

    Args:
        config: Preset, weights and aggregate; those of ``robust`` by default.
        count_tokens: Length of a text in the model's tokens; without one, tokens are words.
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

    def read(self, completions: Sequence[str]) -> Readings:
        """Parse N completions, in the configured way.

        A judge grades the ``responses`` of what is returned. One that is None cannot be read: there
        is nothing to judge, and `score` gives it 0.

        Args:
            completions: The whole texts of the model.
        """
        if not self.config.chain:
            return read_plain(completions)
        reading = self.config.reading
        chains = parse_batch(completions, self.form, tolerant=reading != "strict")
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

        A completion that cannot be read as the chain that was asked for is worth 0 in everything,
        whatever the verdict: that is a score. A missing verdict, or one without a score, leaves
        quality and welfare unknown, as does one whose score is outside the task's range (it is
        among the ``errors`` of the result). No row costs another its score.

        Args:
            questions: What was asked.
            readings: The completions, as `read` returns them.
            verdicts: A judge's answers on the responses; None where there is none.
            solutions: S, where it is known from elsewhere (a judge). By default it is read from the
                analysis by rule; an analysis that picks no action has not solved the game: S = 0.
            tokens: The counts of earlier scores of the same completions (``before``,
                ``response`` and ``total`` at least), so that they can be scored again without the
                model's tokenizer.
        """
        read_N = readings.read_N
        recorded = {
            row: counts
            for row, counts in enumerate(tokens or ())
            if counts is not None and (not read_N[row] or usable(counts))
        }
        lengths = Lengths(readings, self.count_tokens, recorded)
        quality, unscored, errors = self._quality(questions, readings, verdicts)
        factors = quality | self._measure(lengths)
        factors |= self._judge_chains(readings)
        if readings.payoffs_Nn2 is not None:
            for row, solution in enumerate(solutions or ()):
                if solution is not None:
                    factors["solution"][row] = solution
        user, llm, answer = self._weigh(questions, factors)
        for column in (*factors.values(), user, llm, answer):
            column[~read_N] = 0.0
        for row in np.flatnonzero(np.isnan(llm)).tolist():
            unscored.setdefault(row, "no solution score, and the analysis cannot be read")
        return Scores(
            chains=readings.chains,
            chain_errors=readings.errors,
            tokens=lengths.tokens,
            recorded=recorded,
            factors={name: factors[name] for name in FACTORS},
            user_welfare=user,
            llm_welfare=llm,
            mutual_welfare=mutual_welfare(user, llm),
            answer_llm_welfare=answer,
            answer_mutual_welfare=mutual_welfare(user, answer),
            reward=aggregate(user, llm, self.config),
            unscored=unscored,
            errors=errors,
        )

    def _quality(
        self,
        questions: Sequence[Question],
        readings: Readings,
        verdicts: Sequence[Verdict | None],
    ) -> tuple[dict[str, Numbers], dict[int, str], dict[int, JudgeError]]:
        """Return the factors of quality, why rows have none, and the verdicts that were refused."""
        unscored: dict[int, str] = {}
        errors: dict[int, JudgeError] = {}
        found: list[float] = []
        rows = zip(questions, readings.responses, verdicts, strict=True)
        for row, (question, response, verdict) in enumerate(rows):
            if response is None:
                pass  # worth nothing, whatever a judge says
            elif verdict is None:
                unscored[row] = "no verdict"
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
                    found += (quality.reported, quality.user, quality.llm)
                    continue
            found += (np.nan, np.nan, np.nan)
        reported, user, llm = np.array(found).reshape(-1, 3).T
        return {"quality": reported, "quality_user": user, "quality_llm": llm}, unscored, errors

    def _measure(self, lengths: Lengths) -> dict[str, Numbers]:
        config = self.config

        def inside(part: str, limits: Window) -> Numbers:
            length_N = lengths.of(part, config.unit)
            if config.terms == "robust":
                return robust.upper_window(length_N, limits.high, limits.steepness)
            return window(length_N, limits.low, limits.high, limits.steepness)

        before_N = lengths.of("before", config.latency_unit)
        return {
            "response_window": inside("response", config.response_window),
            "total_window": inside("total", config.total_window),
            "latency": latency(before_N, config.latency_scale),
        }

    def _judge_chains(self, readings: Readings) -> dict[str, Numbers]:
        """Return F, M and S; S is NaN where our parser finds no chain."""
        count, chains = len(readings), readings.chains
        if chains is None or readings.payoffs_Nn2 is None:
            return {name: np.full(count, np.nan) for name in CHAIN_FACTORS}
        format_N = readings.well_formed_N.astype(np.float64)
        solution_N = np.full(count, np.nan)
        rows, analyses, responses = chains.found()
        choices = [chosen_cell(analyze, self.form) for analyze in analyses]
        frontier_Kmn = pareto_frontier(chains.payoffs_Nmn2[rows])
        scores_K = solution_scores(frontier_Kmn, choices, self.form)
        if self.config.terms == "robust":
            format_N[rows] *= robust.carried_out(responses, choices, self.form)
            solution_N[rows] = robust.solution(frontier_Kmn, scores_K)
            distinct_N = robust.contrast(readings.payoffs_Nn2)
        else:
            solution_N[rows] = np.nan_to_num(scores_K)
            distinct_N = distinctness(readings.payoffs_Nn2)
        return {"format": format_N, "distinctness": distinct_N, "solution": solution_N}

    def _weigh(
        self, questions: Sequence[Question], factors: Mapping[str, Numbers]
    ) -> tuple[Numbers, Numbers, Numbers]:
        """Return U, L, and L without the chain's own terms."""
        config = self.config
        earned = config.terms == "robust"
        user_N = user_welfare(factors, config.user, earned)
        llm_N, answer_N = np.empty_like(user_N), np.empty_like(user_N)
        rows_of: dict[str, list[int]] = {}
        for row, question in enumerate(questions):
            task = question.task if question.task in config.llm_by_task else ""
            rows_of.setdefault(task, []).append(row)
        for task, rows in rows_of.items():
            some = factors
            if len(rows_of) > 1:
                some = {name: column[rows] for name, column in factors.items()}
            weights = config.llm_weights(task)
            answer_N[rows] = answer_llm_welfare(some, weights, earned)
            llm_N[rows] = llm_welfare(some, weights, earned) if config.chain else answer_N[rows]
        return user_N, llm_N, answer_N
