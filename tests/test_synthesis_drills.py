"""Drills, and chains that go on from an edited matrix."""

import json
import re
from itertools import permutations, product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gtalign.chain import chosen_cell, parse, work_out
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.synthesis.counterfactuals import HIGH, LOW, counterfactual, edited
from gtalign.synthesis.drills import compact, drill

payoffs = st.lists(st.integers(-50, 50), min_size=12, max_size=12).map(
    lambda ticks: Bimatrix(USER_LLM, np.reshape(ticks, (2, 3, 2)) / 10 + 0.0)
)


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


def test_half_of_the_drills_are_close_calls_of_every_height() -> None:
    rng, gaps, heights = np.random.default_rng(1), [], set()
    for _ in range(400):
        matrix = json.loads(drill(rng).given.removeprefix("<payoff>").partition("</payoff>")[0])
        payoffs = Bimatrix.from_json(matrix).payoffs
        assert np.abs(payoffs).max() <= 5
        low, high = np.sort(payoffs.sum(axis=-1), axis=None)[-2:]
        gaps.append(high - low)
        heights.add(high if high - low <= 1 else None)
    assert 0.6 < np.mean(np.array(gaps) <= 1) < 0.85  # some of the others are close by chance
    assert {0.0, 5.0, 8.0, 9.0, 10.0} < heights


def test_a_drill_has_the_shape_and_the_range_that_are_asked() -> None:
    act, plan = ("act", "now"), ("plan", "first")
    two = GameForm([("off", "never looks"), ("on", "reviews")], [act, plan])
    one = GameForm([("off", "never looks")], [act])
    for form, seed in product((two, one), range(20)):
        given = drill(np.random.default_rng(seed), form, 1).given
        matrix = json.loads(given.removeprefix("<payoff>").partition("</payoff>")[0])
        payoffs = Bimatrix.from_json(matrix, form).payoffs
        assert payoffs.shape == (*form.shape, 2) and np.abs(payoffs).max() <= 1


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


def test_edits_put_whole_actions_into_another_order() -> None:
    rng = np.random.default_rng(0)
    game = Bimatrix(USER_LLM, np.arange(-5.0, 7.0).reshape(2, 3, 2).clip(-5, 5))
    orders = [game.payoffs[:, list(order)] for order in permutations(range(3))]
    found = [edited(game, rng).payoffs for _ in range(400)]
    drawn = [sum(np.array_equal(one, after) for after in found) for one in orders]
    assert all(drawn) and 0.05 < sum(drawn[1:]) / len(found) < 0.2


def test_edits_tip_the_balance_by_one_number() -> None:
    """Some edits change a single cell, whose sum ends just above, at, or just below the best."""
    rng = np.random.default_rng(0)
    game = Bimatrix(
        USER_LLM, np.array([[[4, 4], [-2, 1], [3, 0]], [[1, 1], [0, -3], [2, 2]]], float)
    )
    margins = []
    for _ in range(600):
        after = edited(game, rng).payoffs
        rows, columns = np.nonzero((after != game.payoffs).any(axis=-1))
        if len(rows) == 1 and columns[0] != 0:
            margins.append(after[rows[0], columns[0]].sum() - 8)
    assert {-1, 0, 1} <= set(margins)
    assert len([one for one in margins if abs(one) <= 1]) > 90


def test_an_edit_of_a_matrix_without_room_stays_in_range() -> None:
    top = Bimatrix(USER_LLM, np.full((2, 3, 2), 5.0) - np.eye(3)[:2, :, None])
    after = [edited(top, np.random.default_rng(seed)).payoffs for seed in range(100)]
    assert max(one.max() for one in after) <= HIGH


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
