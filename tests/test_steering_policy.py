"""Pricing policies: files, presets, and a hash of what they do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO
from gtalign.config import dump, load
from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.file import load_game
from gtalign.game.traits import Traits
from gtalign.steering import (
    Adjustment,
    Budget,
    Policy,
    Price,
    Quota,
    edit,
    load_policy,
    policy_names,
    prior_for,
)

FILE = """
payer = "provider"
name = "{name}"
rho = -inf
adjust = [{{ user = 1, action = "AQ" }}, {{ cell = "VQ_DA", llm = -0.5 }}]
price = {{ output = 2, input = 0.5 }}
[quota]
tokens = 1_000
[quota.price]
output = 15.00
"""
REORDERED = """
# the same content
quota.price = {{ output = 1.5e1, input = 0 }}
quota.tokens = 1000
name = "{name}"
payer = "provider"
solution = "published"
rho = -inf
[price]
input = 5e-1
output = 2.0
[[adjust]]
action = "AQ"
user = 1.0
llm = -0.0
[[adjust]]
llm = -0.5
cell = "VQ_DA"
"""


def written(file: Path, text: str, name: str = "mine") -> Policy:
    file.write_text(text.format(name=name), encoding="utf-8")
    return load_policy(file)


def test_every_preset_loads_fits_the_game_and_comes_back(tmp_path: Path) -> None:
    names = {"free", "per-answer", "per-character", "per-token", "quota", "subscription"}
    names |= {"at-cost", "released-llm", "released-user"}
    assert set(policy_names()) == names
    for name in policy_names():
        policy = load_policy(name)
        assert policy.name == name
        policy.check(USER_LLM)
        file = tmp_path / f"{name}.toml"
        file.write_text(dump(policy), encoding="utf-8")
        assert load_policy(file) == load_policy(str(file)) == policy
    assert len({load_policy(name).hash for name in policy_names()}) == len(names)


def test_who_pays_in_the_presets() -> None:
    payers = {name: load_policy(name).payer for name in policy_names()}
    assert payers["per-token"] == payers["per-character"] == payers["per-answer"] == "user"
    assert payers["at-cost"] == "user"
    assert payers["subscription"] == payers["quota"] == "provider"
    assert payers["free"] == payers["released-llm"] == payers["released-user"] == "nobody"
    quota = load_policy("quota")
    assert quota.quota is not None
    assert quota.price == load_policy("subscription").price
    assert quota.quota.price == load_policy("per-token").price


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    first = written(tmp_path / "a.toml", FILE)
    second = written(tmp_path / "b.toml", REORDERED, name="another name")
    assert first.hash == second.hash
    assert first != second
    assert len(first.hash) == 16
    assert int(first.hash, 16) >= 0


AMOUNT = st.just(0.0) | st.floats(0, 100)
PRICES = st.builds(
    Price,
    **{name: AMOUNT for name in Price.model_fields},
)
BUDGETS = st.builds(
    Budget,
    tokens=st.none() | st.integers(1, 9),
    money=st.none() | st.floats(1, 9),
    hard=st.booleans(),
)
POINTS = st.floats(-5, 5)
POLICIES = st.builds(
    Policy,
    name=st.just("p"),
    payer=st.sampled_from(["user", "provider", "nobody"]),
    price=PRICES,
    quota=st.none() | st.builds(Quota, tokens=st.integers(0, 10**6), price=PRICES),
    utility_of_money=st.floats(0, 1000),
    value_of_time=st.floats(0, 100),
    adjust=st.lists(
        st.builds(Adjustment, action=st.just("AQ"), user=POINTS, llm=POINTS), max_size=2
    ).map(tuple),
    rho=st.just(float("-inf")) | st.floats(-10, 1),
    characters_per_token=st.just(4.0) | st.floats(1, 9),
    budget=st.none() | BUDGETS,
)


def test_a_policy_that_uses_no_later_key_has_the_hash_and_the_content_of_before() -> None:
    policy = load_policy("per-token")
    assert policy.hash == "acd5803ef90fe608"  # on record since before there were other units
    assert set(policy.content()["price"]) == {"input", "output"}
    assert not {"budget", "characters_per_token"} & set(policy.content())
    for change in ("price.answer=1", "price.input_characters=1", "budget.tokens=5"):
        other = load_policy("per-token", [change])
        assert other.hash != policy.hash
        assert Policy.model_validate(other.content()) == other


@given(POLICIES, POLICIES)
def test_policies_have_the_same_hash_if_they_are_equal_and_only_then(
    one: Policy, other: Policy
) -> None:
    assert (one.hash == other.hash) == (one == other)


@given(POLICIES, st.data())
def test_any_change_of_a_number_changes_the_hash(policy: Policy, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(["utility_of_money", "value_of_time", "reply_seconds"]))
    changed = policy.model_copy(update={key: data.draw(st.floats(0, 1000))})
    assert (changed.hash == policy.hash) == (changed == policy)


@given(POLICIES)
def test_a_policy_comes_back_from_toml(
    tmp_path_factory: pytest.TempPathFactory, policy: Policy
) -> None:
    file = tmp_path_factory.mktemp("policy") / "p.toml"
    file.write_text(dump(policy), encoding="utf-8")
    assert load_policy(file) == policy


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("payer=everybody", "payer"),
        ("pryce.input=1", "'pryce'; did you mean 'price'"),
        ("price.inptu=1", "'price.inptu'; did you mean 'price.input'"),
        ("price.input=-1", "price.input"),
        ("price.output=nan", "price.output"),
        ("price.output=inf", "price.output"),
        ("quota.tokens=-1", "quota.tokens"),
        ("quota.tokens=1", "'quota.price'"),
        ("utility_of_money=-1", "utility_of_money"),
        ("utility_of_money=inf", "utility_of_money"),
        ("value_of_time=-0.1", "value_of_time"),
        ("tokens_per_second=0", "tokens_per_second"),
        ("reply_seconds=nan", "reply_seconds"),
        ("solution=best", "solution"),
        ("rho=1.1", "rho"),
        ("rho=nan", "rho"),
        ("tie_break=nobody", "tie_break"),
        ('name=""', "name"),
        ('name="a\\nb"', "name"),
        ("adjust=[{user = 1}]", "adjust.0: an adjustment names an action or a cell"),
        ('adjust=[{action = "AQ", cell = "VQ_DA"}]', "one of the two"),
        ('adjust=[{action = "AQ", user = nan}]', "adjust.0.user"),
        ('adjust=[{action = "AQ", usr = 1}]', "did you mean 'adjust.user'"),
    ],
)
def test_wrong_keys_and_values_are_named(tmp_path: Path, override: str, named: str) -> None:
    file = tmp_path / "p.toml"
    file.write_text('name = "p"\npayer = "user"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(Policy, file, [override])
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("per-tokn", "did you mean 'per-token'"),
        ("", "there are at-cost, free, per-answer, per-character, per-token"),
        ("absent.toml", "absent.toml: cannot read"),
        ("folder/absent", "folder/absent: cannot read"),
        ("../policies/free", "cannot read"),
    ],
)
def test_a_policy_that_is_not_there(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_policy(source)


@pytest.mark.parametrize("missing", ["name", "payer"])
def test_name_and_payer_have_no_default(tmp_path: Path, missing: str) -> None:
    lines = {"name": 'name = "p"\n', "payer": 'payer = "user"\n'}
    del lines[missing]
    file = tmp_path / "p.toml"
    file.write_text("".join(lines.values()), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"missing key '{missing}'"):
        load_policy(file)


@pytest.mark.parametrize(
    ("adjustment", "message"),
    [
        ({"action": "DA"}, "adjust.0 names the LLM action 'DA'; the game has GO, WAIT-1"),
        ({"cell": "GO_ASK"}, "adjust.0 names the cell 'GO_ASK'; the game has ASK_GO"),
    ],
)
def test_a_policy_for_another_game(adjustment: dict[str, Any], message: str) -> None:
    policy = Policy(name="p", payer="user", adjust=(Adjustment(**adjustment),))
    with pytest.raises(ConfigError, match=message):
        policy.check(THREE_BY_TWO)


def test_a_changed_copy_has_a_hash_of_its_own() -> None:
    policy = load_policy("per-token")
    before = policy.hash
    assert policy.model_copy(update={"utility_of_money": 1.0}).hash != before
    assert policy.model_copy(update={"name": "other"}).hash == before == policy.hash


def test_adjustments_mean_the_actions_that_count_as_theirs() -> None:
    coding, support = load_game("coding"), load_game("support")
    policy = load_policy("released-llm")  # it names DA, AQ and CQ
    assert policy.fits(coding) and not policy.fits(support)  # which has no AQ
    changed = edit(Bimatrix(coding, np.zeros((2, 3, 2))), policy, prior_for(coding))
    assert changed.edited.payoffs.tolist() == [[[0, -2], [1, -2], [0.5, -2]]] * 2
    assert "+1 in all cells of PLAN" in changed.terms[0].why
    answers = dict.fromkeys("AB", Traits(counts_as="DA"))
    two = GameForm({"U": ""}, {"A": "", "B": "", "C": ""}, answers)
    more = Policy(name="p", payer="nobody", adjust=(Adjustment(action="DA", llm=1.0),))
    edited = edit(Bimatrix(two, np.zeros((1, 3, 2))), more, prior_for(two)).edited
    assert edited.payoffs[0, :, 1].tolist() == [1, 1, 0]
