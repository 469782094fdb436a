"""Rewards from what a judge states, and the aggregates that weigh or constrain."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.chain import render
from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.reward import Reward, RewardConfig, Score
from gtalign.reward.welfare import aggregate, constrained
from gtalign.tasks import Message, Question
from one_score import score_one

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("think", PAYOFF, "Choose DQ_AQ.", "Four.")
QUESTION = Question("q1", "lab", (Message(role="user", content="2+2?"),), "4", "c1")
SHARE = st.floats(0, 1)


def scored(text: str, score: float | None = 0.5, chain: bool = True, **details: float) -> Score:
    reward = Reward(RewardConfig(preset="episode", chain=chain))
    return score_one(reward, QUESTION, text, Verdict("world", score, "so", details))


@pytest.mark.parametrize("chain", [True, False])
def test_welfare_is_what_the_judge_states(chain: bool) -> None:
    text = CHAIN if chain else "Four."
    score = scored(text, chain=chain, episode_user=0.25, episode_llm=1.0)
    assert (score.user_welfare, score.llm_welfare, score.mutual_welfare) == (0.25, 1.0, 0.5)
    assert score.to_json()["factors"]["episode_user"] == 0.25


def test_what_cannot_be_read_is_worth_nothing() -> None:
    score = scored("Four.", episode_user=0.25, episode_llm=1.0)
    assert (score.user_welfare, score.llm_welfare, score.reward) == (0, 0, 0)


@pytest.mark.parametrize("lie", [-0.1, 1.0000001, 1e300])
def test_a_judge_that_states_nothing_or_nonsense_leaves_the_answer_unscored(lie: float) -> None:
    stated: list[dict[str, Any]] = [{}, {"episode_user": lie, "episode_llm": 0.5}]
    for details in stated:
        score = scored(CHAIN, **details)
        assert score.reward is None
        assert score.unscored is not None
        assert "episode_user" in score.unscored
    silent = scored(CHAIN, None, episode_user=0.5, episode_llm=0.5)
    assert silent.reward is None
    assert silent.unscored == "judge world: so"


def test_other_presets_do_not_change_and_do_not_mention_it() -> None:
    for preset in ("robust", "paper", "released", "released-eval"):
        reward = Reward(RewardConfig(preset=preset))
        plain, stated = (
            score_one(reward, QUESTION, CHAIN, Verdict("world", 0.5, "so", details))
            for details in ({}, {"episode_user": 1.0, "episode_llm": 0.0})
        )
        assert plain.reward == stated.reward
        assert "episode_user" not in plain.to_json()["factors"]
        broken = score_one(reward, QUESTION, "Four.", None)
        assert "episode_user" not in broken.to_json()["factors"]
        json.dumps(plain.to_json(), allow_nan=False)


@given(SHARE, SHARE, SHARE)
def test_weighted_lies_between_the_sides(user: float, llm: float, weight: float) -> None:
    config = RewardConfig(aggregate="weighted", user_weight=weight)
    found = float(aggregate(np.array([user]), np.array([llm]), config)[0])
    assert min(user, llm) - 1e-12 <= found <= max(user, llm) + 1e-12
    ends = {0.0: "llm", 0.5: "linear", 1.0: "user"}
    for end, name in ends.items():
        same = RewardConfig(aggregate="weighted", user_weight=end)
        other = RewardConfig(aggregate=name)
        sides = np.array([user]), np.array([llm])
        assert aggregate(*sides, same) == pytest.approx(aggregate(*sides, other))


@given(st.lists(st.tuples(SHARE, SHARE), min_size=2, max_size=12), st.floats(0.01, 1))
def test_the_best_constrained_answer_has_the_highest_u_of_those_that_may_be_taken(
    points: list[tuple[float, float]], least: float
) -> None:
    user, llm = np.array(points).T
    reward = constrained(user, llm, least)
    assert ((reward >= 0) & (reward <= 1)).all()
    best = int(reward.argmax())
    allowed = llm >= least - 1e-9
    if allowed.any():
        assert allowed[best]
        # Of two that differ by less than a rounding of the reward, either may be taken.
        assert user[best] == pytest.approx(user[allowed].max(), abs=1e-12)
    else:
        assert llm[best] == pytest.approx(llm.max(), abs=1e-12)


def test_an_unknown_side_leaves_every_aggregate_unknown() -> None:
    for name in ("weighted", "constrained"):
        config = RewardConfig(aggregate=name)
        for user, llm in ((math.nan, 1.0), (1.0, math.nan)):
            assert math.isnan(aggregate(np.array([user]), np.array([llm]), config)[0])


@pytest.mark.parametrize("keys", [{"user_weight": 1.1}, {"least": 0.0}, {"user_weight": math.nan}])
def test_wrong_keys_are_refused(keys: dict[str, float]) -> None:
    with pytest.raises((ConfigError, ValueError)):
        RewardConfig.model_validate(keys)
