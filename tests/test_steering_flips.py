"""Where a choice flips: against the choice itself, at prices inside every interval."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO, games
from gtalign.errors import ConfigError, GameError, SteeringError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.steering import Edit, Policy, Price, Quota, edit, fit, flips, prior_for, recommend
from gtalign.steering.batch import chosen, fitted
from gtalign.steering.flips import NUMBERS, with_number

GAME = Bimatrix(USER_LLM, [[[3.0, 2], [2.0, 2], [3.0, 3]], [[3.0, 2], [4.0, 2.8], [3.3, 3.1]]])
PRIOR = prior_for(USER_LLM)
RULES = ("published", "bargaining", "stackelberg", "stackelberg_user", "nash", "ces")

policies = st.builds(
    Policy,
    name=st.just("p"),
    payer=st.sampled_from(["user", "provider", "nobody"]),
    price=st.builds(Price, input=st.floats(0, 20), output=st.floats(0, 40)),
    quota=st.builds(
        Quota,
        tokens=st.integers(0, 9000),
        price=st.builds(Price, input=st.floats(0, 20), output=st.floats(0, 40)),
    ),
    utility_of_money=st.floats(0, 150),
    value_of_time=st.floats(0, 5),
    solution=st.sampled_from(RULES),
    tie_break=st.sampled_from(["user", "llm"]),
    rho=st.sampled_from([1.0, 0.0, -1.0, float("-inf")]),
)
HIGH = {"quota.tokens": 12_000.0, "utility_of_money": 400.0}
HIGH |= {"price.answer": 0.5, "quota.price.answer": 0.5}


def choice(game: Bimatrix, policy: Policy, decimals: int, **use: Any) -> str:
    """The action of a steered answer."""
    edited = edit(game, policy, prior_for(game.form), **use)
    return recommend(fit(edited, decimals=decimals, low=-5, high=5).edited, policy).action


@pytest.mark.parametrize("number", NUMBERS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_choice_stays_inside_an_interval_and_differs_in_the_next(number: str, data: Any) -> None:
    game = data.draw(games(data.draw(st.sampled_from([USER_LLM, THREE_BY_TWO]))))
    policy, decimals = data.draw(policies), data.draw(st.integers(0, 2))
    use = {"prompt_tokens": data.draw(st.integers(0, 3000)), "used_tokens": 2000}
    low, high = data.draw(st.sampled_from([0.0, 0.1])), HIGH.get(number, 50.0)
    expected = prior_for(game.form)
    found = flips(game, policy, number, low, high, expected=expected, decimals=decimals, **use)
    assert (found[0].low, found[-1].high) == (low, high)
    for one, other in pairwise(found):
        assert one.high == other.low and one.action != other.action
    for interval in found:
        width = interval.high - interval.low
        assert width > 0
        if width < 1e-9 * high:
            continue
        shares = [1e-3, 0.5, 1 - 1e-3, data.draw(st.floats(0.001, 0.999))]
        for share in shares:
            moved = with_number(policy, number, interval.low + share * width)
            assert choice(game, moved, decimals, **use) == interval.action


def test_a_breakpoint_is_where_two_actions_are_worth_the_same() -> None:
    policy = Policy(name="p", payer="user", price=Price(output=1), utility_of_money=100)
    found = flips(GAME, policy, "price.output", 0, 60, expected=PRIOR, decimals=2)
    # VQ_CQ leads VQ_DA by 0.4; its 500 further tokens cost 0.05 points for each unit of the price.
    # Rounding turns the choice back and forth where they are worth the same but for a decimal.
    assert {interval.action for interval in found} == {"CQ", "DA"}
    assert (found[0].action, found[-1].action) == ("CQ", "DA")
    for interval in found[1:]:
        assert interval.low == pytest.approx(0.4 / 0.05, abs=0.01 / 0.05)
    free = policy.model_copy(update={"payer": "nobody"})
    (only,) = flips(GAME, free, "price.output", 0, 60, expected=PRIOR, decimals=2)
    assert (only.action, only.low, only.high) == ("CQ", 0, 60)


def test_a_quota_is_looked_at_on_both_sides_of_its_corners() -> None:
    quota = Quota(tokens=0, price=Price(output=30))
    policy = Policy(name="p", payer="nobody", quota=quota)
    use: dict[str, Any] = {"expected": PRIOR, "decimals": 1, "used_tokens": 500}
    found = flips(GAME, policy, "quota.tokens", 0, 5000, **use)
    assert (found[0].action, found[-1].action) == ("DA", "CQ")
    assert 500 < found[-1].low < 500 + PRIOR["CQ"].written() + PRIOR["CQ"].read(0)


def test_what_cannot_be_swept_is_said() -> None:
    policy = Policy(name="p", payer="user", price=Price(output=1))
    use: Any = {"expected": PRIOR, "decimals": 1}
    with pytest.raises(ConfigError, match=r"'rho' is no number to move; there are price\.output"):
        flips(GAME, policy, "rho", 0, 1, **use)
    with pytest.raises(ConfigError, match=r"quota\.tokens: this policy has no quota"):
        flips(GAME, policy, "quota.tokens", 0, 1, **use)
    for low, high in ((1, 1), (-1, 1), (0, float("inf")), (0, 1e200), (0, float("nan"))):
        with pytest.raises(SteeringError, match=r"price\.output: a range goes from 0"):
            flips(GAME, policy, "price.output", low, high, **use)
    with pytest.raises(SteeringError, match=r"change more than 200,000 times"):
        flips(GAME, policy, "price.output", 0, 1e9, **use)


@given(batch=st.lists(games(), min_size=1, max_size=4), by=st.floats(-2, 4), rule=policies)
def test_a_batch_is_fitted_and_chosen_like_each_of_its_games(
    batch: list[Bimatrix], by: float, rule: Policy
) -> None:
    batch = [Bimatrix(USER_LLM, by * game.payoffs - by) for game in batch]
    payoffs = np.stack([game.payoffs for game in batch])
    decimals = np.arange(len(batch)) % 3
    many = fitted(payoffs, decimals, low=-4, high=5)
    for game, digits, fitted_one in zip(batch, decimals, many, strict=True):
        one = fit(Edit(game, game, ()), decimals=int(digits), low=-4, high=5).edited
        assert np.array_equal(one.payoffs, fitted_one)
    cells = chosen(many, rule, USER_LLM, low=-4)
    for fitted_one, cell in zip(many, cells, strict=True):
        assert recommend(Bimatrix(USER_LLM, fitted_one), rule, low=-4).cell == USER_LLM.cells[cell]


def test_ces_refuses_a_batch_with_a_payoff_that_has_no_welfare() -> None:
    rule = Policy(name="p", payer="user", solution="ces")
    payoffs = np.zeros((3, 2, 3, 2))
    payoffs[1, 1, 0, 1] = -7
    with pytest.raises(GameError, match="VQ_AQ: the payoff -7 lies below -5"):
        chosen(payoffs, rule, USER_LLM)
    assert chosen(payoffs[:0], rule, USER_LLM).shape == (0,)
