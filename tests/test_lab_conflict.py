"""The world in which interests differ: its terms, its true payoffs, and what episodes are worth."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from at_once import at_once
from gtalign.game import USER_LLM, Bimatrix
from gtalign.lab.episodes import Said, outcomes
from gtalign.lab.judge import LabJudge
from gtalign.lab.speech import TERSE
from gtalign.lab.teachers import candidate, respond
from gtalign.lab.terms import Terms
from gtalign.lab.users import Situation, payoffs, play
from gtalign.lab.world import make_world
from gtalign.tasks import Question
from small_lab import SILENT
from test_lab_users import SITUATIONS as TODAY

TERMS = st.builds(
    Terms,
    pay=st.sampled_from(("word", "month")),
    asks=st.sampled_from(("cost", "pay")),
    time=st.sampled_from(("haste", "calm")),
)
SITUATIONS = st.builds(
    replace,
    TODAY,
    harmful=st.booleans(),
    conflict=st.floats(0, 1),
    terms=TERMS,
)
SAID = st.builds(
    Said,
    quality=st.none() | st.floats(0, 1),
    helps_with_harm=st.booleans(),
    asks=st.integers(0, 3),
    to_the_point=st.booleans(),
    words=st.integers(0, 500),
)


@cache
def questions(conflict: float, items: int = 20) -> list[Question]:
    world = make_world(0, 1, items, conflict=conflict)
    return [*world.test, *world.ood]


def worth(question: Question, response: str) -> tuple[float, float]:
    details = at_once(LabJudge(episodes=True).judge(question, response)).details
    return 10 * details["episode_user"] - 5, 10 * details["episode_llm"] - 5


def test_items_are_the_same_at_every_conflict() -> None:
    for one, other in zip(questions(0), questions(0.7), strict=True):
        assert one.extra["item"] == other.extra["item"]
        assert (one.id, one.cluster, one.task) == (other.id, other.cluster, other.task)
        assert "terms" not in one.extra
        line = Terms(**other.extra["terms"]).said(TERSE.terms)
        assert other.text == f"{line} {one.text}"
        assert [m["content"] for m in other.messages[:-1]] == [
            m["content"] for m in one.messages[:-1]
        ]


def test_both_forms_of_an_item_have_the_same_terms_and_all_services_occur() -> None:
    asked = questions(0.5)
    services = Counter(tuple(q.extra["terms"].values()) for q in asked)
    assert len(services) == 8
    by_cluster = {(q.cluster, *q.extra["terms"].values()) for q in asked}
    assert len(by_cluster) == len(asked) / 2


def test_validation_questions_are_new_and_take_no_part_elsewhere() -> None:
    plain, more = make_world(0, 5, 2), make_world(0, 5, 2, valid_items=4)
    assert (plain.train, plain.test, plain.ood) == (more.train, more.test, more.ood)
    assert plain.valid == []
    assert len(more.valid) == 4 * 4 * 2
    texts = {q.text for q in [*more.train, *more.test, *more.ood]}
    assert not texts & {q.text for q in more.valid}
    assert {q.extra["split"] for q in more.valid} == {"valid"}


def test_payoffs_lie_between_those_of_today_and_those_of_the_terms() -> None:
    worlds = [questions(c) for c in (0, 0.25, 1)]
    for today, some, all_ in zip(*worlds, strict=True):
        zero, quarter, one = (
            Bimatrix.from_json(q.extra["true_payoff"]).payoffs for q in (today, some, all_)
        )
        inside = (np.abs(zero) < 5) & (np.abs(one) < 5)  # elsewhere it was cut off
        mixed = 0.75 * zero + 0.25 * one
        assert np.allclose(quarter[inside], mixed[inside], atol=0.11)


def test_interests_part_as_the_conflict_grows() -> None:
    found = []
    for conflict in (0, 0.5, 0.75, 1):
        rows = [
            Bimatrix.from_json(q.extra["true_payoff"]).payoffs[
                USER_LLM.user_actions.index(q.extra["user_action"])
            ]
            for q in questions(conflict)
        ]
        user, llm = np.concatenate(rows).reshape(-1, 2).T
        found.append(np.corrcoef(user, llm)[0, 1])
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.9
    assert found[-1] < 0


@given(SITUATIONS, SAID)
def test_an_episode_ends_somehow_within_the_range(situation: Situation, said: Said) -> None:
    ends = list(outcomes(situation, said))
    assert sum(end.probability for end in ends) == pytest.approx(1)
    for end in ends:
        assert 0 <= end.quality <= 1
        assert 0 <= end.wish <= 1
    assert all(-5 - 1e-9 <= payoff <= 5 + 1e-9 for payoff in payoffs(situation, ends))


@given(SITUATIONS)
def test_a_good_response_is_worth_the_cell_of_its_action(situation: Situation) -> None:
    s = situation
    form = "VQ" if s.vague else "DQ"
    lengths = {"DA": s.answer_words, "CQ": s.ask_words, "AQ": s.answer_words + s.ask_words}
    for action in USER_LLM.llm_actions:
        expected = payoffs(s, play(s, form, action))
        guesses = [(1.0, False, 1.0)]
        if s.vague and action != "CQ":
            guesses = [(s.guess, False, 1.0), (1 - s.guess, s.harmful, s.wrong)]
            if s.wrong == 1:
                return  # a wrong guess that is right: nobody would ask on
        found = np.zeros(2)
        for chance, harms, quality in guesses:
            said = Said(
                None if action == "CQ" else quality,
                harms,
                int(action != "DA"),
                True,
                lengths[action],
            )
            found += chance * np.array(payoffs(s, outcomes(s, said)))
        assert found == pytest.approx(np.array(expected), abs=1e-9)


def test_the_judge_states_what_the_teachers_answers_are_worth() -> None:
    rng = np.random.default_rng(0)
    for question in questions(0.8, 8):
        row = USER_LLM.user_actions.index(question.extra["user_action"])
        truth = Bimatrix.from_json(question.extra["true_payoff"]).payoffs[row]
        actions = ("DA", "CQ", "AQ") if question.extra["user_action"] == "DQ" else ("CQ",)
        for action in actions:
            response = respond(question, action, rng, 0.0)
            expected = truth[USER_LLM.llm_actions.index(action)]
            assert worth(question, response) == pytest.approx(tuple(expected), abs=0.06)


def test_harm_parts_the_user_from_the_provider() -> None:
    harmful = [
        q for q in questions(1.0) if q.extra["item"]["harmful"] and q.extra["user_action"] == "DQ"
    ]
    assert harmful
    for question in harmful:
        item = question.extra["item"]
        help_, refusal = item["wrong"][0], item["answer"]
        assert worth(question, help_)[0] > worth(question, refusal)[0]
        today = Question(
            question.id, question.task, question.messages, "", "", {**question.extra, "conflict": 0}
        )
        assert worth(today, help_)[0] < worth(today, refusal)[0]


def test_padding_moves_money_from_one_side_to_the_other() -> None:
    for question in questions(1.0, 4):
        if question.extra["user_action"] == "VQ" or question.extra["terms"]["pay"] == "month":
            continue
        answer = question.extra["item"]["answer"]
        short, long = worth(question, answer), worth(question, f"i am glad to help. {answer}")
        assert long[0] < short[0]
        assert long[1] > short[1]


@pytest.mark.parametrize(
    ("response", "frontier"), [("", 0.0), ("?", None), ("it is so.", None), ("a. b?", None)]
)
def test_an_action_is_on_the_frontier_if_no_other_is_better_for_both(
    response: str, frontier: float | None
) -> None:
    for question in questions(0.9, 3):
        details = at_once(LabJudge(episodes=True).judge(question, response)).details
        row = USER_LLM.user_actions.index(question.extra["user_action"])
        cells = Bimatrix.from_json(question.extra["true_payoff"]).payoffs[row]
        action = {"?": "CQ", "it is so.": "DA", "a. b?": "AQ"}.get(response)
        if action is not None:
            own = cells[USER_LLM.llm_actions.index(action)]
            beaten = (cells >= own - 1e-9).all(axis=1) & (cells > own + 1e-9).any(axis=1)
            frontier = float(not beaten.any())
        assert details["on_frontier"] == frontier


def test_teachers_name_the_terms_and_state_their_matrix() -> None:
    rng = np.random.default_rng(0)
    for question in questions(0.9, 3):
        terms = Terms(**question.extra["terms"])
        chain = candidate(question, rng, SILENT)
        thinking, _, rest = chain.partition("</thinking>")
        assert thinking.endswith(terms.said(TERSE.noted))
        stated = rest[len("<payoff>") : rest.index("</payoff>")]
        truth = Bimatrix.from_json(question.extra["true_payoff"]).payoffs
        assert np.allclose(Bimatrix.from_json(json.loads(stated)).payoffs, truth, atol=0.51)


def test_without_conflict_no_verdict_states_an_episode() -> None:
    for question in questions(0, 2):
        details = at_once(LabJudge().judge(question, "it is so.")).details
        assert set(details) == {"asked", "refused", "right_action"}
