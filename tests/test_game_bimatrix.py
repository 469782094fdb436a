import copy
import json
import pickle
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from games import random_games
from gtalign.errors import GameError, PayoffError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.bimatrix import read_object

DILEMMA: dict[str, dict[str, float]] = {
    "DQ_AQ": {"LLM": 3, "user": 3},
    "DQ_CQ": {"LLM": 0, "user": 0.5},
    "DQ_DA": {"LLM": 4, "user": 0},
    "VQ_AQ": {"LLM": 0, "user": 4},
    "VQ_CQ": {"LLM": 0, "user": 0},
    "VQ_DA": {"LLM": 1, "user": 1},
}
TEXT = json.dumps(DILEMMA)


def edit(cell: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """The dilemma with one cell changed; None takes a key out."""
    game: dict[str, dict[str, Any]] = {**DILEMMA, cell: {**DILEMMA[cell], **changes}}
    game[cell] = {key: value for key, value in game[cell].items() if value is not None}
    return game


def test_the_codec_reads_what_it_writes():
    game = Bimatrix.from_json(TEXT)
    assert game.payoffs[0, 1].tolist() == [0.5, 0]
    assert game.cell("VQ_AQ") == (4, 0)
    assert game.to_json() == DILEMMA
    assert list(game.to_json()) == list(USER_LLM.cells)


@given(st.integers(0, 10**6))
def test_the_codec_keeps_every_payoff(seed):
    game = Bimatrix(USER_LLM, np.random.default_rng(seed).normal(size=(2, 3, 2)) * 10)
    assert Bimatrix.from_json(json.dumps(game.to_json())) == game


def test_keys_may_come_in_any_order():
    backwards = {key: dict(reversed(DILEMMA[key].items())) for key in reversed(DILEMMA)}
    assert Bimatrix.from_json(backwards) == Bimatrix.from_json(TEXT)


def test_a_game_is_an_immutable_value():
    game = Bimatrix.from_json(TEXT)
    source = np.zeros((2, 3, 2))
    zero, minus_zero = Bimatrix(USER_LLM, source), Bimatrix(USER_LLM, -source)
    source[:] = 1
    assert zero == minus_zero and hash(zero) == hash(minus_zero)
    assert zero != game and zero != "a game"
    assert len({game, Bimatrix.from_json(DILEMMA)}) == 1
    for twin in (copy.deepcopy(game), pickle.loads(pickle.dumps(game))):
        assert twin == game
        with pytest.raises(ValueError, match="read-only"):
            twin.payoffs[0, 0, 0] = 9


@pytest.mark.parametrize(
    ("payoffs", "message"),
    [
        (np.zeros((3, 2, 2)), "shape"),
        (np.full((2, 3, 2), True), "numbers, not bool"),
        (np.full((2, 3, 2), "1"), "numbers"),
        (np.full((2, 3, 2), np.nan), "DQ_AQ: the user payoff is nan"),
    ],
)
def test_wrong_arrays_are_refused(payoffs, message):
    with pytest.raises(PayoffError, match=message):
        Bimatrix(USER_LLM, payoffs)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (edit("DQ_CQ", user=True), "DQ_CQ: the user payoff is a boolean"),
        (edit("DQ_CQ", LLM=None), "DQ_CQ: missing LLM"),
        (edit("DQ_CQ", llm=1), "DQ_CQ: unknown 'llm'"),
        (edit("VQ_DA", LLM=float("nan")), "VQ_DA: the LLM payoff is nan"),
        (edit("VQ_DA", LLM="1"), "VQ_DA: the LLM payoff is a string"),
        (edit("VQ_DA", LLM=[1]), "VQ_DA: the LLM payoff is an array"),
        (edit("VQ_DA", LLM={}), "VQ_DA: the LLM payoff is an object"),
        (edit("VQ_DA", LLM=1j), "VQ_DA: the LLM payoff is complex"),
        (edit("VQ_DA", LLM=10**400), "VQ_DA: the LLM payoff is inf"),
        ({**DILEMMA, "DQ_AQ": 3}, "DQ_AQ: a cell is .* not a number"),
        ({**DILEMMA, "DQ_AQ": None}, "DQ_AQ: a cell is .* not null"),
        ({**DILEMMA, "DQ_XX": {}}, "the matrix: unknown 'DQ_XX'"),
        ({k: v for k, v in DILEMMA.items() if k != "VQ_CQ"}, "missing VQ_CQ"),
        ([DILEMMA], "object, not an array"),
    ],
)
def test_wrong_objects_are_refused_by_the_name_of_the_cell(source, message):
    with pytest.raises(PayoffError, match=message):
        Bimatrix.from_json(source)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT[:-1] + ', "DQ_AQ": {"LLM": 1, "user": 1}}', "duplicate key 'DQ_AQ'"),
        (TEXT.replace('"LLM": 1,', '"LLM": 1, "LLM": 1,'), "VQ_DA: duplicate key 'LLM'"),
        (TEXT.replace("0.5", "NaN"), "DQ_CQ: the user payoff is nan"),
        (TEXT.replace("0.5", "-Infinity"), "DQ_CQ: the user payoff is -inf"),
        (TEXT.replace("0.5", "1e999"), "DQ_CQ: the user payoff is inf"),
        (TEXT.replace("0.5", "9" * 5000), "not a payoff matrix"),
        (TEXT[:-1], r"line 1: not JSON: .* \(column"),
        ("[" * 10**5, "nested too deeply"),
        ("", "not JSON"),
    ],
)
def test_wrong_text_is_refused(text, message):
    with pytest.raises(PayoffError, match=message):
        Bimatrix.from_json(text)


def test_a_range_is_inclusive():
    assert Bimatrix.from_json(DILEMMA, low=0, high=4).cell("DQ_DA") == (0, 4)
    cases: tuple[dict[str, Any], ...] = ({"low": 0.1}, {"high": 3.9})
    for bounds in cases:
        with pytest.raises(PayoffError, match=re.compile("DQ_[CD].*: the .* outside")):
            Bimatrix.from_json(DILEMMA, **bounds)


def test_any_form_has_the_codec():
    form = GameForm({"C": "", "D": ""}, {"C": "", "D": ""})
    game = Bimatrix(form, random_games(1, 2, 2)[0])
    assert Bimatrix.from_json(json.dumps(game.to_json()), form) == game
    with pytest.raises(GameError, match="unknown cell"):
        game.cell("VQ_DA")


def test_messages_count_lines_from_the_given_one():
    with pytest.raises(PayoffError, match="line 8: not JSON"):
        read_object('{\n"DQ_AQ" 1}', first_line=7)
