"""The edit of a matrix: prices, quotas, time, adjustments, and fitting into a chain."""

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO, games
from gtalign.chain.payoff import PayoffReader
from gtalign.errors import ConfigError, DataError, SteeringError
from gtalign.game import USER_LLM, Bimatrix, pareto_frontier, pure_nash, social_optimum
from gtalign.game.arrays import LIMIT
from gtalign.steering import (
    PRIOR,
    ActionTokens,
    Adjustment,
    Edit,
    Policy,
    Price,
    Quota,
    Term,
    edit,
    fit,
    load_policy,
    prior_for,
    recommend,
)
from gtalign.steering.incentives import audit_policy
from gtalign.steering.units import UNITS

GAME = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
LIST = Price(input=3, output=15)
ACTIONS = USER_LLM.llm_actions


def policy(payer: Any = "user", **keys: Any) -> Policy:
    return Policy(name="p", payer=payer, **keys)


def summed(edited: Edit) -> Any:
    """The stated payoffs with all terms added."""
    payoffs = np.array(edited.stated.payoffs)
    for term in edited.terms:
        for cell, amount in term.amounts.items():
            payoffs[(*edited.stated.form.index(cell), ["user", "llm"].index(term.player))] += amount
    return payoffs


def change(edited: Edit, action: str, player: int) -> float:
    """What an edit adds to an action's payoffs, which is the same in both of its cells."""
    column = ACTIONS.index(action)
    difference = edited.edited.payoffs - edited.stated.payoffs
    assert difference[0, column, player] == pytest.approx(difference[1, column, player], abs=1e-9)
    return float(difference[0, column, player])


prices = st.builds(
    Price,
    input=st.floats(0, 50),
    output=st.floats(0, 50),
    input_characters=st.floats(0, 10),
    output_characters=st.floats(0, 10),
    answer=st.floats(0, 0.05),
)
counts = st.floats(0, 3000)
tokens = st.builds(
    ActionTokens, output=counts, turns=st.floats(0, 2), follow_up=counts, reply=counts
)
expectations = st.fixed_dictionaries(dict.fromkeys(ACTIONS, tokens))
prompts = st.integers(0, 5000)
adjustments = st.lists(
    st.builds(Adjustment, action=st.sampled_from(ACTIONS), user=st.floats(-5, 5))
    | st.builds(Adjustment, cell=st.sampled_from(USER_LLM.cells), llm=st.floats(-5, 5)),
    max_size=3,
).map(tuple)
policies = st.builds(
    Policy,
    name=st.just("p"),
    payer=st.sampled_from(["user", "provider", "nobody"]),
    price=prices,
    quota=st.none() | st.builds(Quota, tokens=st.integers(0, 9000), price=prices),
    utility_of_money=st.floats(0, 200),
    value_of_time=st.floats(0, 5),
    adjust=adjustments,
)
edits = st.builds(
    edit, games(), policies, expectations, prompt_tokens=prompts, used_tokens=st.integers(0, 9000)
)


def test_per_token_pricing_by_hand() -> None:
    tokens = {
        "DA": ActionTokens(output=1000),
        "CQ": ActionTokens(output=500, turns=1, follow_up=1000, reply=40),
        "AQ": ActionTokens(output=1000, turns=0.5, follow_up=600, reply=40),
    }
    result = edit(GAME, policy(price=LIST), tokens, prompt_tokens=200)
    # points: 100 a unit, 15 and 3 units a million tokens
    assert change(result, "DA", 0) == pytest.approx(-1000 * 15 / 1e4)
    assert change(result, "CQ", 0) == pytest.approx(-(1500 * 15 + 740 * 3) / 1e4)
    assert change(result, "AQ", 0) == pytest.approx(-(1300 * 15 + 620 * 3) / 1e4)
    assert [(term.name, term.player) for term in result.terms] == [
        ("output tokens", "user"),
        ("input tokens", "user"),
    ]
    output, read = result.terms
    assert set(read.amounts) == {"DQ_CQ", "VQ_CQ", "DQ_AQ", "VQ_AQ"}  # DA reads nothing again
    assert output.why == (
        "the user pays 15 a million output tokens, and a currency unit is worth 100 points: "
        "AQ 1,300 tokens (-1.95), CQ 1,500 tokens (-2.25), DA 1,000 tokens (-1.5)"
    )


