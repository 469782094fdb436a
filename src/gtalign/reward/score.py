"""The reward of one completion, with every term that it is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import Chain, chosen_cell, parse, solution_score
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, GameForm
from gtalign.judges import Verdict
from gtalign.reward import robust
from gtalign.reward.config import RewardConfig, Window
from gtalign.reward.factors import distinctness, latency, window
from gtalign.reward.reading import Reading, read_chain, read_plain, read_released
from gtalign.reward.welfare import (
    aggregate,
    answer_llm_welfare,
    llm_welfare,
    mutual_welfare,
    user_welfare,
)
from gtalign.tasks import Question, task_named

FACTORS = (
    "quality",
    "quality_user",
    "quality_llm",
    "response_window",
    "total_window",
    "latency",
    "format",
    "distinctness",
    "solution",
)
"""Names of all factors. ``quality`` is the one number to report; it enters no welfare."""

CHAIN_FACTORS = ("format", "distinctness", "solution")
"""The chain's own terms, absent where no chain is asked for."""


_LENGTHS = {"before", "response", "total"}


@dataclass(frozen=True, slots=True)
class Score:
    """What a completion is worth. None always means unknown, never worth nothing.

    Args:
        chain: The chain, as our parser reads it.
        chain_error: Why there is none; None if no chain was asked for.
        tokens: Number of tokens in each block that could be read, ``before`` the response block
            opens, and in ``total``.
        factors: Each of `FACTORS`; None if it could not be measured or does not apply.
        user_welfare: U.
        llm_welfare: L.
        mutual_welfare: W = sqrt(U L), whatever the aggregate.
        answer_llm_welfare: L without the chain's own terms, to compare with plain answers.
        answer_mutual_welfare: sqrt of U times ``answer_llm_welfare``.
        reward: The aggregate that was chosen.
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
        return {
            "chain": None if self.chain is None else self.chain.to_json(),
            "chain_error": self.chain_error,
            "tokens": dict(self.tokens),
            "factors": dict(self.factors),
            "user_welfare": self.user_welfare,
            "llm_welfare": self.llm_welfare,
            "mutual_welfare": self.mutual_welfare,
            "answer_llm_welfare": self.answer_llm_welfare,
            "answer_mutual_welfare": self.answer_mutual_welfare,
            "unscored": self.unscored,
        }


def count_words(text: str) -> int:
    """Return the number of whitespace-separated words."""
    return len(text.split())


class Reward:
    """Scores completions.

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

    def response(self, completion: str) -> str | None:
        """Return what a judge should see; None if the completion cannot be read and scores 0."""
        _, _, reading = self._read(completion)
        return None if reading is None else reading.response

    def score(
        self,
        question: Question,
        completion: str,
        verdict: Verdict | None,
        solution: float | None = None,
        tokens: Mapping[str, int] | None = None,
    ) -> Score:
        """Score one completion.

        A completion that cannot be read as the chain that was asked for is worth 0 in everything,
        whatever the verdict: that is a score. A missing verdict, or one without a score, leaves
        quality and welfare unknown.

        Args:
            question: What was asked.
            completion: The whole text of the model.
            verdict: A judge's answer on the response; None if there is none.
            solution: S, if it is known from elsewhere (a judge). By default it is read from the
                analysis by rule; an analysis that picks no action has not solved the game: S = 0.
            tokens: The counts of an earlier score of the same completion (``before``,
                ``response`` and ``total`` at least), so that it can be scored again without the
                model's tokenizer.

        Raises:
            JudgeError: The verdict's score is outside the task's range.
        """
        chain, error, reading = self._read(completion)
        if tokens is None or (reading is not None and not tokens.keys() >= _LENGTHS):
            tokens = self._tokens(completion, chain, reading)
        if reading is None:
            zeros: dict[str, float | None] = dict.fromkeys(FACTORS, 0.0)
            return Score(chain, error, tokens, zeros, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None)
        factors, unscored = self._quality(question, reading, verdict)
        factors |= self._measure(completion, reading, tokens)
        if reading.payoffs_n2 is not None:
            factors |= self._judge_chain(chain, reading.well_formed, reading.payoffs_n2)
            if solution is not None:
                factors["solution"] = solution
        return self._weigh(question, chain, error, tokens, factors, unscored)

    def _read(self, completion: str) -> tuple[Chain | None, str | None, Reading | None]:
        """Return the chain, why there is none, and the reading that the configuration asks for."""
        if not self.config.chain:
            return None, None, read_plain(completion)
        chain, error = None, None
        try:
            chain = parse(completion, self.form, tolerant=self.config.reading != "strict")
        except ChainError as refused:
            error = str(refused)
        if self.config.reading in ("strict", "tolerant"):
            return chain, error, None if chain is None else read_chain(completion, chain)
        needs_analyze = self.config.reading == "released-eval"
        try:
            return chain, error, read_released(completion, self.form, needs_analyze)
        except ChainError as refused:
            return chain, error or str(refused), None

    def _tokens(
        self, completion: str, chain: Chain | None, reading: Reading | None
    ) -> dict[str, int]:
        count = self.count_tokens
        tokens: dict[str, int] = {}
        if chain is not None:
            tokens = {name: count(completion[a:b]) for name, (a, b) in chain.spans.items()}
        if reading is not None:
            if chain is None:
                tokens["response"] = count(reading.response)
            tokens["before"] = count(reading.before)
        tokens["total"] = count(completion)
        return tokens

    def _quality(
        self, question: Question, reading: Reading, verdict: Verdict | None
    ) -> tuple[dict[str, float | None], str | None]:
        if verdict is None or verdict.score is None:
            reason = "no verdict" if verdict is None else f"judge {verdict.judge}: {verdict.reason}"
            return {"quality": None, "quality_user": None, "quality_llm": None}, reason
        quality = task_named(question.task).quality(
            question, reading.response, verdict.score, self.config.quality
        )
        return {
            "quality": quality.reported,
            "quality_user": quality.user,
            "quality_llm": quality.llm,
        }, None

    def _measure(
        self, completion: str, reading: Reading, tokens: Mapping[str, int]
    ) -> dict[str, float | None]:
        config = self.config
        texts = {"before": reading.before, "response": reading.response, "total": completion}

        def length(name: str, unit: str) -> int:
            if unit == "tokens":
                return tokens[name]
            return count_words(texts[name]) if unit == "words" else len(texts[name])

        def inside(length: int, limits: Window) -> float:
            if config.terms == "robust":
                return robust.upper_window(length, limits.high, limits.steepness)
            return window(length, limits.low, limits.high, limits.steepness)

        return {
            "response_window": inside(length("response", config.unit), config.response_window),
            "total_window": inside(length("total", config.unit), config.total_window),
            "latency": latency(length("before", config.latency_unit), config.latency_scale),
            **dict.fromkeys(CHAIN_FACTORS, None),
        }

    def _judge_chain(
        self, chain: Chain | None, well_formed: bool, payoffs_n2: NDArray[np.float64]
    ) -> dict[str, float | None]:
        """Return F, M and S; S is None where our parser finds no chain."""
        if chain is not None and self.config.terms == "robust":
            choice = chosen_cell(chain.analyze, self.form)
            return {
                "format": float(well_formed and robust.carried_out(chain, choice)),
                "distinctness": robust.contrast(payoffs_n2),
                "solution": robust.solution(chain, choice),
            }
        return {
            "format": float(well_formed),
            "distinctness": distinctness(payoffs_n2),
            "solution": None if chain is None else solution_score(chain) or 0.0,
        }

    def _weigh(
        self,
        question: Question,
        chain: Chain | None,
        error: str | None,
        tokens: Mapping[str, int],
        factors: Mapping[str, float | None],
        unscored: str | None,
    ) -> Score:
        weights = self.config.llm_weights(question.task)
        earned = self.config.terms == "robust"
        user = user_welfare(factors, self.config.user, earned)
        answer = answer_llm_welfare(factors, weights, earned)
        llm = llm_welfare(factors, weights, earned) if self.config.chain else answer
        if unscored is None and llm is None:
            unscored = "no solution score, and the analysis cannot be read"
        return Score(
            chain=chain,
            chain_error=error,
            tokens=tokens,
            factors=factors,
            user_welfare=user,
            llm_welfare=llm,
            mutual_welfare=mutual_welfare(user, llm),
            answer_llm_welfare=answer,
            answer_mutual_welfare=mutual_welfare(user, answer),
            reward=aggregate(user, llm, self.config),
            unscored=unscored,
        )
