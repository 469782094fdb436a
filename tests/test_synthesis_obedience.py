"""Lessons in obeying an edited matrix, from what teachers wrote."""

import numpy as np
import pytest

from gtalign.chain import Chain, acted, chosen_cell, parse, work_out
from gtalign.game import USER_LLM, Bimatrix
from gtalign.synthesis.obedience import Responses, lesson
from gtalign.synthesis.outcome import _lessons
from gtalign.tasks import Question

SAID = {"DA": "It is 1950.", "CQ": "Which match?", "AQ": "The first was in 1950. Which match?"}


def chain(action: str, response: str | None = None) -> Chain:
    """A chain whose matrix, analysis and response agree on an action."""
    payoffs = np.zeros((2, 3, 2))
    payoffs[0, USER_LLM.llm_actions.index(action)] = 3.0
    game = Bimatrix(USER_LLM, payoffs)
    said = SAID[action] if response is None else response
    return Chain("so", game, f"Choose DQ_{action}.", said)


def test_the_best_response_of_each_action_is_kept() -> None:
    found = Responses()
    for response, welfare in (
        ("It is 1950.", 0.4),
        ("It is 1962.", 0.7),
        ("It is 1974.", 0.7),
        ("Which match?", 0.1),
        ("", 0.9),
        ("...", 0.9),
    ):
        found.add(chain("DA", response), welfare)
    assert found.by_action() == {"DA": "It is 1962.", "CQ": "Which match?"}


@pytest.mark.parametrize("action", ["DA", "CQ", "AQ"])
def test_a_lesson_follows_the_edited_matrix_and_its_worse_half_does_not(action: str) -> None:
    start, rng, moved = chain(action), np.random.default_rng(0), 0
    for _ in range(40):
        found = lesson(start, SAID, rng)
        assert found is not None
        right = parse(found.right.text)
        solved = work_out(right.payoff)
        assert right.thinking == start.thinking
        assert chosen_cell(right.analyze, USER_LLM).cell == solved.cell
        assert acted(right.response, USER_LLM) == solved.action == found.right.action
        if solved.action == action:
            assert found.wrong is None
            continue
        moved += 1
        assert found.wrong is not None and found.wrong.startswith(found.right.given)
        wrong = parse(found.wrong)
        assert wrong.payoff == right.payoff
        assert (wrong.analyze, wrong.response) == (start.analyze, start.response)
    assert moved > 5


def test_only_written_responses_are_used() -> None:
    rng = np.random.default_rng(0)
    few = {"DA": SAID["DA"], "CQ": SAID["CQ"]}
    found = [lesson(chain("DA"), few, rng) for _ in range(60)]
    assert {one.right.action for one in found if one is not None} == {"DA", "CQ"}
    assert lesson(chain("DA"), {}, rng) is None


@pytest.mark.parametrize("name", ["", "q1", "é中", "a\ud800", "\udce9"])
def test_any_id_gives_the_same_lessons_again(name: str) -> None:
    question = Question(name, "ambig_qa", (), "", name)
    responses = Responses()
    for action in SAID:
        responses.add(chain(action), 0.5)
    once, again = (list(_lessons(question, chain("DA"), responses, 3)) for _ in range(2))
    assert once == again and len(once) == 3


def test_a_response_of_no_action_makes_no_wrong_answer_right() -> None:
    """It carries out nothing, so it is worse than any that obeys."""
    rng = np.random.default_rng(1)
    found = [lesson(chain("DA", "..."), SAID, rng) for _ in range(20)]
    assert all(one is not None and one.wrong is not None for one in found)
