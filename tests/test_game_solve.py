import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from games import batches
from gtalign.errors import GameError, PayoffError
from gtalign.game import (
    TOLERANCE,
    USER_LLM,
    Bimatrix,
    GameForm,
    commit,
    commitment_gain,
    deviation_gains,
    equilibria,
    pareto_frontier,
    price_of_anarchy,
    pure_nash,
    social_optimum,
    solve,
)
from gtalign.game.form import Player


def form_of(m, n):
    return GameForm({f"u{i}": "" for i in range(m)}, {f"l{j}": "" for j in range(n)})


@given(batches())
@settings(max_examples=30)
def test_a_solution_says_by_name_what_the_arrays_say(games):
    for payoffs in games:
        form = form_of(*payoffs.shape[:2])
        solution = solve(Bimatrix(form, payoffs))
        optimum = social_optimum(payoffs)
        assert solution.optimum == form.cells[optimum]
        assert solution.frontier == form.where(pareto_frontier(payoffs))
        assert solution.pure_nash == form.where(pure_nash(payoffs))
        assert solution.trap == bool(set(solution.pure_nash) - set(solution.frontier))
        found = equilibria(payoffs)
        assert len(solution.equilibria) == len(found)
        for one, user, llm in zip(solution.equilibria, found.user, found.llm, strict=True):
            assert [one.user.get(name, 0) for name in form.user_actions] == user.tolist()
            assert [one.llm.get(name, 0) for name in form.llm_actions] == llm.tolist()
        gains = list(solution.deviation_gains.values())
        assert gains == pytest.approx(deviation_gains(payoffs, optimum), abs=1e-8)
        price = price_of_anarchy(payoffs)
        assert (solution.price_of_anarchy is None) == np.isnan(price)
        assert solution.price_of_anarchy in (None, pytest.approx(price))


@given(batches())
@settings(max_examples=30)
def test_a_solution_says_to_what_a_leader_best_commits(games):
    for payoffs in games:
        form = form_of(*payoffs.shape[:2])
        solution = solve(Bimatrix(form, payoffs))
        sides: list[tuple[int, Player, tuple[str, ...], tuple[str, ...]]] = [
            (0, "user", form.user_actions, form.llm_actions),
            (1, "llm", form.llm_actions, form.user_actions),
        ]
        for side, leader, own, other in sides:
            lead, pure = solution.leads[leader], solution.game.cell(solution.stackelberg[leader])
            best = commit(payoffs, leader).payoffs[side]
            assert lead.payoffs[leader] == pytest.approx(best, abs=1e-8)
            assert (len(lead.mixed) > 1) == (best > pure[side] + TOLERANCE)
            shares = [lead.mixed.get(name, 0) for name in own]
            place = other.index(lead.answer)
            cells = payoffs[:, place] if leader == "user" else payoffs[place]
            assert list(lead.payoffs.values()) == pytest.approx(shares @ cells, abs=1e-8)
            assert lead.gain[leader] == pytest.approx(
                commitment_gain(payoffs, leader)[side], abs=1e-8
            )
            assert lead.gain[leader] >= 0


def test_a_solution_says_in_words_what_a_mixture_brings():
    form = GameForm(user={"long": "", "short": ""}, llm={"asks": "", "answers": ""})
    mixed = solve(Bimatrix(form, [[[1, 3], [2, 4]], [[0, 1], [3, 0]]]))
    assert (
        "better for the LLM: 0.5 asks + 0.5 answers; best answer long (user 1.5, LLM 3.5), against"
        " its best equilibrium user +0, LLM +1.5"
    ) in str(mixed)
    assert mixed.to_json()["leads"]["user"] == {
        "mixed": {"long": 0.5, "short": 0.5},
        "answer": "answers",
        "payoffs": {"user": 2.5, "llm": 2.0},
        "gain": {"user": 1.0, "llm": 0.0},
    }
    pure = solve(Bimatrix(form, [[[3, 3], [0, 0]], [[0, 0], [1, 1]]]))
    assert "no mixture of actions is better for who leads" in str(pure)


def test_the_running_example():
    game = Bimatrix(USER_LLM, [[[3, 3], [0, 0], [0, 4]], [[4, 0], [0, 0], [1, 1]]])
    solution = solve(game)
    assert solution.game is game
    assert (solution.optimum, solution.pure_nash, solution.trap) == ("DQ_AQ", ("VQ_DA",), True)
    assert (solution.price_of_anarchy, solution.price_of_stability) == (3, 3)
    assert solution.welfare_gap == 4
    assert solution.maximin == {"user": ("DQ", 0.0), "llm": ("DA", 1.0)}
    assert solution.dominated == {"user": (), "llm": ("AQ", "CQ")}
    assert solution.misread_loss == {"DQ": 0.0, "VQ": 0.0}
    assert solution.to_json()["equilibria"] == [{"user": {"VQ": 1.0}, "llm": {"DA": 1.0}}]
    with pytest.raises(dataclasses.FrozenInstanceError):
        solution.trap = False  # type: ignore[misc]


def test_all_parts_agree_on_near_ties():
    # 0.6 of a tolerance apart, on either side of a point of the grid's cells.
    payoffs = np.zeros((2, 2, 2))
    payoffs[0, 0, 0], payoffs[1, 0, 0] = 1.3e-9, 0.7e-9
    solution = solve(Bimatrix(form_of(2, 2), payoffs))
    pure = [
        f"{next(iter(e.user))}_{next(iter(e.llm))}"
        for e in solution.equilibria
        if len(e.user) == len(e.llm) == 1
    ]
    assert sorted(pure) == sorted(solution.pure_nash)


def test_the_description_of_rows_and_columns_does_not_matter():
    payoffs = np.arange(8).reshape(2, 2, 2)
    one, two = Bimatrix(form_of(2, 2), payoffs), Bimatrix(form_of(2, 2), payoffs.tolist())
    assert solve(one) == solve(two)


def test_payoffs_beyond_the_limit_are_refused():
    with pytest.raises(GameError, match="not a finite number up to"):
        solve(Bimatrix(USER_LLM, np.full((2, 3, 2), 1e300)))


MATRIX = {
    "DQ_AQ": {"LLM": 3, "user": 3},
    "DQ_CQ": {"LLM": 1, "user": 0.5},
    "DQ_DA": {"LLM": 4, "user": 2},
    "VQ_AQ": {"LLM": 1.5, "user": -1},
    "VQ_CQ": {"LLM": 2.5, "user": 4},
    "VQ_DA": {"LLM": 1, "user": 1},
}


@pytest.mark.parametrize("source", [MATRIX, json.dumps(MATRIX), json.dumps(MATRIX, indent=2)])
def test_a_matrix_is_solved_as_text_and_as_an_object(source: Any) -> None:
    assert solve(source).optimum == "VQ_CQ"


@pytest.mark.parametrize(
    "source", ["", "nonsense", "{}", {"DQ_DA": 3}, "\n".join([json.dumps(MATRIX)] * 2)]
)
def test_what_is_no_matrix_is_refused(source: Any) -> None:
    with pytest.raises(PayoffError):
        solve(source)


def test_a_solution_prints_and_renders() -> None:
    found = solve(MATRIX)
    lines = str(found).splitlines()
    assert lines[0].split("  ")[0] == "user \\ LLM"
    assert "joint optimum         VQ_CQ, welfare 6.5 (user 4, LLM 2.5)" in lines
    assert "price of anarchy" in str(found)
    page = found._repr_html_()
    assert "VQ_CQ, welfare 6.5" in page
    assert page.count("<tr>") >= 3