def test_characters_and_answers_are_priced_like_tokens() -> None:
    tokens = {
        "DA": ActionTokens(output=1000),
        "CQ": ActionTokens(output=500, turns=1, follow_up=1000, reply=40),
        "AQ": ActionTokens(output=1000, turns=0.5, follow_up=600, reply=40),
    }
    price = Price(output_characters=4, input_characters=1, answer=0.01)
    mixed = policy("provider", price=price, characters_per_token=5.0)
    result = edit(GAME, mixed, tokens, prompt_tokens=200)
    # 5 characters a token; this turn is an answer, and each further one is another.
    assert change(result, "DA", 1) == pytest.approx(-(1000 * 5 * 4 / 1e4 + 1))
    assert change(result, "CQ", 1) == pytest.approx(-(1500 * 5 * 4 + 740 * 5) / 1e4 - 2)
    assert change(result, "AQ", 1) == pytest.approx(-(1300 * 5 * 4 + 620 * 5) / 1e4 - 1.5)
    assert [term.name for term in result.terms] == [
        "output characters",
        "input characters",
        "answers",
    ]
    assert "the provider pays 0.01 an answer" in result.terms[-1].why
    assert "CQ 2 answers (-2)" in result.terms[-1].why


@pytest.mark.parametrize("ratio", [1.0, 2.5, 4.0])
def test_a_price_of_characters_is_that_of_the_tokens_that_hold_them(ratio: float) -> None:
    tokens = {a: ActionTokens(output=100 * n, turns=n) for n, a in enumerate(ACTIONS)}
    by_token = policy(price=Price(input=3, output=15))
    text = Price(input_characters=3 / ratio, output_characters=15 / ratio)
    by_character = policy(price=text, characters_per_token=ratio)
    one, other = (edit(GAME, p, tokens, prompt_tokens=70) for p in (by_token, by_character))
    assert one.edited.payoffs == pytest.approx(other.edited.payoffs)


def test_above_its_quota_the_user_pays_in_every_unit() -> None:
    tokens = {a: ActionTokens(output=1000) for a in ACTIONS}
    quota = Quota(tokens=1500, price=Price(answer=0.02, output_characters=2))
    result = edit(GAME, policy("provider", quota=quota), tokens, used_tokens=750)
    # 750 of the 1,000 tokens are left: a quarter of everything is above the quota.
    assert change(result, "DA", 0) == pytest.approx(-(2 + 4000 * 2 / 1e4) / 4)
    assert {term.name for term in result.terms} == {
        "answers above quota",
        "output characters above quota",
    }


def test_time_is_always_the_users() -> None:
    tokens = {a: ActionTokens(output=0) for a in ACTIONS}
    tokens["CQ"] = ActionTokens(output=100, turns=1, follow_up=200)
    for payer in ("user", "provider", "nobody"):
        keys = {"value_of_time": 18.0, "tokens_per_second": 30.0, "reply_seconds": 20.0}
        result = edit(GAME, policy(payer, **keys), tokens)
        assert [(term.name, term.player) for term in result.terms] == [("time", "user")]
        # 300 tokens at 30 a second, and one reply: 30 seconds, 18 units an hour, 100 points a unit
        assert change(result, "CQ", 0) == pytest.approx(-30 / 3600 * 18 * 100)
        assert "CQ 30 s (-15)" in result.terms[0].why


@pytest.mark.parametrize(
    ("name", "user", "llm"),
    [
        ("released-llm", {"DA": 0, "AQ": 1, "CQ": 0.5}, {"DA": -2, "AQ": -2, "CQ": -2}),
        ("released-user", {"DA": -2, "AQ": -2, "CQ": -2}, {"DA": 1, "AQ": 0.5, "CQ": 0}),
    ],
)
def test_the_released_presets(
    name: str, user: Mapping[str, float], llm: Mapping[str, float]
) -> None:
    result = edit(GAME, load_policy(name), PRIOR, prompt_tokens=1000)
    assert {action: change(result, action, 0) for action in ACTIONS} == pytest.approx(user)
    assert {action: change(result, action, 1) for action in ACTIONS} == pytest.approx(llm)
    assert {term.name for term in result.terms} == {"adjustment"}


@given(games(), st.floats(-5, 5))
def test_the_released_constant_moves_no_choice(game: Bimatrix, constant: float) -> None:
    adjust = tuple(Adjustment(action=action, llm=constant) for action in ACTIONS)
    edited = edit(game, policy("nobody", adjust=adjust), PRIOR).edited.payoffs
    for solver in (social_optimum, pareto_frontier, pure_nash):
        assert np.array_equal(solver(edited), solver(game.payoffs))


