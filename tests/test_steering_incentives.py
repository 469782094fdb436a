"""What a pricing policy pays the provider for."""

from pathlib import Path
from typing import Any

import pytest

from gtalign.cli import main
from gtalign.config import shipped
from gtalign.errors import SteeringError
from gtalign.game import GameForm
from gtalign.game.file import load_game
from gtalign.steering import (
    ActionTokens,
    Policy,
    Price,
    Quota,
    audit_policy,
    load_policy,
    policy_names,
)
from gtalign.steering.incentives import ACTS, COMPUTE, audit_policies, audited, meanings


def paying(policy: Policy, quota: str | None = None, **options: Any) -> set[str]:
    found = audit_policy(policy, **options)
    return {one.act for one in found if one.quota == quota and one.pays}


def per_token(price: Price) -> Policy:
    return Policy(name="one", payer="user", price=price)


def test_a_price_above_cost_pays_for_all_that_is_longer() -> None:
    assert paying(load_policy("per-token")) == {"report", "pad", "ask"}


def test_a_price_at_cost_pays_for_false_reports_alone() -> None:
    """Reporting costs nothing, so it pays at any price (arXiv 2505.21627, section 3)."""
    assert paying(per_token(COMPUTE)) == {"report"}


def test_a_price_below_cost_pays_for_less() -> None:
    below = Price(input=0.1, output=0.5)
    assert paying(per_token(below)) == {"report", "skimp"}


@pytest.mark.parametrize("name", ["subscription", "free", "released-user", "released-llm"])
def test_who_is_paid_in_advance_gains_by_writing_less(name: str) -> None:
    assert paying(load_policy(name)) == {"skimp"}


def test_a_quota_is_a_subscription_within_and_a_price_above() -> None:
    policy = load_policy("quota")
    assert paying(policy, "within") == {"skimp"}
    assert paying(policy, "above") == {"report", "pad", "ask"}


def test_a_quota_that_ends_without_a_price_pays_for_less_alone() -> None:
    policy = Policy(
        name="ends", payer="provider", price=COMPUTE, quota=Quota(tokens=10_000, price=Price())
    )
    assert paying(policy, "within") == paying(policy, "above") == {"skimp"}


BY_CHARACTER = Price(input_characters=COMPUTE.input / 4, output_characters=COMPUTE.output / 4)


@pytest.mark.parametrize(
    ("price", "acts"),
    [
        (BY_CHARACTER.model_copy(update={"output_characters": 3.75}), {"pad", "ask"}),
        (BY_CHARACTER, set()),
        (Price(answer=0.015), {"ask", "skimp"}),
        (Price(answer=0.0005), {"skimp"}),
        (BY_CHARACTER.model_copy(update={"answer": 0.001}), {"ask"}),
        (BY_CHARACTER.model_copy(update={"output": 0.1}), {"report", "pad", "ask"}),
    ],
)
def test_only_a_price_of_characters_makes_false_reports_worthless(
    price: Price, acts: set[str]
) -> None:
    """Theorem 3 of arXiv 2505.21627: additive, and linear in the characters of the text."""
    assert paying(per_token(price)) == acts


@pytest.mark.parametrize("game", [None, *shipped("games")])
@pytest.mark.parametrize("padding", [0.01, 0.1, 1.0])
def test_one_policy_that_ships_makes_honesty_a_best_response(
    game: str | None, padding: float
) -> None:
    """By default, in every game: `at-cost`, for which no act brings or loses anything."""
    policies = [load_policy(name) for name in policy_names()]
    found = audit_policies(policies, load_game(game), padding=padding)
    honest = {p.name for p in policies if not any(o.pays for o in found if o.policy == p.name)}
    assert honest == {"at-cost"}
    gains = [one.gain for one in found if one.policy == "at-cost"]
    assert gains == pytest.approx([0] * len(gains))


