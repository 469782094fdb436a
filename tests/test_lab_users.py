"""The scripted user: every outcome of a cell, and the payoffs that they add up to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.game import USER_LLM
from gtalign.lab.users import (
    EFFORT,
    REPLY_RATE,
    Outcome,
    Situation,
    llm_payoff,
    play,
    true_payoff,
    user_payoff,
)

SITUATIONS = st.builds(
    Situation,
    vague=st.booleans(),
    guess=st.floats(0, 1),
    wrong=st.floats(0, 1),
    answer_words=st.integers(1, 60),
    ask_words=st.integers(1, 30),
    reply_words=st.integers(1, 30),
)
CLEAR = Situation(False, guess=0.5, wrong=0.25, answer_words=10, ask_words=6, reply_words=4)
VAGUE = Situation(True, guess=0.5, wrong=0.25, answer_words=10, ask_words=6, reply_words=4)


@given(SITUATIONS)
def test_outcomes_of_a_cell_sum_to_one(situation: Situation) -> None:
    for user_action in USER_LLM.user_actions:
        for llm_action in USER_LLM.llm_actions:
            outcomes = list(play(situation, user_action, llm_action))
            assert sum(o.probability for o in outcomes) == pytest.approx(1)
            assert all(0 <= o.quality <= 1 and o.llm_words > 0 for o in outcomes)


@pytest.mark.parametrize(
    ("cell", "outcomes"),
    [
        (("DQ", "DA"), [Outcome(1, 1, 1, 0, 0, 10)]),
        (("DQ", "CQ"), [Outcome(1, 0, 0, 1, 0, 6)]),
        (("DQ", "AQ"), [Outcome(0.5, 1, 1, 1, 0, 16), Outcome(0.5, 0, 0, 1, 0, 16)]),
        (("VQ", "DA"), [Outcome(0.5, 1, 1, 0, 0, 10), Outcome(0.5, 0.25, 0.25, 0, 0, 10)]),
        (
            ("VQ", "CQ"),
            [Outcome(REPLY_RATE, 1, 1, 1, 4, 16), Outcome(1 - REPLY_RATE, 0, 0, 1, 0, 6)],
        ),
        (
            ("VQ", "AQ"),
            [
                Outcome(0.5, 1, 1, 0, 0, 16),
                Outcome(0.5 * REPLY_RATE, 1, 1, 1, 4, 26),
                Outcome(0.5 * (1 - REPLY_RATE), 0.25, 0.25, 1, 0, 16),
            ],
        ),
    ],
)
def test_each_cell_plays_out(cell: tuple[str, str], outcomes: list[Outcome]) -> None:
    assert list(play(VAGUE, *cell)) == outcomes


def test_unknown_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="no cell DQ_XX"):
        list(play(VAGUE, "DQ", "XX"))


@given(SITUATIONS)
def test_payoffs_stay_in_range_with_one_decimal(situation: Situation) -> None:
    payoffs = true_payoff(situation).payoffs
    assert np.abs(payoffs).max() <= 5
    assert np.allclose(payoffs * 10, np.round(payoffs * 10))


def test_quality_pays_both_and_words_cost_both() -> None:
    good, bad = Outcome(1, 1, 1, 0, 0, 10), Outcome(1, 0, 0, 0, 0, 10)
    wordy, slow = Outcome(1, 1, 1, 0, 0, 40), Outcome(1, 1, 1, 1, 5, 10)
    for payoff in (user_payoff, llm_payoff):
        assert payoff(good) > payoff(bad)
        assert payoff(good) > payoff(wordy)
    assert user_payoff(good) > user_payoff(slow)
    assert llm_payoff(good) == llm_payoff(slow)


def test_writing_all_down_is_an_effort_to_one_who_did_not() -> None:
    vague, clear = true_payoff(VAGUE).payoffs, true_payoff(CLEAR).payoffs
    assert np.allclose(vague[1], clear[1])
    assert np.allclose(vague[0, :, 1], clear[0, :, 1])
    assert np.allclose(vague[0, :, 0], np.clip(clear[0, :, 0] - EFFORT, -5, 5), atol=0.05 + 1e-9)