def test_adjustments_of_a_cell_and_of_an_action_add_up() -> None:
    adjust = (
        Adjustment(action="CQ", user=0.5),
        Adjustment(cell="VQ_CQ", user=1, llm=-1),
        Adjustment(cell="DQ_DA"),
    )
    result = edit(GAME, policy("nobody", adjust=adjust), PRIOR)
    user, llm = result.terms
    assert user.amounts == {"DQ_CQ": 0.5, "VQ_CQ": 1.5}
    assert llm.amounts == {"VQ_CQ": -1}
    assert user.why == "policy 'p' adds points: +0.5 in all cells of CQ, +1 in VQ_CQ"


@given(edits)
def test_terms_add_up(result: Edit) -> None:
    assert summed(result) == pytest.approx(result.edited.payoffs, abs=1e-9)
    for term in result.terms:
        assert all(term.amounts.values())
        assert "\n" not in term.why


@given(edits)
def test_a_term_comes_back(result: Edit) -> None:
    for term in result.terms:
        assert Term.from_json(json.loads(json.dumps(term.to_json()))) == term


@given(games(), expectations, prompts, st.sampled_from(["user", "provider", "nobody"]))
def test_without_prices_nothing_changes(
    game: Bimatrix, expected: dict[str, ActionTokens], prompt: int, payer: str
) -> None:
    free = policy(payer, quota=Quota(tokens=10, price=Price()))
    result = edit(game, free, expected, prompt_tokens=prompt, used_tokens=100)
    assert result == Edit(game, game, ())


@given(games(), prices, expectations, prompts, st.sampled_from(["user", "provider", "nobody"]))
def test_who_pays_decides_whose_payoffs_change(
    game: Bimatrix, price: Price, expected: dict[str, ActionTokens], prompt: int, payer: str
) -> None:
    result = edit(game, policy(payer, price=price), expected, prompt_tokens=prompt)
    spared = {"user": [1], "provider": [0], "nobody": [0, 1]}[payer]
    for player in spared:
        assert np.array_equal(result.edited.payoffs[..., player], game.payoffs[..., player])
    assert np.all(result.edited.payoffs <= game.payoffs)


def ordered(one: ActionTokens, other: ActionTokens, prompt: int) -> tuple[str, str] | None:
    """Which of two actions takes at least as many tokens of both kinds; None if neither."""
    if one.written() >= other.written() and one.read(prompt) >= other.read(prompt):
        return "AQ", "CQ"
    if one.written() <= other.written() and one.read(prompt) <= other.read(prompt):
        return "CQ", "AQ"
    return None


@given(
    games(), prices, st.sampled_from(["input", "output"]), st.floats(0, 50), expectations, prompts
)
@pytest.mark.parametrize(("payer", "player"), [("user", 0), ("provider", 1)])
def test_a_higher_price_never_favours_the_action_with_more_tokens(
    payer: str,
    player: int,
    game: Bimatrix,
    price: Price,
    kind: str,
    more: float,
    expected: dict[str, ActionTokens],
    prompt: int,
) -> None:
    pair = ordered(expected["AQ"], expected["CQ"], prompt)
    raised = price.model_copy(update={kind: getattr(price, kind) + more})
    advantages = []
    for each in (price, raised):
        result = edit(game, policy(payer, price=each), expected, prompt_tokens=prompt)
        if pair is not None:
            long, short = pair
            advantages.append(change(result, long, player) - change(result, short, player))
    if pair is not None:
        assert advantages[1] <= advantages[0] + 1e-9


@given(
    games(),
    prices,
    st.sampled_from(["input", "output"]),
    st.floats(0, 50),
    expectations,
    prompts,
    st.integers(0, 9000),
)
def test_nor_does_a_higher_price_above_a_quota(
    game: Bimatrix,
    price: Price,
    kind: str,
    more: float,
    expected: dict[str, ActionTokens],
    prompt: int,
    left: int,
) -> None:
    pair = ordered(expected["AQ"], expected["CQ"], prompt)
    raised = price.model_copy(update={kind: getattr(price, kind) + more})
    long, short = pair or ("AQ", "AQ")
    advantages = []
    for each in (price, raised):
        quota = Quota(tokens=left, price=each)
        result = edit(game, policy("provider", quota=quota), expected, prompt_tokens=prompt)
        advantages.append(change(result, long, 0) - change(result, short, 0))
    assert advantages[1] <= advantages[0] + 1e-9


