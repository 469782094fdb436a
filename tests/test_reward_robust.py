"""The robust terms by hand."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO
from gtalign.chain import chosen_cell, render, solution_scores
from gtalign.chain.payoff import PayoffReader
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, Bimatrix, pareto_frontier
from gtalign.judges import Verdict
from gtalign.reward import Reward, RewardConfig, Score
from gtalign.reward.robust import carried_out, contrast, solution, upper_window
from gtalign.tasks import Message, Question
from one_score import score_one

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
FLAT = Bimatrix(USER_LLM, [[[5, -5]] * 3] * 2)
QUESTION = Question("q1", "other", (Message(role="user", content="2+2?"),), "4", "c1")


def score(completion: str, quality: float | None = 1.0, **keys: Any) -> Score:
    verdict = None if quality is None else Verdict("j", quality, "")
    return score_one(Reward(RewardConfig(**keys)), QUESTION, completion, verdict)


def test_by_hand() -> None:
    completion = render("t", PAYOFF, "Choose DQ_AQ.", "Four. Is that enough?")
    got = score(completion, 0.5)
    before, total = len(completion.partition("<response>")[0].split()), len(completion.split())
    short = 1 / (1 + math.exp(0.005 * (4 - 1000)))
    whole = 1 / (1 + math.exp(0.005 * (total - 1500)))
    user = 0.5 * (0.5 + 0.2 * short + 0.3 * math.exp(-before / 500))
    llm = 0.5 * (0.4 + 0.2 * whole) + 0.2 + 0.1 + 0.1
    assert got.user_welfare == pytest.approx(user)
    assert got.llm_welfare == pytest.approx(llm)
    assert got.mutual_welfare == pytest.approx(math.sqrt(user * llm))
    assert got.answer_llm_welfare == pytest.approx(0.5 * (0.4 + 0.2 * whole) / 0.6)
    assert (got.factors["format"], got.factors["distinctness"], got.factors["solution"]) == (1,) * 3


def test_lengths_need_a_verdict() -> None:
    keys = {"user": {"quality": 0.0}, "llm": {"quality": 0.0}}
    completion = render("t", PAYOFF, "Choose DQ_AQ.", "Four.")
    assert score(completion, None, **keys).mutual_welfare is None
    assert score(completion, None, preset="paper", **keys).mutual_welfare is not None


def test_the_format_of_a_repaired_chain_does_not_count() -> None:
    completion = f"```\n{render('t', PAYOFF, 'Choose DQ_DA.', 'Four.')}\n```"
    assert score(completion, reading="tolerant").factors["format"] == 0
    assert score(completion[4:-4], reading="tolerant").factors["format"] == 1


def test_a_plain_answer_is_worth_what_it_helps() -> None:
    assert score("Four.", 0.0, chain=False).mutual_welfare == 0
    assert (score("Four.", 1.0, chain=False).mutual_welfare or 0) > 0.95


@pytest.mark.parametrize(
    ("analyze", "response", "kept"),
    [
        ("Choose DQ_DA.", "Four.", True),
        ("Choose CQ.", "Which two?", True),
        ("Choose DQ_AQ.", "Four. Is that enough?", True),
        ("Choose DQ_AQ.", "Four.", False),
        ("Choose VQ_CQ.", "Four.", False),
        ("DQ_DA or VQ_CQ.", "Four.", False),
        ("Choose DQ_DA.", "...", False),
    ],
)
def test_what_is_chosen_has_to_be_done(analyze: str, response: str, kept: bool) -> None:
    choices = [chosen_cell(analyze, USER_LLM)]
    assert carried_out([response], choices, USER_LLM).tolist() == [kept]


def test_a_game_without_a_rule_is_taken_at_its_word() -> None:
    named = chosen_cell(f"Choose {THREE_BY_TWO.cells[0]}.", THREE_BY_TWO)
    unnamed = chosen_cell("I like tea.", THREE_BY_TWO)
    kept = carried_out(["Four.", "Four."], [named, unnamed], THREE_BY_TWO)
    assert kept.tolist() == [True, False]


@pytest.mark.parametrize(
    ("payoffs", "expected"),
    [
        ([[5, -5], [5, -5]], 0),  # no two cells differ
        ([[1, 1], [3, 3]], 0),  # the players' interests are one
        ([[1, 1.2], [1.1, 1.3]], 0.1),
        ([[0, 0], [1, 0.5]], 0.5),
        ([[0, 1], [1, 0]], 1),
        ([[5, -5], [-5, 5]], 1),
    ],
)
def test_contrast(payoffs: list[list[float]], expected: float) -> None:
    assert contrast(np.array(payoffs, dtype=np.float64)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("analyze", "payoff", "expected"),
    [
        ("Choose DQ_AQ.", PAYOFF, 1),
        ("Choose AQ.", PAYOFF, 0.5),
        ("Choose VQ_DA.", PAYOFF, 0),
        ("I like tea.", PAYOFF, 0),
        ("Choose DQ_AQ.", FLAT, 0),  # no choice would have been wrong
    ],
)
def test_solution(analyze: str, payoff: Bimatrix, expected: float) -> None:
    frontier_1mn = pareto_frontier(payoff.payoffs[None])
    scores_1 = solution_scores(frontier_1mn, [chosen_cell(analyze, USER_LLM)], USER_LLM)
    assert solution(frontier_1mn, scores_1).tolist() == [expected]


def test_a_judges_solution_stands() -> None:
    completion = render("t", FLAT, "Choose DQ_DA.", "Four.")
    reward = Reward()
    assert score_one(reward, QUESTION, completion, None, 1.0).factors["solution"] == 1


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-4, 10))
def test_less_is_never_worse(one: float, other: float, steepness: float) -> None:
    short, long = sorted((one, other))
    assert 0 <= upper_window(long, 500, steepness) <= upper_window(short, 500, steepness) <= 1
    assert upper_window(500, 500, steepness) == 0.5


CLEAN = '{"DQ_AQ": {"LLM": 1, "user": -2.5e0}, "DQ_CQ":{"user":0,"LLM":0},"DQ_DA":'
CLEAN += '{"LLM":5,"user":-5},\n"VQ_AQ" : {"user":-0.0,"LLM":3},"VQ_CQ":{"LLM":1,"user":1},'
CLEAN += '"VQ_DA":{"LLM":2,"user":1} }'


@given(
    st.integers(0, len(CLEAN)), st.integers(0, 3), st.text(max_size=3) | st.sampled_from("09.eE-")
)
def test_the_quick_way_to_read_a_matrix_is_the_scanners(at: int, cut: int, put: str) -> None:
    text = CLEAN[:at] + put + CLEAN[at + cut :]
    reader = PayoffReader(USER_LLM, -5.0, 5.0)

    def outcome(**keys: Any) -> object:
        try:
            return reader.read(text, 0, len(text), **keys)
        except ChainError as error:
            return str(error)

    assert outcome() == outcome(numbers={})  # to tell where numbers stand takes the scanner
