"""Policies in one line of the prompt: what the line says, where it stands, and what it replaces."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.game import USER_LLM, Bimatrix
from gtalign.steering import (
    Adjustment,
    Ask,
    FakeBackend,
    Policy,
    Price,
    Quota,
    Session,
    Steering,
    SteeringSettings,
    load_policy,
    policy_line,
    policy_names,
    with_policy_line,
)
from gtalign.steering.units import UNITS
from gtalign.tasks import Message

AMOUNTS = st.floats(0, 1e9, allow_nan=False).map(lambda x: round(x, 3))
POINTS = st.floats(0, 1e6).map(lambda x: round(x, 3))
PRICES = st.builds(Price, **dict.fromkeys(Price.model_fields, AMOUNTS | st.just(0.0)))
POLICIES = st.builds(
    Policy,
    name=st.sampled_from(["one", "two"]),
    payer=st.sampled_from(["user", "provider"]),
    price=PRICES,
    quota=st.none() | st.builds(Quota, tokens=st.integers(0, 2**53), price=PRICES),
    utility_of_money=st.floats(0.5, 1e6).map(lambda x: round(x, 3)),
    value_of_time=AMOUNTS,
    adjust=st.lists(
        st.builds(Adjustment, action=st.sampled_from(["DA", "CQ", "AQ"]), user=POINTS), max_size=2
    ).map(tuple),
)
STATED = Bimatrix(USER_LLM, [[[1, 1], [-2, -2], [2, 2]], [[1, 2], [4, 4], [0, 0]]])
ASKED = (Message(role="user", content="When was it?"),)


def charging(policy: Policy) -> Any:
    """What a policy charges, without what charges nobody."""
    priced = policy.price != Price()
    quota = policy.quota
    money = priced or quota is not None or policy.value_of_time
    return (
        (policy.payer, policy.price) if priced else None,
        quota,
        policy.value_of_time,
        policy.utility_of_money if money else None,
        policy.adjust,
    )


@given(POLICIES, POLICIES)
def test_lines_are_the_same_for_policies_that_charge_alike(one: Policy, other: Policy) -> None:
    lines = [policy_line(policy) for policy in (one, other)]
    assert all(len(line.splitlines()) == 1 for line in lines)
    assert (lines[0] == lines[1]) == (charging(one) == charging(other))
    assert policy_line(one.model_copy(update={"name": "another"})) == lines[0]


@pytest.mark.parametrize("name", policy_names())
def test_the_policies_that_ship_say_their_numbers(name: str) -> None:
    policy = load_policy(name)
    line = policy_line(policy)
    for price in (policy.price, *([] if policy.quota is None else [policy.quota.price])):
        rates = ((unit.rate(price), unit.said) for unit in UNITS)
        assert all(f"{rate:g} {said}" in line for rate, said in rates if rate)
    for one in policy.adjust:
        assert f"{one.action} gives" in line


def test_a_quota_says_what_is_left_of_it() -> None:
    quota = Quota(tokens=1000, price=Price(output=4.0))
    policy = Policy(name="q", payer="provider", price=Price(output=1.0), quota=quota)
    assert " 1,000 tokens of the allowance are left" in policy_line(policy)
    assert " 400 tokens of the allowance are left" in policy_line(policy, 600)
    assert " 0 tokens of the allowance are left" in policy_line(policy, 5000)


@pytest.mark.parametrize(
    ("roles", "place"),
    [
        (["user"], 0),
        (["system", "user"], 1),
        (["user", "assistant", "user"], 2),
        (["user", "tool"], 0),
        (["system"], 0),
    ],
)
def test_the_last_question_begins_with_the_line(roles: list[str], place: int) -> None:
    messages = [Message(role=role, content=f"text {n}") for n, role in enumerate(roles)]
    found = with_policy_line(messages, "Nobody pays.")
    assert [message["role"] for message in found] == roles
    for number, message in enumerate(found):
        before = "Nobody pays.\n" if number == place else ""
        assert message["content"] == f"{before}text {number}"


def writes(seen: list[str], action: str = "CQ") -> FakeBackend:
    """A model that shows what it was asked, and writes a chain."""
    payoff = json.dumps(STATED.to_json())
    said = {"CQ": "Which one?", "DA": "In 1901."}[action]
    whole = (
        f"<thinking>so</thinking><payoff>{payoff}</payoff><analyze>choose VQ_{action}.</analyze>"
        f"<response>{said}</response>"
    )

    def script(messages: Sequence[Message], text: str) -> str:
        seen.append(messages[-1]["content"])
        if whole.startswith(text):
            return whole[len(text) :]
        return f"choose VQ_{action}.</analyze><response>{said}</response>"

    return FakeBackend(script)


@pytest.mark.parametrize("mode", ["observe", "advise", "enforce"])
@pytest.mark.parametrize("instruct", ["none", "full"])
async def test_sessions_name_the_policy_once(mode: Any, instruct: Any) -> None:
    seen: list[str] = []
    policy = load_policy("per-token", ["utility_of_money=5000"])
    settings = SteeringSettings(mode=mode, instruct=instruct, policy_line=True)
    answer = await Session(Steering(writes(seen), policy, settings), Ask(ASKED)).answer()
    assert set(seen) == {f"{policy_line(policy)}\nWhen was it?"}
    decision = answer.decision
    assert decision.stated == STATED
    # A model that was told the prices states them, so they are not charged again.
    assert bool(decision.terms) == (mode != "observe")
    assert (decision.edited == STATED) == (mode == "observe")


async def test_what_is_written_again_names_it_once_too() -> None:
    seen: list[str] = []
    policy = load_policy("per-token", ["utility_of_money=5000"])
    settings = SteeringSettings(instruct="none", policy_line=True, verify="retry")
    answer = await Session(Steering(writes(seen), policy, settings), Ask(ASKED)).answer()
    assert answer.decision.retry is not None
    assert set(seen) == {f"{policy_line(policy)}\nWhen was it?"}


async def test_no_line_by_default() -> None:
    seen: list[str] = []
    settings = SteeringSettings(mode="observe", instruct="none")
    await Session(Steering(writes(seen), load_policy("per-token"), settings), Ask(ASKED)).answer()
    assert set(seen) == {"When was it?"}


def test_a_model_that_nobody_asks_for_a_chain_cannot_state_prices() -> None:
    for instruct in ("short", "examples"):
        with pytest.raises(ValueError, match="policy_line is true"):
            SteeringSettings(mode="observe", instruct=instruct, policy_line=True)
        SteeringSettings(mode="advise", instruct=instruct, policy_line=True)