NO_TOKENS = ActionTokens(output=0.0, turns=0.0, follow_up=0.0, reply=0.0)


@given(prices, st.floats(0, 20), expectations, prompts)
def test_charges_are_linear_in_the_price(
    price: Price, factor: float, expected: dict[str, ActionTokens], prompt: int
) -> None:
    scaled = Price(**{name: value * factor for name, value in price})
    once = edit(GAME, policy(price=price), expected, prompt_tokens=prompt)
    many = edit(GAME, policy(price=scaled), expected, prompt_tokens=prompt)
    for action in ACTIONS:
        assert change(many, action, 0) == pytest.approx(factor * change(once, action, 0), abs=1e-8)


@given(games(), prices, prices, expectations, prompts, st.integers(0, 10**6))
@example(GAME, Price(), Price(answer=0.03125), dict.fromkeys(ACTIONS, NO_TOKENS), 0, 0)
def test_the_ends_of_a_quota_are_the_two_kinds_of_pricing(
    game: Bimatrix,
    cost: Price,
    price: Price,
    expected: dict[str, ActionTokens],
    prompt: int,
    used: int,
) -> None:
    def under(tokens: int) -> Any:
        limited = policy("provider", price=cost, quota=Quota(tokens=tokens, price=price))
        result = edit(game, limited, expected, prompt_tokens=prompt, used_tokens=used)
        return result.edited.payoffs

    subscription = edit(game, policy("provider", price=cost), expected, prompt_tokens=prompt)
    per_token = edit(game, policy("user", price=price), expected, prompt_tokens=prompt)
    assert np.array_equal(under(10**9), subscription.edited.payoffs)
    assert np.array_equal(under(used), per_token.edited.payoffs)
    assert np.array_equal(under(0), per_token.edited.payoffs)


@given(
    st.builds(Price, input=st.floats(0, 50), output=st.floats(0, 50)),
    expectations,
    prompts,
    st.lists(st.integers(0, 20_000), min_size=2, max_size=6),
)
def test_what_the_user_pays_grows_with_what_was_used_and_never_jumps(
    price: Price, expected: dict[str, ActionTokens], prompt: int, used: list[int]
) -> None:
    limited = policy("provider", price=LIST, quota=Quota(tokens=10_000, price=price))

    def charge(tokens: int, action: str) -> float:
        result = edit(GAME, limited, expected, prompt_tokens=prompt, used_tokens=tokens)
        return -change(result, action, 0)

    for action in ACTIONS:
        charges = [charge(tokens, action) for tokens in sorted(used)]
        assert all(a <= b + 1e-9 for a, b in pairwise(charges))
        at, after = charge(used[0], action), charge(used[0] + 1, action)
        # one token more costs at most the dearer of the two prices
        assert after - at <= max(price.input, price.output) / 1e4 + 1e-9


def test_a_quota_is_split_in_proportion() -> None:
    expected = dict.fromkeys(ACTIONS, ActionTokens(output=300, turns=1, follow_up=300, reply=100))
    limited = policy("provider", price=LIST, quota=Quota(tokens=1000, price=LIST))
    # 600 written and 400 read; 500 tokens are left, half of each
    result = edit(GAME, limited, expected, used_tokens=500)
    assert change(result, "DA", 0) == change(result, "DA", 1)
    assert change(result, "DA", 0) == pytest.approx(-(300 * 15 + 200 * 3) / 1e4)
    assert [term.name for term in result.terms] == [
        "output tokens",
        "input tokens",
        "output tokens above quota",
        "input tokens above quota",
    ]
    assert "15 a million output tokens above quota" in result.terms[2].why


