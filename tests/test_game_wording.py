"""Actions in words: each has one, other games keep theirs, and every page explains its own."""

import pytest

from gtalign.game import USER_LLM, GameForm
from gtalign.game.wording import LEGEND, WORDS, meanings, named


@pytest.mark.parametrize("action", [*USER_LLM.user_actions, *USER_LLM.llm_actions])
def test_every_action_has_its_word(action: str) -> None:
    assert named(action) == f"{action} ({WORDS[action]})"
    assert f"({action})" in LEGEND


@pytest.mark.parametrize("action", ["GO", "C", "WAIT-1", ""])
def test_an_action_of_another_game_stays_as_it_is(action: str) -> None:
    assert named(action) == action


@pytest.mark.parametrize(
    ("actions", "told"),
    [
        (USER_LLM.user, ["detailed question", "vague question"]),
        (USER_LLM.llm, ["answers and asks", "asks back", "answers directly"]),
        ((("CQ", ""), ("C", "")), ["asks back", ""]),
        (GameForm({"C": "cooperate"}, {"DA": "disagree"}).llm, ["disagree"]),
        (GameForm({"C": "cooperate"}, {"DA": "disagree"}).user, ["cooperate"]),
    ],
)
def test_tables_say_what_the_actions_of_their_game_mean(actions: object, told: list[str]) -> None:
    found = meanings(actions)  # type: ignore[arg-type]
    assert [meaning for _, meaning in found] == told
