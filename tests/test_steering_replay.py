"""Decisions of the past under another policy: against each decision made anew."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO, games
from gtalign.errors import ConfigError, DataError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.steering import (
    ActionTokens,
    Adjustment,
    Policy,
    Price,
    Quota,
    edit,
    fit,
    prior_for,
    recommend,
)
from gtalign.steering.decision import Decision
from gtalign.steering.replay import Past, Replay, replay

PRIOR = prior_for(USER_LLM)
policies = st.builds(
    Policy,
    name=st.just("p"),
    payer=st.sampled_from(["user", "provider", "nobody"]),
    price=st.builds(Price, input=st.floats(0, 9), output=st.floats(0, 30)),
    quota=st.none() | st.just(Quota(tokens=4000, price=Price(output=20))),
    value_of_time=st.floats(0, 1),
    solution=st.sampled_from(["published", "bargaining", "stackelberg", "ces"]),
)


def decided(game: Bimatrix, policy: Policy, decimals: int = 1, **more: Any) -> Decision:
    """The record of an answer under a policy."""
    given_: dict[str, Any] = {"expected": PRIOR, "prompt_tokens": 50, "used_tokens": 0} | more
    use = {"prompt_tokens": given_["prompt_tokens"] or 0, "used_tokens": given_["used_tokens"]}
    edited = fit(edit(game, policy, given_["expected"], **use), decimals=decimals, low=-5, high=5)
    return Decision(
        id="d",
        created="",
        model="m",
        backend="b",
        mode="advise",
        resume="splice",
        policy=policy.name,
        policy_hash=policy.hash,
        steered=True,
        stated=game,
        edited=edited.edited,
        terms=edited.terms,
        before=recommend(game, policy),
        after=recommend(edited.edited, policy),
        decimals=decimals,
        **given_,
    )


def read(decision: Decision, **changed: Any) -> Past:
    return Past.from_json(json.loads(json.dumps(decision.to_json() | changed)))


@settings(max_examples=40)
@given(
    batch=st.lists(games(), min_size=1, max_size=4),
    then=policies,
    new=policies,
    prompt=st.none() | st.integers(0, 5000),
)
def test_a_replay_chooses_what_each_answer_would_have_been(
    batch: list[Bimatrix], then: Policy, new: Policy, prompt: int | None
) -> None:
    more: dict[str, Any] = {"prompt_tokens": prompt, "used_tokens": 1000}
    records = [decided(game, then, **more) for game in batch]
    again = [decided(game, new, **more) for game in batch]
    found = replay([read(record) for record in records], new)
    actions = [record.after.action for record in again if record.after is not None]
    assert list(found.actions) == actions
    old = [record.after.action for record in records if record.after is not None]
    written = sum(
        PRIOR[a].written() - PRIOR[b].written() for a, b in zip(actions, old, strict=True)
    )
    assert found.written == pytest.approx(written)
    same = replay([read(record) for record in records], then)
    assert same == Replay(tuple(old), 0, 0, 0)


def test_what_flips_costs_the_difference_at_the_new_prices() -> None:
    game = Bimatrix(USER_LLM, [[[3.0, 2], [2.0, 2], [3.0, 3]], [[3.0, 2], [4.0, 2.8], [3.3, 3.1]]])
    cheap = Policy(name="p", payer="user")
    dear = Policy(name="p", payer="user", price=Price(input=3, output=15), utility_of_money=500)
    found = replay([read(decided(game, cheap))] * 2, dear)
    assert found.actions == ("DA", "DA")
    assert (found.written, found.read) == (2 * (1000 - 1500), -2 * (50 + 500 + 40))
    assert found.money == pytest.approx((15 * -1000 + 3 * -1180) / 1e6)
    assert replay([], dear) == Replay((), 0, 0, 0)
    wrong = dear.model_copy(update={"adjust": (Adjustment(action="XX", user=1.0),)})
    with pytest.raises(ConfigError, match="XX"):
        replay([read(decided(game, cheap))], wrong)


@pytest.mark.parametrize("decimals", [0, 1, 2, 4])
def test_old_records_have_the_decimals_of_their_payoffs(decimals: int) -> None:
    game = Bimatrix(USER_LLM, [[[3, 2], [2, 2], [3, 3]], [[3, 2], [4, 2], [3, 3]]])
    dear = Policy(name="p", payer="user", price=Price(output=1.2345))
    record = decided(game, dear, decimals)
    assert read(record).decimals == read(record, decimals=None).decimals == decimals
    whole = decided(game, Policy(name="p", payer="nobody"), decimals)
    assert read(whole).decimals == decimals
    assert read(whole, decimals=None).decimals == 1  # of numbers that tell nothing


def test_a_record_that_decided_nothing_or_is_broken_is_refused() -> None:
    game = Bimatrix(USER_LLM, [[[3.0, 2], [2.0, 2], [3.0, 3]], [[3.0, 2], [4.0, 2.8], [3.3, 3.1]]])
    good = decided(game, Policy(name="p", payer="user")).to_json()
    Past.from_json(good)
    tokens = ActionTokens(output=1).model_dump()
    for wrong in (
        {"stated": None},
        {"edited": {"DQ_AQ": 1}},
        {"stated": good["stated"] | {"VQ_DA": {"LLM": float("nan"), "user": 0}}},
        {"after": None},
        {"after": good["after"] | {"action": "XX"}},
        {"expected": {"DA": tokens}},
        {"expected": good["expected"] | {"DA": tokens | {"output": []}}},
        {"expected": good["expected"] | {"DA": tokens | {"output": -1}}},
        {"expected": good["expected"] | {"DA": tokens | {"more": 1}}},
        {"prompt_tokens": "many"},
    ):
        with pytest.raises(DataError):
            Past.from_json(good | wrong)
    three = Bimatrix(THREE_BY_TWO, [[[1, 1]] * 2] * 3)
    with pytest.raises(DataError, match="no matrix of this game"):
        Past.from_json(good | {"stated": three.to_json()})
