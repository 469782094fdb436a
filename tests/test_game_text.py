"""Matrices in a text: every form comes back, and what is wrong is named by line and cell."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.errors import PayoffError
from gtalign.game import USER_LLM, GameForm
from gtalign.game.text import form_of, read_games

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,4}", fullmatch=True)
SIDES = st.lists(NAMES, min_size=1, max_size=4, unique=True)


def matrix(form: GameForm, start: int = 0) -> dict[str, dict[str, int]]:
    return {key: {"user": start + n, "LLM": -n} for n, key in enumerate(form.cells)}


@given(user=SIDES, llm=SIDES)
def test_a_matrix_of_any_names_comes_back(user: list[str], llm: list[str]) -> None:
    form = GameForm({name: name for name in user}, {name: name for name in llm})
    if set(user) <= set(USER_LLM.user_actions) and set(llm) <= set(USER_LLM.llm_actions):
        return  # those are the usual game's, which has to be whole
    (game,) = read_games(json.dumps(matrix(form)))
    assert game.form == form
    assert [game.cell(key) for key in form.cells] == [(n, -n) for n in range(len(form.cells))]


@given(
    count=st.integers(1, 4),
    between=st.lists(st.sampled_from(["", " ", "\t"]), max_size=2),
)
def test_lines_and_layout_do_not_matter(count: int, between: list[str]) -> None:
    lines = [json.dumps(matrix(USER_LLM, start)) for start in range(count)]
    gap = "\n".join(["", *between, ""])
    games = read_games(gap.join(lines) + gap)
    assert [game.cell("DQ_AQ")[0] for game in games] == list(range(count))
    (laid_out,) = read_games(gap + json.dumps(matrix(USER_LLM), indent=2))
    assert laid_out.cell("VQ_DA") == games[0].cell("VQ_DA")


@pytest.mark.parametrize("found", [None, 7, [], {}, {"DQ_AQ": {}}])
def test_what_spans_no_form_is_held_against_the_usual_one(found: object) -> None:
    assert form_of(found) is USER_LLM


def test_the_line_of_a_wrong_matrix_is_named() -> None:
    good = json.dumps(matrix(USER_LLM))
    wrong = json.dumps(matrix(USER_LLM) | {"VQ_DA": {"user": 1}})
    with pytest.raises(PayoffError, match="line 4: VQ_DA: missing LLM"):
        read_games(f"{good}\n\n\n{wrong}\n")
    with pytest.raises(PayoffError, match="line 2: not JSON"):
        read_games(f"{good}\n{{")
    for empty in ("", "\n \n"):
        with pytest.raises(PayoffError, match="no payoff matrix"):
            read_games(empty)