def test_another_game() -> None:
    game = Bimatrix(THREE_BY_TWO, np.zeros((3, 2, 2)))
    result = edit(game, load_policy("per-token"), prior_for(THREE_BY_TWO))
    assert np.array_equal(result.edited.payoffs[..., 0], np.full((3, 2), -1.5))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"prompt_tokens": -1}, "prompt_tokens has to be"),
        ({"used_tokens": -1}, "used_tokens has to be"),
        ({"used_tokens": 10**400}, "used_tokens has to be"),
        ({"prompt_tokens": float("nan")}, "prompt_tokens has to be"),
    ],
)
def test_impossible_counts(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        edit(GAME, load_policy("quota"), PRIOR, **keys)


def test_every_action_needs_expected_tokens() -> None:
    with pytest.raises(SteeringError, match="not for 'AQ'"):
        edit(GAME, policy(), {"DA": PRIOR["DA"], "CQ": PRIOR["CQ"]})


def test_a_policy_has_to_fit_the_game() -> None:
    with pytest.raises(ConfigError, match=r"adjust\.0 names the LLM action 'XX'"):
        edit(GAME, policy(adjust=(Adjustment(action="XX", user=1),)), PRIOR)


QUOTA = ("quota.tokens=0", "quota.price.answer=1")
NUMBERS = (
    *(f"{of}{unit.key}" for of in ("price.", "quota.price.") for unit in UNITS),
    *("utility_of_money", "value_of_time", "reply_seconds", "characters_per_token"),
    *("tokens_per_second", "budget.money"),
)
"""Every number of a policy that is an amount or a rate."""


@pytest.mark.parametrize("number", NUMBERS)
def test_no_number_of_a_policy_is_beyond_what_charges_can_hold(number: str) -> None:
    for value in ("inf", "1e308", "1.1e15"):
        with pytest.raises(ConfigError, match=rf"{number}: input should be .*, got ") as caught:
            load_policy("per-token", [*QUOTA, f"{number}={value}"])
        assert len(str(caught.value).splitlines()) == 1
    assert load_policy("per-token", [*QUOTA, f"{number}=1e15"])
    low = "1e-7" if number in ("characters_per_token", "tokens_per_second", "budget.money") else -1
    with pytest.raises(ConfigError, match=rf"{number}: input should be greater"):
        load_policy("per-token", [*QUOTA, f"{number}={low}"])


@pytest.mark.parametrize("points", ["inf", "1e308", "-1e308", "1000001"])
def test_no_points_of_a_policy_are_beyond_what_payoffs_can_hold(points: str) -> None:
    with pytest.raises(ConfigError, match=r"adjust\.0\.user: input should be"):
        load_policy("per-token", [f"adjust=[{{action = 'CQ', user = {points}}}]"])


def test_the_greatest_numbers_of_a_policy_still_make_a_matrix() -> None:
    most = [f"{number}=1e15" for number in NUMBERS if number != "tokens_per_second"]
    dear = load_policy("per-token", [*QUOTA, "tokens_per_second=1e-6", *most])
    least = load_policy("per-token", ["characters_per_token=1e-6", "price.answer=1e15"])
    endless = dict.fromkeys(PRIOR, ActionTokens(output=2**53, turns=2**53, follow_up=2**53))
    for one in (dear, least):
        for expected in (PRIOR, endless):
            exact = edit(GAME, one, expected, prompt_tokens=2**53)
            assert (np.abs(exact.charges) <= LIMIT).all()
            assert recommend(fit(exact, decimals=1, low=-5, high=5).edited, one).cell
        for honest in (PRIOR["DA"], endless["DA"]):
            for act in audit_policy(one, honest=honest, compute=one.price):
                assert math.isfinite(act.gain)


def names(result: Edit) -> list[tuple[str, str]]:
    return [(term.name, term.player) for term in result.terms]


def fitted(payoffs: Any, decimals: int = 1, low: float = -5, high: float = 5) -> Edit:
    game = Bimatrix(USER_LLM, payoffs)
    return fit(Edit(game, game, ()), decimals=decimals, low=low, high=high)


def test_what_fits_stays() -> None:
    assert fitted(GAME.payoffs) == Edit(GAME, GAME, ())
    # a hundredth beyond the range is gone by rounding
    assert names(fitted(GAME.payoffs + np.array([2.01, 0]))) == [("rounding", "user")]


def test_one_constant_before_any_clipping() -> None:
    payoffs = np.array(GAME.payoffs)
    payoffs[..., 0] -= 5.5  # from -5.5 to -2.5
    result = fitted(payoffs)
    assert names(result) == [("shift", "user")]
    assert result.terms[0].amounts == dict.fromkeys(USER_LLM.cells, 0.5)
    assert result.edited.payoffs[..., 0].min() == -5
    assert result.terms[0].why == (
        "payoffs of user are shifted alike, by +0.5 points, to lie in [-5, 5]: "
        "no preference changes"
    )
    payoffs[..., 0] += 9  # up to 6.5
    assert fitted(payoffs).terms[0].amounts == dict.fromkeys(USER_LLM.cells, -1.5)


def test_what_is_spread_too_wide_keeps_its_upper_end() -> None:
    payoffs = np.array(GAME.payoffs)
    payoffs[..., 1] = [[-20.0, -9.0, -8.0], [0.0, 1.5, 1.25]]
    result = fitted(payoffs)
    assert names(result) == [("shift", "llm"), ("clipping", "llm"), ("rounding", "llm")]
    assert result.edited.payoffs[..., 1].tolist() == [[-5, -5, -4.5], [3.5, 5, 4.7]]
    assert result.terms[1].amounts == {"DQ_AQ": 11.5, "DQ_CQ": 0.5}
    assert summed(result) == pytest.approx(result.edited.payoffs, abs=1e-9)


@given(
    edits,
    st.integers(0, 9),
    st.sampled_from([(-5.0, 5.0), (0.0, 1.0), (-2.25, 2.75), (-5.0, 5.05)]),
)
def test_a_fitted_matrix_can_be_written(
    result: Edit, decimals: int, bounds: tuple[float, float]
) -> None:
    low, high = bounds
    done = fit(result, decimals=decimals, low=low, high=high)
    assert done.stated == result.stated
    assert done.terms[: len(result.terms)] == result.terms
    assert summed(done) == pytest.approx(done.edited.payoffs, abs=1e-9)
    values = done.edited.payoffs.ravel().tolist()
    assert all(low <= value <= high for value in values)
    assert all(float(f"{value:.{decimals}f}") == value for value in values)
    text = json.dumps(done.edited.to_json())
    assert PayoffReader(USER_LLM, low, high).read(text, 0, len(text)) == done.edited


@given(edits, st.integers(0, 9))
def test_fitting_lets_no_two_payoffs_change_places(result: Edit, decimals: int) -> None:
    done = fit(result, decimals=decimals, low=-5, high=5)
    for player in (0, 1):
        before = result.edited.payoffs[..., player].ravel()
        after = done.edited.payoffs[..., player].ravel()
        assert np.all((before[:, None] > before) <= (after[:, None] >= after))


@given(games(), st.integers(-80, 80), st.integers(-80, 80))
def test_a_shift_changes_no_solution(game: Bimatrix, user: int, llm: int) -> None:
    moved = fitted(game.payoffs + np.array([user, llm]) / 10)
    assert {name for name, _ in names(moved)} <= {"shift", "rounding"}
    for solver in (social_optimum, pareto_frontier, pure_nash):
        assert np.array_equal(solver(moved.edited.payoffs), solver(game.payoffs))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"decimals": -1}, "0 to 9 decimals, not -1"),
        ({"decimals": 10}, "0 to 9 decimals, not 10"),
        ({"low": 0.2, "high": 0.8, "decimals": 0}, r"no payoff of 0 decimals lies in \[0\.2, 0\.8"),
        ({"low": 5, "high": -5}, "no payoff"),
        ({"high": float("inf")}, "finite range"),
        ({"low": float("nan")}, "finite range"),
    ],
)
def test_ranges_that_hold_no_payoff(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        fitted(GAME.payoffs, **keys)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": 3}, "'name' has to be text, not 3"),
        ({"player": "LLM"}, "'player' has to be one of user, llm, not 'LLM'"),
        ({"player": None}, "'player'"),
        ({"amounts": [1]}, "'amounts' has to be an object, not a list of 1"),
        ({"amounts": {"DQ_AQ": "1"}}, "'amounts.DQ_AQ' has to be a finite number"),
    ],
)
def test_wrong_records_of_a_term(change: dict[str, Any], named: str) -> None:
    record = Term("time", "user", {"DQ_AQ": 1.0}, "because").to_json()
    with pytest.raises(DataError) as caught:
        Term.from_json(record | change)
    assert named in str(caught.value)


def test_the_documentation_has_the_prior() -> None:
    text = (Path(__file__).parents[1] / "docs/explanation/steering.md").read_text(encoding="utf-8")
    for action in ACTIONS:
        prior = PRIOR[action]
        numbers = (prior.output, prior.turns, prior.follow_up, prior.reply)
        assert f" | {' | '.join(f'{number:g}' for number in numbers)} |" in text
