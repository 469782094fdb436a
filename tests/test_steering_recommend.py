"""Which cell a policy chooses, against the definitions, and what a record of it says."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO, games
from gtalign.errors import DataError, GameError
from gtalign.game import TOLERANCE, USER_LLM, Bimatrix, maximin, pareto_frontier, solve
from gtalign.steering import PRIOR, Policy, Recommendation, edit, load_policy, recommend

GAME = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
RULES = ["published", "bargaining", "stackelberg", "stackelberg_user", "nash", "ces"]


def policy(solution: Any = "published", **keys: Any) -> Policy:
    return Policy(name="p", payer="user", solution=solution, **keys)


def pairs(game: Bimatrix) -> list[tuple[float, float]]:
    return [game.cell(key) for key in game.form.cells]


@pytest.mark.parametrize("form", [USER_LLM, THREE_BY_TWO], ids=["2x3", "3x2"])
@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=20)
@given(data=st.data())
def test_a_recommendation_agrees_with_the_solution(rule: str, form: Any, data: Any) -> None:
    game = data.draw(games(form))
    solution = solve(game)
    found = recommend(game, policy(rule))
    assert found.cell in form.cells
    assert found.cell.endswith(f"_{found.action}")
    assert found.solution == rule
    assert found.frontier == solution.frontier
    assert found.pure_nash == solution.pure_nash
    assert found.equilibria == solution.equilibria
    assert found.trap == solution.trap
    assert found.on_frontier == (found.cell in solution.frontier)
    if rule in ("published", "bargaining", "ces"):
        assert found.on_frontier
    assert Recommendation.from_json(json.loads(json.dumps(found.to_json()))) == found


@given(games())
def test_published_is_the_social_optimum(game: Bimatrix) -> None:
    assert recommend(game, policy()).cell == solve(game).optimum


@given(games())
def test_published_ties_may_go_to_the_llm(game: Bimatrix) -> None:
    cell = recommend(game, policy(tie_break="llm")).cell
    best = max(user + llm for user, llm in pairs(game))
    tied = {k: game.cell(k) for k in USER_LLM.cells if sum(game.cell(k)) >= best - TOLERANCE}
    assert cell in tied
    assert tied[cell][1] >= max(llm for _, llm in tied.values()) - TOLERANCE


@given(games())
def test_bargaining_maximises_the_product_of_gains(game: Bimatrix) -> None:
    cell = recommend(game, policy("bargaining")).cell
    point = maximin(game.payoffs)[1]
    gains = {k: np.array(game.cell(k)) - point for k in USER_LLM.cells}
    fair = {k: gain for k, gain in gains.items() if (gain >= -TOLERANCE).all()}
    assert cell in fair
    assert fair[cell].prod() >= max(gain.prod() for gain in fair.values()) - 1e-8


@given(games())
def test_leaders(game: Bimatrix) -> None:
    for side in ("user", "llm"):
        rule = {"user": "stackelberg_user", "llm": "stackelberg"}[side]
        assert recommend(game, policy(rule)).cell == solve(game).stackelberg[side]


@given(games())
def test_nash_is_an_equilibrium(game: Bimatrix) -> None:
    cell, found = recommend(game, policy("nash")).cell, solve(game)
    if found.pure_nash:
        best = max(sum(game.cell(key)) for key in found.pure_nash)
        assert cell in found.pure_nash
        assert sum(game.cell(cell)) >= best - TOLERANCE
        return
    sums = [
        sum(p * q * sum(game.cell(f"{u}_{a}")) for u, p in e.user.items() for a, q in e.llm.items())
        for e in found.equilibria
    ]
    assert any(
        total >= max(sums) - 1e-7
        and e.user.get(cell[:2], 0) >= max(e.user.values()) - 1e-7
        and e.llm.get(cell[3:], 0) >= max(e.llm.values()) - 1e-7
        for total, e in zip(sums, found.equilibria, strict=True)
    )


@given(games(), st.sampled_from([1.0, 0.5, 0.0, -1.0, -math.inf]))
def test_ces_maximises_welfare_on_the_frontier(game: Bimatrix, rho: float) -> None:
    def welfare(key: str) -> float:
        user, llm = (payoff + 5 for payoff in game.cell(key))
        if rho == -math.inf:
            return min(user, llm)
        if rho == 0:
            return math.sqrt(user * llm)
        if rho < 0 and min(user, llm) <= 0:
            return 0.0
        return float(((user**rho + llm**rho) / 2) ** (1 / rho))

    found = recommend(game, policy("ces", rho=rho))
    frontier = USER_LLM.where(pareto_frontier(game.payoffs))
    assert welfare(found.cell) >= max(welfare(key) for key in frontier) - 1e-7
    if rho == 1:
        sums = [user + llm for user, llm in pairs(game)]
        assert sum(game.cell(found.cell)) >= max(sums) - 1e-7


def test_the_order_of_ces_matters() -> None:
    game = Bimatrix(USER_LLM, [[[5.0, -3], [0.5, 0.5], [0.0, 0]], [[0.0, 0], [0.0, 0], [0.0, 0]]])
    assert recommend(game, policy("ces", rho=1)).cell == "DQ_AQ"
    assert recommend(game, policy("ces", rho=-math.inf)).cell == "DQ_CQ"


def test_ces_ties_go_to_the_chosen_side() -> None:
    game = Bimatrix(USER_LLM, [[[1, 3], [3, 1], [0, 0]], [[0, 0], [0, 0], [0, 0]]])
    assert recommend(game, policy("ces")).cell == "DQ_CQ"
    assert recommend(game, policy("ces", tie_break="llm")).cell == "DQ_AQ"


def test_ces_needs_payoffs_from_its_zero_upwards() -> None:
    below = Bimatrix(USER_LLM, GAME.payoffs - 7.5)
    with pytest.raises(GameError, match=r"VQ_AQ: the payoff -7\.5 lies below -5.* fit the matrix"):
        recommend(below, policy("ces"))
    assert recommend(below, policy("ces"), low=-7.5).cell == "DQ_AQ"
    assert recommend(below, policy()).cell == "DQ_AQ"
    with pytest.raises(GameError, match="lies below nan"):
        recommend(GAME, policy("ces"), low=math.nan)


@given(games(), st.integers(-50, 50), st.integers(-50, 50), st.sampled_from(RULES[:4]))
def test_constants_move_no_choice(game: Bimatrix, user: int, llm: int, rule: str) -> None:
    moved = Bimatrix(USER_LLM, game.payoffs + np.array([user, llm]) / 10)
    assert recommend(moved, policy(rule)) == recommend(game, policy(rule))


def test_asking_under_a_subscription_becomes_an_answer_under_api_pricing() -> None:
    stated = Bimatrix(
        USER_LLM, [[[3.0, 2], [2.0, 2], [3.0, 3]], [[3.0, 2], [4.0, 2.8], [3.3, 3.1]]]
    )
    chosen = {}
    for name in ("subscription", "per-token"):
        pricing = load_policy(name)
        edited = edit(stated, pricing, PRIOR, prompt_tokens=300).edited
        chosen[name] = recommend(edited, pricing).action
    assert chosen == {"subscription": "CQ", "per-token": "DA"}


@given(games(), st.sampled_from(["per-token", "subscription"]))
def test_the_highest_sum_does_not_see_who_pays(game: Bimatrix, name: str) -> None:
    totals = []
    for payer in ("user", "provider"):
        pricing = load_policy(name).model_copy(update={"payer": payer})
        edited = edit(game, pricing, PRIOR, prompt_tokens=300).edited
        totals.append(edited.payoffs.sum(axis=-1))
    assert np.allclose(*totals)


def test_who_pays_decides_what_a_leader_does() -> None:
    payoffs = [[[0.0, 0.2], [0.0, 0.5], [0.0, 0]]] * 2
    chosen = {}
    for payer in ("user", "provider"):
        pricing = load_policy("per-token").model_copy(update={"payer": payer})
        edited = edit(Bimatrix(USER_LLM, payoffs), pricing, PRIOR).edited
        leads = pricing.model_copy(update={"solution": "stackelberg"})
        chosen[payer] = recommend(edited, leads).action
    # asking costs the provider 2.4 points, a direct answer 1.5
    assert chosen == {"user": "CQ", "provider": "DA"}


def test_a_game_too_large_to_solve() -> None:
    with pytest.raises(GameError, match="not a finite number up to"):
        recommend(Bimatrix(USER_LLM, GAME.payoffs * 1e101), policy())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cell": None}, "'cell' has to be text"),
        ({"frontier": "DQ_AQ"}, "'frontier' has to be a list of texts"),
        ({"pure_nash": [1]}, "'pure_nash'"),
        ({"equilibria": {}}, "'equilibria' has to be a list of objects"),
        ({"equilibria": [3]}, "'equilibria.0' has to be an object"),
        ({"equilibria": [{"user": {}}]}, "'equilibria.0.llm' is missing"),
        ({"equilibria": [{"user": {"DQ": "1"}, "llm": {}}]}, "'equilibria.0.user.DQ'"),
        ({"on_frontier": 1}, "'on_frontier' has to be true or false"),
        ({"trap": None}, "'trap'"),
    ],
)
def test_wrong_records_are_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError) as caught:
        Recommendation.from_json(recommend(GAME, policy()).to_json() | change)
    assert named in str(caught.value)
