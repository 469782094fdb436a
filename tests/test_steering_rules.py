"""Every solution rule is one entry: what an entry says, and that a new one appears everywhere."""

import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chain_texts import THREE_BY_TWO, games
from dashboard_parts import Visitor
from gateway_parts import served
from gtalign.cli import app
from gtalign.config import dump
from gtalign.errors import ConfigError, GameError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.gateway.policies import policy_of_text
from gtalign.steering import (
    SOLUTION_RULES,
    Asking,
    Clarify,
    Policy,
    RuleOptions,
    SolutionRule,
    fit,
    flips,
    load_policy,
    prior_for,
    recommend,
)
from gtalign.steering import edit as edit_matrix

GAME = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
EQUAL = Bimatrix(USER_LLM, [[[5, 2], [1, 1], [3, 3]], [[0, 1], [2, 4], [1, 1]]])
FORMS = [USER_LLM, THREE_BY_TWO]


DOCS = Path(__file__).parents[1] / "docs"


def choose_least_gap(payoffs: Any, options: RuleOptions) -> Any:
    gap = np.abs(payoffs[..., 0] - payoffs[..., 1])
    return gap.reshape(*gap.shape[:-2], -1).argmin(axis=-1)


@pytest.fixture
def least_gap(monkeypatch: pytest.MonkeyPatch) -> SolutionRule:
    """A rule that the package does not have."""
    rule = SolutionRule(
        name="least_gap",
        says="The least difference between the two payoffs.",
        ties="The first cell.",
        choose=choose_least_gap,
    )
    monkeypatch.setitem(SOLUTION_RULES, rule.name, rule)
    return rule


PRIOR = {"DQ": 0.4, "VQ": 0.6}
ASKS = Clarify(asks=(Asking(action="WAIT-1"),), detailed="TELL")
"""What is asked in the game of three by two."""


def policy(solution: str, **keys: Any) -> Policy:
    return Policy(name="p", payer="user", solution=solution, **{"prior": PRIOR, **keys})


def test_the_rules_that_ship() -> None:
    assert list(SOLUTION_RULES)[:8] == [
        *("published", "bayes", "clarify", "stackelberg", "stackelberg_user"),
        *("nash", "bargaining", "ces"),
    ]
    assert [name for name, rule in SOLUTION_RULES.items() if rule.needs_belief] == [
        *("bayes", "clarify"),
    ]
    for name, rule in SOLUTION_RULES.items():
        assert name == rule.name
        assert set(rule.keys) <= {"rho", "tie_break", "prior", "clarify"}
        for words in (rule.says, rule.ties):
            assert words[0].isupper() and words.endswith(".") and "\n" not in words


@pytest.mark.parametrize("rule", SOLUTION_RULES.values(), ids=list(SOLUTION_RULES))
@given(data=st.data())
def test_a_batch_is_chosen_like_each_of_its_games(rule: SolutionRule, data: Any) -> None:
    form = data.draw(st.sampled_from(FORMS))
    some = data.draw(st.lists(games(form), min_size=1, max_size=4))
    share = st.integers(0, 9).map(float)
    belief_Nm = np.array([[data.draw(share) for _ in form.user] for _ in some]) + 0.5
    belief_Nm /= belief_Nm.sum(axis=1, keepdims=True)
    charges_Nmn2 = -np.stack([data.draw(games(form)).payoffs for _ in some]) / 10
    options = RuleOptions(
        data.draw(st.sampled_from(["user", "llm"])),
        data.draw(st.sampled_from([1.0, 0.0, -1.0])),
        form=form,
        belief=belief_Nm,
        clarify=Clarify(questions=2) if form == USER_LLM else ASKS,
        charges=charges_Nmn2,
    )
    cells = rule.choose(np.stack([game.payoffs for game in some]), options)
    assert cells.shape == (len(some),)
    assert ((cells >= 0) & (cells < len(form.cells))).all()
    for number, (game, cell) in enumerate(zip(some, cells.tolist(), strict=True)):
        own = replace(options, belief=belief_Nm[number], charges=charges_Nmn2[number])
        assert int(rule.choose(game.payoffs, own)) == cell
        assert rule.why is None or rule.why(game, form.cells[cell], own)[-1] == "."


@pytest.mark.parametrize("rule", SOLUTION_RULES.values(), ids=list(SOLUTION_RULES))
@given(game=games(), other=st.sampled_from([1.0, -1.0, float("-inf")]))
def test_a_rule_reads_no_key_that_it_does_not_name(
    rule: SolutionRule, game: Bimatrix, other: float
) -> None:
    asks = Clarify(replies=0.3, asks=(Asking(action="AQ", user=-4),))
    changes = {"tie_break": "llm", "rho": other, "prior": {"DQ": 1, "VQ": 0}, "clarify": asks}
    unread = {key: value for key, value in changes.items() if key not in rule.keys}
    usual, changed = policy(rule.name), policy(rule.name, **unread)
    assert recommend(game, changed).cell == recommend(game, usual).cell