@pytest.mark.parametrize("factor", [0.5, 0.99, 1.01, 10])
def test_only_at_cost_is_a_price_by_length_honest(factor: float) -> None:
    """(p - c) x for padding and (c - p) x for leaving out: one of them pays unless p = c."""
    price = load_policy("at-cost").price
    priced = Price(**{key: factor * amount for key, amount in price.model_dump().items()})
    assert paying(per_token(priced)) == ({"skimp"} if factor < 1 else {"pad", "ask"})
    assert paying(per_token(price.model_copy(update={"answer": 0.001}))) == {"ask"}
    dear = Price(input=COMPUTE.input * 2, output=COMPUTE.output * 2)
    assert paying(load_policy("at-cost"), compute=dear) == {"skimp"}


def test_the_audit_says_why_an_act_pays(capsys: pytest.CaptureFixture[str]) -> None:
    below = per_token(Price(input=0.1, output=0.5))
    found = {
        (one.policy, one.act): one.why
        for policy in (*map(load_policy, ("per-token", "subscription", "free", "at-cost")), below)
        for one in audit_policy(policy)
        if one.why is not None
    }
    assert found == {
        ("per-token", "report"): "charged, costs nothing",
        ("per-token", "pad"): "charged above its cost",
        ("per-token", "ask"): "charged above its cost",
        ("subscription", "skimp"): "saves its cost",
        ("free", "skimp"): "saves its cost",
        ("one", "report"): "charged, costs nothing",
        ("one", "skimp"): "saves more than it loses",
    }
    assert main(["audit-policy", "per-token", "at-cost"]) == 0
    out = capsys.readouterr().out
    assert "yes  charged, costs nothing" in out
    assert "at-cost: the honest answer is the provider's best response\n" in out


def test_a_quota_pays_for_reports_where_its_tokens_decide() -> None:
    quota = Quota(tokens=10_000, price=BY_CHARACTER)
    policy = Policy(name="q", payer="provider", price=COMPUTE, quota=quota)
    assert paying(policy, "within") == {"skimp"}
    assert paying(policy, "above") == set()


def test_the_amounts_are_those_of_the_tokens() -> None:
    found = {
        one.act: one
        for one in audit_policy(
            per_token(Price(input=3, output=15)),
            padding=0.2,
            compute=Price(input=1, output=5),
            honest=ActionTokens(output=1000),
            needless={"ask": ActionTokens(output=400, turns=1, follow_up=1000, reply=50)},
            prompt_tokens=100,
        )
    }
    assert set(found) == set(ACTS)
    assert (found["report"].paid, found["report"].cost) == pytest.approx((3, 0))
    assert (found["pad"].paid, found["pad"].cost) == pytest.approx((3, 1))
    assert (found["skimp"].paid, found["skimp"].cost) == pytest.approx((-3, -1))
    # 400 more are written, and the further turn reads 100 + 400 + 50.
    assert found["ask"].paid == pytest.approx(400 * 15e-3 + 550 * 3e-3)
    assert found["ask"].cost == pytest.approx(400 * 5e-3 + 550 * 1e-3)
    assert found["ask"].gain == pytest.approx(found["ask"].paid - found["ask"].cost)


@pytest.mark.parametrize(
    ("game", "honest", "needless", "paid"),
    [
        ("coding", "ACT", ["PLAN", "ASK"], {"report", "pad"}),
        ("support", "RES", ["ESC", "ASK"], {"report", "pad", "ASK"}),
        (None, "DA", ["ask"], {"report", "pad", "ask"}),
    ],
)
def test_another_game_has_its_own_needless_actions(
    game: str | None, honest: str, needless: list[str], paid: set[str]
) -> None:
    answer, tokens, others = audited(load_game(game))
    assert (answer, list(others)) == (honest, needless)
    policies = [load_policy("per-token"), load_policy("free")]
    assert paying(policies[0], honest=tokens, needless=others) == paid
    found = audit_policies(policies, load_game(game))
    assert {one.act for one in found if one.policy == "per-token" and one.pays} == paid
    assert [one.policy for one in found] == [p.name for p in policies for _ in (*others, *"abc")]
    assert {one.act for one in found} <= set(meanings(load_game(game)))


