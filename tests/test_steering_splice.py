"""An edited matrix in place of the stated one, with nothing else touched."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import PAYOFF, THREE_BY_TWO, VALID, games
from gtalign.chain import parse
from gtalign.chain.payoff import PayoffReader
from gtalign.errors import SteeringError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.steering import decimals_of, splice

NUMBER = re.compile(r"-?[0-9.]+(?:[eE][+-]?[0-9]+)?")
SPAN = parse(VALID).spans["payoff"]


def strictly(text: str, form: GameForm = USER_LLM) -> Bimatrix:
    return PayoffReader(form, -math.inf, math.inf).read(text, 0, len(text))


def put(text: str, edited: Bimatrix, decimals: int = 1) -> str:
    return splice(text, (0, len(text)), edited, decimals=decimals)


space = st.text(" \n\t\r", max_size=3)


@st.composite
def spelled(draw: st.DrawFn, value: float) -> str:
    """A number in one of the ways that JSON knows."""
    return draw(
        st.sampled_from(
            [f"{value:.1f}", f"{value:g}", f"{value:.3f}", f"{value:.2e}", f"{value * 10:.0f}e-1"]
        )
    )


@st.composite
def blocks(draw: st.DrawFn, form: GameForm = USER_LLM) -> tuple[str, Bimatrix]:
    """A payoff block in any formatting, and its matrix."""
    game = draw(games(form))
    cells = []
    for key in draw(st.permutations(form.cells)):
        user, llm = game.cell(key)
        pair = draw(st.permutations([("user", user), ("LLM", llm)]))
        parts = [
            f'{draw(space)}"{name}"{draw(space)}:{draw(space)}{draw(spelled(value))}{draw(space)}'
            for name, value in pair
        ]
        cells.append(f'{draw(space)}"{key}"{draw(space)}:{draw(space)}{{{",".join(parts)}}}')
    text = f"{draw(space)}{{{','.join(cells)}{draw(space)}}}{draw(space)}"
    assert strictly(text, form) == game
    return text, game


@pytest.mark.parametrize("form", [USER_LLM, THREE_BY_TWO], ids=["2x3", "3x2"])
@given(data=st.data(), decimals=st.integers(0, 4))
def test_only_changed_numbers_change(form: GameForm, data: st.DataObject, decimals: int) -> None:
    text, stated = data.draw(blocks(form))
    payoffs = np.array(stated.payoffs)
    for _ in range(data.draw(st.integers(0, 4))):
        index = tuple(data.draw(st.integers(0, size - 1)) for size in payoffs.shape)
        limit = 5 * 10**decimals
        payoffs[index] = data.draw(st.integers(-limit, limit)) / 10**decimals
    edited = Bimatrix(form, payoffs)
    result = put(text, edited, decimals)
    assert strictly(result, form) == edited
    assert NUMBER.sub("", result) == NUMBER.sub("", text)
    before, after = NUMBER.findall(text), NUMBER.findall(result)
    changed = int(np.sum(stated.payoffs != edited.payoffs))
    assert sum(a != b for a, b in zip(before, after, strict=True)) == changed
    first = next((i for i, (a, b) in enumerate(zip(text, result, strict=False)) if a != b), None)
    if changed:
        # all of the prefix up to the number in which they first differ is the same
        numbers = zip(NUMBER.finditer(text), before, after, strict=True)
        where = next(found.start() for found, a, b in numbers if a != b)
        assert text[:where] == result[:where]
        assert first is None or first >= where
    else:
        assert result == text


@given(blocks())
def test_an_unchanged_matrix_leaves_the_block_as_it_was(block: tuple[str, Bimatrix]) -> None:
    text, game = block
    assert put(text, game) == text


def test_inside_a_chain() -> None:
    edited = Bimatrix(USER_LLM, PAYOFF.payoffs - np.array([0.5, 0]))
    start, end = SPAN
    content = splice(VALID, SPAN, edited, decimals=1)
    chain = parse(VALID[:start] + content + VALID[end:])
    assert chain.payoff == edited
    assert content.startswith('{"DQ_AQ": {"LLM": 3.0, "user": 2.5}, "DQ_CQ": {"LLM": 0.5')


def test_no_negative_zero_is_written() -> None:
    text = json.dumps(PAYOFF.to_json())
    edited = Bimatrix(USER_LLM, PAYOFF.payoffs * 0.0 - 0.0)
    assert "-0" not in put(text, edited)
    assert strictly(put(text, edited)) == edited


def test_a_negative_zero_of_the_model_stays_as_it_is() -> None:
    game = Bimatrix(USER_LLM, PAYOFF.payoffs * 0)
    text = json.dumps(game.to_json()).replace('"user": 0.0', '"user": -0.0', 1)
    assert put(text, game) == text


@pytest.mark.parametrize("text", [VALID[slice(*SPAN)].replace('"', "'"), "", "no JSON", "{" * 999])
def test_a_block_that_was_repaired_is_written_anew(text: str) -> None:
    edited = Bimatrix(USER_LLM, PAYOFF.payoffs + 1)
    assert put(text, edited) == json.dumps(edited.to_json())
    assert strictly(put(text, edited)) == edited


def test_payoffs_of_too_many_decimals_are_refused() -> None:
    edited = Bimatrix(USER_LLM, PAYOFF.payoffs + 0.04)
    with pytest.raises(SteeringError, match=r"DQ_AQ: the LLM payoff 3\.04 has more than 1 decim"):
        put(json.dumps(PAYOFF.to_json()), edited)
    tiny = np.array(PAYOFF.payoffs)
    tiny[0, 0, 0] = -1e-12
    with pytest.raises(SteeringError, match="the user payoff -1e-12 has more than 1"):
        put(json.dumps(PAYOFF.to_json()), Bimatrix(USER_LLM, tiny))


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("", 0),
        ('{"DQ_AQ": {"LLM": 3, "user": -2}}', 0),
        ('{"DQ_AQ": {"LLM": 3.0, "user": 2}}', 1),
        ('{"DQ_AQ": {"LLM": 3.5, "user":\n-2.250}}', 3),
        ('{"DQ_AQ": {"LLM": 35e-1, "user": 2e0}}', 1),
        ('{"DQ_AQ": {"LLM": 1.5e1, "user": 2E+1}}', 1),
        ("{'DQ_AQ': {'LLM': 3.25, 'user': 2}}", 2),
        ('{"DQ_AQ": {"LLM": 0.' + "1" * 50 + "}}", 9),
        ('{"DQ_AQ": {"LLM": 1e-300}}', 9),
        ('{"DQ_AQ": {"LLM": 1e' + "9" * 5000 + "}}", 0),
        ('{"DQ_AQ": {"LLM": 1e-' + "9" * 5000 + "}}", 1),
        ('{"DQ-1.5": {"LLM": 2}}', 0),
    ],
)
def test_decimals_as_they_are_written(text: str, decimals: int) -> None:
    assert decimals_of(text) == decimals


def test_decimals_of_long_texts_are_counted() -> None:
    # To search each of these again from each of its characters would take longer than tests may.
    assert decimals_of(":" + "1" * 10**6 + "." + "2" * 10**6) == 9
    assert decimals_of(": " * 10**6) == 0


def test_spans_of_numbers_are_positions_in_the_text() -> None:
    numbers: dict[tuple[str, str], tuple[int, int]] = {}
    PayoffReader(USER_LLM, -5, 5).read(VALID, *SPAN, numbers=numbers, offset=1000)
    assert len(numbers) == 12
    for (cell, player), (start, end) in numbers.items():
        expected = PAYOFF.cell(cell)[0 if player == "user" else 1]
        assert float(VALID[start:end]) == expected
    assert list(numbers.values()) == sorted(numbers.values())