@pytest.mark.parametrize("rule", SOLUTION_RULES.values(), ids=list(SOLUTION_RULES))
def test_absolute_rules_alone_refuse_payoffs_below_the_least(rule: SolutionRule) -> None:
    below = Bimatrix(USER_LLM, GAME.payoffs - 7.5)
    if rule.absolute:
        with pytest.raises(GameError, match=f"welfare is 0 for {rule.name}; fit the matrix"):
            recommend(below, policy(rule.name))
    else:
        assert recommend(below, policy(rule.name)).cell == recommend(GAME, policy(rule.name)).cell


@pytest.mark.parametrize("name", ["least_gap", "", "Published", "ces "])
def test_a_policy_names_a_rule_that_there_is(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_policy("free", [f"solution={name!r}"])
    *known, last = map(repr, SOLUTION_RULES)
    wanted = f"solution: input should be {', '.join(known)} or {last}, got {name!r}"
    assert wanted in str(caught.value)


def test_a_new_rule_is_chosen_by_everywhere(least_gap: SolutionRule) -> None:
    rule = load_policy("per-token", ["solution=least_gap"])
    assert policy_of_text(dump(rule)) == rule
    assert rule.hash != load_policy("per-token").hash
    assert recommend(GAME, rule).cell == "DQ_AQ"
    found = recommend(EQUAL, rule)
    assert (found.cell, found.solution) == ("DQ_CQ", "least_gap")
    expected = prior_for(USER_LLM)
    number = (EQUAL, rule, "price.output", 0, 40)
    first, *_ = flips(*number, expected=expected, decimals=1)
    at_zero = rule.model_copy(update={"price": rule.price.model_copy(update={"output": 0.0})})
    edited = fit(edit_matrix(EQUAL, at_zero, expected), decimals=1, low=-5, high=5).edited
    assert first.action == recommend(edited, at_zero).action
    with pytest.raises(ConfigError, match="' or 'least_gap', got 'most_gap'"):
        load_policy("free", ["solution=most_gap"])


def test_solve_shows_the_cell_of_every_rule(least_gap: SolutionRule, tmp_path: Path) -> None:
    file = tmp_path / "game.json"
    file.write_text(json.dumps(EQUAL.to_json()), encoding="utf-8")
    page = CliRunner().invoke(app, ["solve", str(file)], catch_exceptions=False).stdout
    for name, entry in SOLUTION_RULES.items():
        cell = "needs --belief" if entry.needs_belief else recommend(EQUAL, policy(name)).cell
        assert f"{name}: {cell}" in page
    told = ["solve", str(file), "--belief", "DQ=.4, VQ=0.6"]
    page = CliRunner().invoke(app, told, catch_exceptions=False).stdout
    for name in SOLUTION_RULES:
        assert f"{name}: {recommend(EQUAL, policy(name)).cell}" in page
    low = {key: {side: v - 9 for side, v in cell.items()} for key, cell in EQUAL.to_json().items()}
    file.write_text(json.dumps(low), encoding="utf-8")
    page = CliRunner().invoke(app, ["solve", str(file)], catch_exceptions=False).stdout
    assert f"least_gap: {recommend(EQUAL, policy('least_gap')).cell}" in page
    assert "ces: " in page, "measured from the least payoff of the matrix"


async def test_the_forms_of_the_dashboard_offer_every_rule(
    least_gap: SolutionRule, tmp_path: Path
) -> None:
    async with served(tmp_path) as gateway, Visitor(gateway) as visitor:
        _, root = await gateway.key(name="root")
        await visitor.sign_in(root)
        form = (await visitor.get("/what-if")).text
        editor = (await visitor.get("/policies/+new")).text
        for rule in SOLUTION_RULES.values():
            assert f">{rule.name}</option>" in form
            for page in (form, editor):
                assert f"<dt><code>{rule.name}</code></dt><dd>{rule.says}" in html.unescape(page)
        assert '<label for="rho">Order of ces</label>' in form
        text = dump(policy("least_gap").model_copy(update={"name": "fair"}))
        saved = await visitor.post("/policies/+new", {"toml": text, "do": "save"})
        assert saved.status == 200 and "Saved." in saved.text
        moved = await visitor.get("/what-if?policy=fair")
        assert "<option selected>least_gap</option>" in moved.text
