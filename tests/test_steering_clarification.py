"""Rules under a belief: the worth of asking, against play that is simulated turn by turn."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO, games
from gtalign.cli import main
from gtalign.config import shipped
from gtalign.errors import ConfigError, GameError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.file import load_game
from gtalign.game.traits import Traits
from gtalign.steering import (
    Asking,
    Clarify,
    Policy,
    alternatives,
    edit,
    flips,
    load_policy,
    prior_for,
    recommend,
)
from gtalign.steering.believed import read_belief
from gtalign.steering.clarification import looked_ahead

PAYOFFS: Any = [[[1.0, 2], [0.5, 1], [4, 3]], [[1.5, 1], [3.5, 3], [-1.5, -1]]]
GAME = Bimatrix(USER_LLM, PAYOFFS)
RULES = ("bayes", "clarify")


def policy(solution: str, **keys: Any) -> Policy:
    return Policy(name="p", payer="user", solution=solution, **keys)


def by_play(
    game: Bimatrix, belief: np.ndarray, action: str, clarify: Clarify, left: int
) -> np.ndarray:
    """What an action brings both, by the tree of all that may follow."""
    form = game.form
    asks = {asking.action: asking for asking in clarify.asks}
    detailed = form.user_actions.index(clarify.detailed)

    def best(at: np.ndarray, options: list[np.ndarray]) -> np.ndarray:
        return max(options, key=lambda pair: (round(pair.sum(), 9), round(pair[0], 9)))

    def answered(at: np.ndarray, name: str) -> np.ndarray:
        return np.asarray(at @ game.payoffs[:, form.llm_actions.index(name)])

    direct = [name for name in form.llm_actions if name not in asks]
    worst = game.payoffs[:, [form.llm_actions.index(name) for name in direct]].min(axis=(0, 1))
    if action not in asks:
        return answered(belief, action)
    asking = asks[action]
    leaves = worst + np.array([clarify.leaving_user, clarify.leaving_llm])
    if asking.answer is not None:
        leaves = answered(belief, asking.answer)
    clear = np.eye(len(belief))[detailed]
    value = (1 - clarify.replies) * leaves - [asking.user, asking.llm]
    lacking = (1 - belief[detailed]) * (1 - clarify.helps)
    value = value + clarify.replies * (1 - lacking) * best(
        clear, [answered(clear, name) for name in direct]
    )
    if lacking:
        rest = belief * (1 - clear)
        rest = rest / rest.sum()
        further = form.llm_actions if left > 1 else direct
        value = value + clarify.replies * lacking * best(
            rest, [by_play(game, rest, name, clarify, left - 1) for name in further]
        )
    return np.asarray(value)


@pytest.mark.parametrize("form", [USER_LLM, THREE_BY_TWO], ids=["2x3", "3x2"])
@settings(max_examples=40)
@given(data=st.data())
def test_what_asking_is_worth_is_what_play_brings(form: GameForm, data: Any) -> None:
    game = data.draw(games(form))
    belief = np.array([data.draw(st.integers(0, 5)) for _ in form.user], float) + 1e-3
    belief /= belief.sum()
    share = st.sampled_from([0.0, 0.3, 0.9, 1.0])
    more: dict[str, Any] = {"replies": data.draw(share), "helps": data.draw(share)}
    more |= {"questions": data.draw(st.integers(1, 3)), "leaving_user": -1.0}
    if form == THREE_BY_TWO:
        more |= {"asks": (Asking(action="WAIT-1", user=0.2),), "detailed": "TELL"}
    clarify = Clarify(**more)
    found = looked_ahead(game.payoffs[None], belief[None], form, clarify, None)[0]
    for action, pair in zip(form.llm_actions, found, strict=True):
        played = by_play(game, belief, action, clarify, clarify.questions)
        assert pair == pytest.approx(played, abs=1e-9), action


def test_a_belief_decides_and_the_published_rule_does_not_see_it() -> None:
    for solution in RULES:
        pricing = policy(solution, prior={"DQ": 0.95, "VQ": 0.05})
        assert recommend(GAME, pricing).cell == "DQ_DA"
        assert recommend(GAME, pricing, belief={"VQ": 0.8, "DQ": 0.2}).cell == "VQ_CQ"
    for belief in ({"DQ": 1.0, "VQ": 0.0}, {"DQ": 0.0, "VQ": 1.0}):
        assert recommend(GAME, policy("published"), belief=belief).cell == "DQ_DA"


def test_users_who_leave_and_prices_make_asking_worth_less() -> None:
    belief = {"DQ": 0.3, "VQ": 0.7}
    stays, leaves = (
        policy("clarify", prior=belief, clarify={"replies": replies}) for replies in (0.9, 0.0)
    )
    assert recommend(GAME, stays).action == "CQ"
    assert recommend(GAME, leaves).action == "DA"
    dear = load_policy("per-token", ["solution=clarify", "prior={DQ=0.3,VQ=0.7}"])
    dear = dear.model_copy(update={"utility_of_money": 900.0})
    charged = edit(GAME, dear, prior_for(USER_LLM))
    assert recommend(GAME, dear).action == "CQ"
    assert recommend(charged.edited, dear, charges=charged.charges).action == "DA"
    along = flips(GAME, dear, "price.output", 0, 60, expected=prior_for(USER_LLM), decimals=1)
    assert [part.action for part in along][:: len(along) - 1] == ["CQ", "DA"]


def test_without_a_belief_a_rule_does_not_apply_and_nothing_stands_in() -> None:
    for found in alternatives(GAME, load_policy("free")):
        if found.rule in RULES:
            assert (found.cell, found.action) == (None, None)
            assert "does not apply: it needs a belief" in found.why
        else:
            assert found.cell in USER_LLM.cells and found.why[-1] == "."
    with_prior = load_policy("free", ["prior={VQ=0.8,DQ=0.2}"])
    for by_prior, stated in zip(
        alternatives(GAME, with_prior),
        alternatives(GAME, load_policy("free"), belief={"DQ": 0.2, "VQ": 0.8}),
        strict=True,
    ):
        assert by_prior == stated
        assert by_prior.cell is not None
    other = alternatives(Bimatrix(THREE_BY_TWO, np.zeros((3, 2, 2))), load_policy("free"))
    assert [found.rule for found in other if found.cell is None] == [*RULES]


QUIZ = GameForm(
    {"CLEAR": "says all", "LOOSE": "leaves something out", "TEST": "tries the assistant"},
    {"TELL": "tell", "QUIZ": "ask", "BOTH": "tell and ask", "PASS": "decline"},
    {
        "TELL": Traits(counts_as="DA"),
        "QUIZ": Traits(counts_as="CQ"),
        "BOTH": Traits(None, None, "AQ"),
    },
    "quiz",
    {"CLEAR": "DQ", "LOOSE": "VQ"},
)
BY_NAME: dict[str, Any] = {
    "asks": [{"action": "QUIZ"}, {"action": "BOTH", "answer": "TELL", "user": 0.8, "llm": 0.6}],
    "detailed": "CLEAR",
}


def test_another_game_is_played_by_what_its_actions_count_as() -> None:
    payoffs = np.random.default_rng(2).integers(-5, 6, (20, 3, 4, 2)).astype(float)
    beliefs = np.random.default_rng(3).dirichlet(np.ones(3), 20)
    by_name = Clarify.model_validate(BY_NAME)
    found, named = (looked_ahead(payoffs, beliefs, QUIZ, c, None) for c in (Clarify(), by_name))
    assert found.tolist() == named.tolist()
    prior = dict(zip(QUIZ.user_actions, (0.2, 0.7, 0.1), strict=True))
    for one in payoffs:
        cells = {
            recommend(Bimatrix(QUIZ, one), policy("clarify", prior=prior, clarify=c)).cell
            for c in (Clarify(), by_name)
        }
        assert len(cells) == 1
    policy("clarify", prior=prior).check(QUIZ)
    assert {name: use.turns for name, use in prior_for(QUIZ).items()} == {
        **{"TELL": 0, "QUIZ": 1, "BOTH": 0.5, "PASS": 0}
    }
    assert prior_for(QUIZ)["QUIZ"] == prior_for(USER_LLM)["CQ"]


def test_a_game_without_an_action_that_answers_and_asks_is_played_without() -> None:
    form = GameForm(
        {"DQ": "", "LOOSE": ""}, {"TELL": "", "QUIZ": ""}, {"QUIZ": Traits(counts_as="CQ")}
    )
    only = Clarify(asks=(Asking(action="QUIZ"),))
    payoffs, belief = np.array([[[[1.0, 2], [0, 0]], [[-3, 1], [0, 0]]]]), np.array([[0.5, 0.5]])
    found = [looked_ahead(payoffs, belief, form, c, None).tolist() for c in (Clarify(), only)]
    assert found[0] == found[1]


TELL = Traits(counts_as="DA")
ASK = Traits(counts_as="CQ")
BOTH = Traits(counts_as="AQ")


@pytest.mark.parametrize(
    ("users", "traits", "told"),
    [
        ({"A": ""}, {"X": TELL, "Y": ASK}, "user action 'DQ', .*; none of A counts as it"),
        ({"DQ": ""}, {"X": TELL, "Y": TELL}, "needs an LLM action that asks; none of X, Y counts"),
        ({"DQ": ""}, {"X": ASK, "Y": ASK}, "needs an LLM action that answers"),
        ({"DQ": ""}, {"X": Traits(), "Y": BOTH}, "names the LLM action 'DA'; the game has X, Y"),
    ],
)
def test_why_the_rule_does_not_apply_is_said(
    users: dict[str, str], traits: dict[str, Traits], told: str
) -> None:
    form = GameForm(users, dict.fromkeys(traits, ""), traits)
    with pytest.raises(GameError, match=told):
        Clarify().check(form)
    game = Bimatrix(form, np.zeros((*form.shape, 2)))
    belief = {name: 1 / len(users) for name in users}
    by = {one.rule: one for one in alternatives(game, load_policy("free"), belief=belief)}
    assert by["clarify"].cell is None and re.search(told, by["clarify"].why)


def test_two_that_count_alike_are_told_apart_or_refused() -> None:
    twice = GameForm({"A": "", "B": ""}, {"T": "", "Q": ""}, {"Q": ASK}, "", {"A": "DQ", "B": "DQ"})
    with pytest.raises(GameError, match="A and B count as it"):
        Clarify().check(twice)
    Clarify(detailed="B").check(twice)
    both = Clarify(asks=(Asking(action="Q"), Asking(action="CQ")), detailed="B")
    with pytest.raises(GameError, match="names the LLM action 'Q' twice"):
        both.check(twice)


@pytest.mark.parametrize("name", shipped("games"))
def test_the_shipped_games_say_that_no_request_of_theirs_is_the_clear_one(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = load_game(name)
    even = 1 / len(form.user)
    game = Bimatrix(form, np.random.default_rng(0).integers(-5, 6, (*form.shape, 2)))
    (tmp_path / "matrix.json").write_text(json.dumps(game.to_json()))
    belief = ",".join(f"{action}={even}" for action in form.user_actions)
    solve = ["solve", str(tmp_path / "matrix.json"), "--game", name, "--belief", belief]
    assert main(solve) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "clarify: does not apply: clarify names the user action 'DQ'" in told
    assert "counts as it" in told
    prior = dict.fromkeys(form.user_actions, even)
    with pytest.raises(ConfigError, match="counts as it"):
        policy("clarify", prior=prior).check(form)
    clear = policy("clarify", prior=prior, clarify={"detailed": form.user_actions[0]})
    assert recommend(game, clear).cell in form.cells


def test_the_reasons_say_the_numbers() -> None:
    by = {
        found.rule: found.why
        for found in alternatives(GAME, load_policy("free"), belief={"DQ": 0.25, "VQ": 0.75})
    }
    assert by["published"] == (
        "DQ_DA has the highest sum, 7 (user 4, LLM 3); the next is VQ_CQ with 6.5."
    )
    assert by["bayes"].startswith(
        "At a belief of 25% DQ, 75% VQ, CQ is worth 5.25 to both (user 2.75, LLM 2.5);"
    )
    assert "Assumed: 90% of the users reply" in by["clarify"]
    assert by["stackelberg"] == (
        "If the LLM commits to DA, the user's best answer is DQ, and the LLM gets 3; it would get"
        " 1 with AQ and 3 with CQ. No mixture of its actions pays it more."
    )
    assert by["nash"].endswith("the other equilibrium, VQ_CQ, has no higher sum.")
    assert "the product is 7, the highest" in by["bargaining"]
    cyclic = Bimatrix(
        GameForm(user={"A": "", "B": ""}, llm={"C": "", "D": ""}),
        [[[1, 0], [0, 1]], [[0, 3], [1, 0]]],
    )
    why = {found.rule: found.why for found in alternatives(cyclic, load_policy("free"))}
    assert "no equilibrium in pure actions" in why["nash"]
    assert why["stackelberg_user"].endswith(
        "Known to draw 75% A and 25% B, it would get 0.75, and the LLM, whose best answer is then"
        " C, 0.75. Against the equilibrium that is best for the user, that is 0.25 more for the"
        " user and nothing for the LLM."
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["solution=bayes"], "the rule 'bayes' needs a belief"),
        (["solution=clarify"], "the rule 'clarify' needs a belief"),
        (["prior={DQ=0.5,VQ=0.6}"], "have to add up to 1"),
        (["prior={DQ=-0.5,VQ=1.5}"], "prior"),
        (["prior={DQ=nan,VQ=0.5}"], "prior"),
        (["prior=0.5"], "prior"),
        (["clarify.replies=1.5"], "clarify.replies"),
        (["clarify.questions=21"], "clarify.questions"),
        (["clarify.asks=[]"], "clarify.asks"),
        (["clarify.asks=[{action='CQ'},{action='CQ'}]"], "listed twice"),
        (["clarify.asks=[{action='CQ',answer='CQ'}]"], "the answer of CQ is CQ, which asks"),
        (["clarify.asks=[{action='CQ',user=inf}]"], "clarify.asks"),
    ],
)
def test_wrong_beliefs_and_assumptions_are_named(changes: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_policy("free", changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["solution=bayes", "prior={DQ=0.5,ZQ=0.5}"], "prior has to name each action of the user"),
        (["prior={DQ=1.0}"], "prior has to name each action of the user once: DQ, VQ"),
        (["solution=clarify", "prior={DQ=1,VQ=0}", "clarify.detailed='ZQ'"], "user action 'ZQ'"),
        (
            ["solution=clarify", "prior={DQ=1,VQ=0}", "clarify.asks=[{action='DA'},{action='X'}]"],
            "LLM action 'X'",
        ),
    ],
)
def test_a_policy_that_does_not_fit_the_game_says_so(changes: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_policy("free", changes).check(USER_LLM)


@pytest.mark.parametrize("text", ["", "DQ", "DQ=x", "DQ=0.5;VQ=0.5", "DQ=0.5,DQ=0.5", "DQ=1e9999"])
def test_a_belief_on_the_command_line_is_checked(text: str) -> None:
    with pytest.raises(GameError):
        read_belief(text)
    with pytest.raises(GameError):
        recommend(GAME, policy("published"), belief={"DQ": 0.6, "VQ": 0.6})
    with pytest.raises(GameError, match="a belief is about DQ, VQ, not DQ"):
        recommend(GAME, policy("published"), belief={"DQ": 1.0})
