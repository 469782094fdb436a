"""The solution of a matrix, written out: the text agrees with the rule and with the reader."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.chain import chosen_cell, parse
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.steering import load_policy
from gtalign.steering.recommend import recommend
from gtalign.synthesis.counterfactuals import HIGH, LOW, counterfactual, edited
from gtalign.synthesis.solved import compact, drill, work_out

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


def test_a_drill_gives_the_matrix_and_asks_for_the_rest() -> None:
    one, again = (drill(np.random.default_rng(3)) for _ in range(2))
    assert one == again
    assert one.text.startswith(one.given)
    assert one.given.endswith("</payoff><analyze>")
    matrix = json.loads(one.given.removeprefix("<payoff>").partition("</payoff>")[0])
    solved = work_out(Bimatrix.from_json(matrix))
    assert one.text == f"{one.given}{solved.text}</analyze>"


def test_drills_choose_every_cell() -> None:
    rng = np.random.default_rng(0)
    ends = {re.search(r"choose (\w+)\.", drill(rng).text)[1] for _ in range(200)}  # type: ignore[index]
    assert ends == set(USER_LLM.cells)


def test_whole_payoffs_are_written_without_decimals() -> None:
    text = compact(Bimatrix(USER_LLM, np.full((2, 3, 2), 2.0)))
    assert " " not in text and ".0" not in text
    assert Bimatrix.from_json(json.loads(text)).payoffs.tolist() == np.full((2, 3, 2), 2.0).tolist()


@given(payoffs, st.integers(0, 2**32 - 1))
def test_edits_stay_in_range_and_have_no_further_decimals(game: Bimatrix, seed: int) -> None:
    after = edited(game, np.random.default_rng(seed)).payoffs
    assert after.min() >= LOW and after.max() <= HIGH
    assert np.allclose(after * 10, np.round(after * 10))
    assert not np.signbit(after[after == 0]).any()


def test_edits_move_the_optimum_often_and_sometimes_nothing() -> None:
    rng = np.random.default_rng(0)
    game = Bimatrix(USER_LLM, np.array(rng.integers(-5, 6, (2, 3, 2)), float))
    after = [edited(game, rng) for _ in range(400)]
    moved = np.mean([work_out(one).cell != work_out(game).cell for one in after])
    same = np.mean([one == game for one in after])
    assert 0.3 < moved < 0.9
    assert 0.05 < same < 0.25


@given(payoffs, st.integers(0, 2**32 - 1))
def test_a_counterfactual_chain_follows_its_own_matrix(game: Bimatrix, seed: int) -> None:
    source = parse(
        f"<thinking>so.</thinking><payoff>{compact(game)}</payoff><analyze>choose DQ_DA.</analyze>"
        "<response>it is.</response>"
    )
    made = counterfactual(source, np.random.default_rng(seed), lambda action: f"did {action}")
    chain = parse(made.text)
    assert made.text.startswith(made.given) and made.given.endswith("<analyze>")
    assert chain.thinking == "so."
    assert chosen_cell(chain.analyze, chain.payoff).action == made.action
    assert chain.response == f"did {made.action}"
    assert work_out(chain.payoff).action == made.action