def test_an_audit_needs_an_honest_answer_and_names_of_its_own() -> None:
    with pytest.raises(SteeringError, match='counts_as = "DA"'):
        audited(GameForm({"A": "a"}, {"B": "b"}, name="none"))
    with pytest.raises(SteeringError, match="cannot be called 'pad'"):
        audit_policy(load_policy("free"), needless={"pad": ActionTokens(output=1)})


def test_a_policy_that_does_not_fit_the_game_is_audited_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "asks.toml"
    file.write_text(
        'name = "asks"\npayer = "user"\nprice = {output = 9.0}\nsolution = "clarify"\n'
        "prior = {HO = 0.5, RV = 0.5}\n"
    )
    audit = ["audit-policy", str(file), "--game", "coding"]
    assert main(audit) == 0
    assert "policy 'asks': clarify names the user action 'DQ'" in caplog.text
    assert "asks: pays a provider that" in capsys.readouterr().out
    caplog.clear()
    file.write_text(file.read_text() + '[clarify]\ndetailed = "RV"\n')
    assert main(audit) == 0
    assert caplog.text == ""
    assert main(["audit-policy", str(file)]) == 0
    assert "prior has to name each action of the user once: DQ, VQ" in caplog.text


def test_the_command_audits_another_game(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit-policy", "subscription", "--game", "coding"]) == 0
    assert "pays a provider that does PLAN although ACT would do" in capsys.readouterr().out
    assert main(["audit-policy", "subscription", "--game", "codin"]) == 2
    assert "did you mean 'coding'" in capsys.readouterr().err


def test_points_and_time_are_no_income() -> None:
    plain = load_policy("per-token")
    other = plain.model_copy(update={"utility_of_money": 0.0, "value_of_time": 50.0})
    assert audit_policy(plain) == audit_policy(other)


def test_nothing_padded_is_nothing_gained() -> None:
    found = audit_policy(load_policy("per-token"), padding=0)
    assert [one.gain for one in found if one.act != "ask"] == [0, 0, 0]


@pytest.mark.parametrize("tokens", [-1, float("nan"), float("inf")])
def test_a_prompt_has_a_number_of_tokens(tokens: Any) -> None:
    with pytest.raises(SteeringError, match="prompt_tokens is a number"):
        audit_policy(load_policy("free"), prompt_tokens=tokens)


@pytest.mark.parametrize("padding", [-0.1, 1.1, float("nan")])
def test_padding_is_a_share(padding: float) -> None:
    with pytest.raises(SteeringError, match="padding is a share"):
        audit_policy(load_policy("free"), padding=padding)


def test_the_command_says_what_pays(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit-policy", "per-token", "subscription"]) == 0
    out = capsys.readouterr().out
    assert "per-token: pays a provider that reports more tokens than it wrote, writes more" in out
    assert "subscription: pays a provider that writes less than is needed" in out
    assert main(["audit-policy", "per-token", "--compute", "3", "15", "--padding", "0.5"]) == 0
    assert "per-token: pays a provider that reports more tokens than it wrote\n" in (
        capsys.readouterr().out
    )


def test_the_command_refuses_what_is_no_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit-policy", "per-tokn"]) == 2
    assert "did you mean 'per-token'" in capsys.readouterr().err
    for price in ("-1", "nan", "inf", "1e308"):
        assert main(["audit-policy", "free", "--compute", price, "1e308"]) == 2
        told = capsys.readouterr()
        assert told.out == "" and len(told.err.splitlines()) == 1
        assert "--compute: " in told.err
    assert main(["audit-policy", "free", "--padding", "2"]) == 2
