"""The solution of a matrix, written out: the text agrees with the rule and with the reader."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.chain import chosen_cell, work_out
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.steering import load_policy
from gtalign.steering.recommend import recommend

payoffs = st.lists(st.integers(-50, 50), min_size=12, max_size=12).map(
    lambda ticks: Bimatrix(USER_LLM, np.reshape(ticks, (2, 3, 2)) / 10 + 0.0)
)


@given(payoffs)
def test_the_solution_is_that_of_the_rule(game: Bimatrix) -> None:
    solved = work_out(game)
    assert solved.cell == recommend(game, load_policy("subscription")).cell
    assert solved.action == solved.cell.partition("_")[2]


@given(payoffs)
def test_the_reader_reads_the_choice_that_is_written(game: Bimatrix) -> None:
    solved = work_out(game)
    choice = chosen_cell(solved.text, game)
    assert (choice.cell, choice.action) == (solved.cell, solved.action)


@given(payoffs)
def test_every_sum_is_right(game: Bimatrix) -> None:
    steps = re.findall(
        r"(\w+_\w+) (-?[\d.]+)\+(-?[\d.]+)=(-?\d+(?:\.\d+)?)(?= best|\.)", work_out(game).text
    )
    assert [cell for cell, *_ in steps] == list(game.form.cells)
    for cell, llm, user, total in steps:
        assert game.cell(cell) == (float(user), float(llm))
        assert float(total) == pytest.approx(float(user) + float(llm))


def test_of_equal_sums_the_user_decides_and_then_the_first_cell() -> None:
    cells = {cell: {"user": 0.0, "LLM": 0.0} for cell in USER_LLM.cells}
    cells["DQ_CQ"] = {"user": 1.0, "LLM": 3.0}
    cells["VQ_DA"] = {"user": 3.0, "LLM": 1.0}
    cells["VQ_CQ"] = {"user": 3.0, "LLM": 1.0}
    game = Bimatrix.from_json(cells)
    tied = [cell for cell in USER_LLM.cells if cell in ("VQ_DA", "VQ_CQ")]
    assert work_out(game).cell == tied[0] == USER_LLM.cells[int(social_optimum(game.payoffs))]


def test_decimals_that_do_not_add_up_exactly_are_tied() -> None:
    cells = {cell: {"user": 0.0, "LLM": 0.0} for cell in USER_LLM.cells}
    cells["DQ_CQ"] = {"user": 0.1, "LLM": 0.7}
    cells["VQ_DA"] = {"user": 0.3, "LLM": 0.5}
    assert work_out(Bimatrix.from_json(cells)).cell == "VQ_DA"
