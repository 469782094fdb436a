import pickle

import numpy as np
import pytest

from gtalign.errors import GameError
from gtalign.game import USER_LLM, GameForm


def test_user_llm_is_the_game_of_one_assistant_turn():
    assert USER_LLM.shape == (2, 3)
    assert USER_LLM.cells == ("DQ_AQ", "DQ_CQ", "DQ_DA", "VQ_AQ", "VQ_CQ", "VQ_DA")
    assert USER_LLM.description("CQ") == "clarifying question"


def test_cells_and_places_are_inverse():
    for key in USER_LLM.cells:
        assert USER_LLM.cell(*USER_LLM.index(key)) == key


def test_a_form_is_a_value():
    traits = dict(zip(USER_LLM.llm_actions, USER_LLM.traits, strict=True))
    same = GameForm(list(USER_LLM.user), dict(USER_LLM.llm), traits)
    assert same == USER_LLM and hash(same) == hash(USER_LLM)
    assert pickle.loads(pickle.dumps(USER_LLM)) == USER_LLM
    assert GameForm({"VQ": "", "DQ": ""}, {"DA": ""}) != GameForm({"DQ": "", "VQ": ""}, {"DA": ""})
    with pytest.raises(AttributeError):
        USER_LLM.user = ()  # type: ignore[misc]


def test_a_mask_selects_cells():
    mask = np.array([[True, False, False], [False, False, True]])
    assert USER_LLM.where(mask) == ("DQ_AQ", "VQ_DA")
    with pytest.raises(GameError, match="shape"):
        USER_LLM.where(mask.T)


@pytest.mark.parametrize("key", ["DQ", "DQ_XX", "XX_DA", "DA_DQ", "", "DQ_DA_", "DQ__DA"])
def test_an_unknown_cell_is_refused_with_the_known_ones(key):
    with pytest.raises(GameError, match="VQ_DA"):
        USER_LLM.index(key)


def test_descriptions_of_a_shared_name_need_the_player():
    form = GameForm({"C": "keep silent", "D": "talk"}, {"C": "keep quiet", "D": "tell"})
    assert form.description("C", "llm") == "keep quiet"
    with pytest.raises(GameError, match="both players"):
        form.description("C")
    with pytest.raises(GameError, match="unknown action 'E'"):
        form.description("E")


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({}, "at least one"),
        ({"A_B": ""}, "letters"),
        ({"": ""}, "letters"),
        ([("A", ""), ("A", "")], "twice"),
    ],
)
def test_malformed_forms_are_refused(user, message):
    with pytest.raises(GameError, match=message):
        GameForm(user, {"DA": ""})
