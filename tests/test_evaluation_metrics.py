"""What is measured on one transcript, and what is missing on purpose."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation_samples import malformed, matrix, plain, transcript, unscored
from gtalign.evaluation.metrics import (
    COLUMNS,
    chosen_action,
    measure,
    metrics,
    payoff_correlation,
    payoff_numbers,
    payoff_regret,
)
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict

TRUE = {
    "DQ_AQ": {"LLM": 3.0, "user": 3.0},
    "DQ_CQ": {"LLM": 1.0, "user": 2.0},
    "DQ_DA": {"LLM": 1.0, "user": 4.0},
    "VQ_AQ": {"LLM": 0.0, "user": 0.5},
    "VQ_CQ": {"LLM": 2.0, "user": 2.0},
    "VQ_DA": {"LLM": 1.0, "user": 1.0},
}


def test_a_good_answer_has_everything() -> None:
    found = measure(transcript())
    shipped = {*metrics(), *COLUMNS, "unscored", "malformed"}
    assert set(found) == shipped
    assert None not in [found[name] for name in shipped - {"score"}]  # of other frameworks
    assert found["quality"] == 1.0
    assert found["mutual_welfare"] == 0.72
    assert found["quality_per_100_tokens"] == pytest.approx(0.8)
    assert found["response_share"] == pytest.approx(0.2)
    assert found["payoff_correlation"] == pytest.approx(1.0)
    assert (found["format"], found["right_action"], found["unscored"]) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("empty", [False, True])
def test_a_malformed_answer_counts_zero_and_has_no_chain_diagnostics(empty: bool) -> None:
    given_one = malformed()
    if empty:
        nothing: dict[str, Any] = dict.fromkeys(("user_welfare", "llm_welfare", "mutual_welfare"))
        given_one = replace(given_one, factors={}, **nothing)
    found = measure(given_one)
    for name in ("format", "quality", "user_welfare", "llm_welfare", "mutual_welfare"):
        assert found[name] == 0.0, name
    for name in ("solution", "payoff_correlation", "payoff_regret", "response_share"):
        assert found[name] is None, name
    assert (found["malformed"], found["unscored"], found["tokens"]) == (1.0, 0.0, 40.0)


def test_a_malformed_answer_was_of_no_right_kind_even_if_a_judge_said_so() -> None:
    verdict = Verdict("rules", 1.0, "", {"right_action": 1.0})
    assert measure(malformed(verdicts=(verdict,)))["right_action"] == 0.0


def test_an_unscored_answer_is_none_and_counted() -> None:
    found = measure(unscored())
    for name in ("quality", "user_welfare", "mutual_welfare", "quality_per_100_tokens"):
        assert found[name] is None, name
    assert (found["unscored"], found["format"], found["solution"]) == (1.0, 1.0, 1.0)
    assert found["right_action"] is None


def test_a_plain_answer_has_no_terms_of_a_chain() -> None:
    found = measure(plain())
    known = {name for name in metrics() if found[name] is not None}
    assert known == {name for name, metric in metrics().items() if metric.plain} - {"score"}
    assert found["answer_mutual_welfare"] == 0.63


def test_a_dump_without_factors_has_welfare_and_no_quality() -> None:
    found = measure(malformed(factors={}, mutual_welfare=0.0))
    assert (found["quality"], found["mutual_welfare"]) == (None, 0.0)


def test_an_answer_of_no_tokens_has_no_share() -> None:
    found = measure(transcript(tokens={}))
    assert (found["tokens"], found["response_share"]) == (None, None)
    assert found["quality_per_100_tokens"] is None


def test_without_the_truth_there_is_no_calibration() -> None:
    found = measure(transcript(extra={}))
    assert (found["payoff_correlation"], found["payoff_regret"]) == (None, None)
    assert measure(transcript(verdicts=()))["right_action"] is None


@given(st.integers(0, 10_000))
def test_correlation_is_numpys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = matrix(rng), matrix(rng)
    expected = np.corrcoef(a.payoffs.ravel(), b.payoffs.ravel())[0, 1]
    shuffled = dict(reversed(b.to_json().items()))
    assert payoff_correlation(a.to_json(), shuffled) == pytest.approx(expected, abs=1e-9)


def test_correlation_of_a_constant_matrix_is_unknown() -> None:
    flat = Bimatrix(USER_LLM, np.ones((2, 3, 2))).to_json()
    assert payoff_correlation(flat, TRUE) is None
    assert payoff_correlation(TRUE, {"A_B": {"user": 1.0, "LLM": 2.0}}) is None


def test_payoff_numbers_are_in_the_order_of_the_keys() -> None:
    assert payoff_numbers(TRUE)[:2].tolist() == [[3.0, 3.0], [2.0, 1.0]]


def test_regret_is_measured_in_the_row_the_user_played() -> None:
    assert payoff_regret(TRUE, "DQ", "AQ") == 0.0
    assert payoff_regret(TRUE, "DQ", "CQ") == pytest.approx(3.0)
    assert payoff_regret(TRUE, "VQ", "DA") == pytest.approx(2.0)
    assert payoff_regret(TRUE, "VQ", "XX") is None


def test_the_chosen_action_is_read_from_the_analysis() -> None:
    chain = {**(transcript().chain or {}), "analyze": "So the best cell is DQ_AQ: I choose DQ_AQ."}
    given_one = transcript(chain=chain, extra={"user_action": "VQ", "true_payoff": TRUE})
    assert chosen_action(given_one) == ("DQ_AQ", "AQ")
    assert measure(given_one)["payoff_regret"] == pytest.approx(3.5)
    silent = transcript(chain={**chain, "analyze": "Hard to say."})
    assert chosen_action(silent) == (None, None)
    assert measure(silent)["payoff_regret"] is None
    assert chosen_action(malformed()) == (None, None)
