"""The arms of an experiment, and the rule that needs no training."""

from functools import partial

import numpy as np
import pytest

from gtalign.chain import Chain, parse
from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.lab.arms import ARMS, COLD_START, FULL, ONE_REWARD
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import repeated, training
from gtalign.lab.rule import VALUE, chosen_cell, decide
from gtalign.lab.stages import edited_arms, plan
from gtalign.lab.teachers import Noise, candidate
from gtalign.lab.tokenizer import train_tokenizer
from gtalign.lab.world import make_world
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.models.tokens import continuing_tokens
from small_lab import small_model, small_tokenizer

PLAIN_LAB = LabConfig()
EPISODES = LabConfig.model_validate({"experiment": {"objective": {"preset": "episode"}}})


def test_every_arm_leads_back_to_the_cold_start() -> None:
    trained = {name: arm for name, arm in ARMS.items() if not arm.prompted}
    for name, arm in trained.items():
        seen = [name]
        while arm.start != COLD_START:
            assert arm.start is not None
            assert arm.start not in seen
            seen.append(arm.start)
            arm = ARMS[arm.start]
    assert set(FULL) <= set(ARMS)


@pytest.mark.parametrize("name", [name for name, arm in ARMS.items() if arm.rewards])
def test_every_reward_is_a_configuration(name: str) -> None:
    arm = ARMS[name]
    for rewards in (training(name, lab.experiment) for lab in (PLAIN_LAB, EPISODES)):
        assert len(rewards) == len(arm.rewards)
        for reward, keys in zip(rewards, arm.rewards, strict=True):
            assert reward.chain == arm.chain
            assert reward.aggregate == keys["aggregate"]
    (first, *_) = training(name, EPISODES.experiment)
    assert first.preset == ("paper" if arm.published else "episode")
    assert first.user.episode_user == float(not arm.published)


def test_rewards_without_changes_are_those_of_the_experiment() -> None:
    for name, keys in ONE_REWARD.items():
        (reward,) = training(name, PLAIN_LAB.experiment)
        assert reward == PLAIN_LAB.experiment.reward.model_copy(update=keys)


def test_an_unknown_arm_is_refused_with_the_known_ones() -> None:
    with pytest.raises((ConfigError, ValueError), match="maxmin"):
        LabConfig(arms=("best",))


def test_a_rule_learns_nothing_and_is_not_edited() -> None:
    lab = LabConfig(arms=("rule", "gdpo"))
    assert plan(lab)[0, "rule"] == (0, "sft")
    assert edited_arms(lab) == ["gdpo"]


def test_repeated_questions_have_ids_of_their_own_and_the_same_cluster() -> None:
    asked = make_world(0, 1, 1).test
    assert repeated(asked, 1) == asked
    again = repeated(asked, 3)
    assert len({q.id for q in again}) == len(again) == 3 * len(asked)
    assert [q.cluster for q in again] == 3 * [q.cluster for q in asked]
    assert [q.messages for q in again] == 3 * [q.messages for q in asked]


def chain(thinking: str, **cells: tuple[float, float]) -> Chain:
    payoffs = np.zeros((2, 3, 2))
    for cell, pair in cells.items():
        payoffs[USER_LLM.index(cell)] = pair
    return Chain(thinking, Bimatrix(USER_LLM, payoffs), "", "")


@pytest.mark.parametrize(
    ("thinking", "cells", "chosen"),
    [
        ("some cards. vague.", {"VQ_CQ": (3, 0), "VQ_DA": (0, 2)}, "VQ_CQ"),
        ("some cards. vague.", {"VQ_CQ": (3, -1), "VQ_DA": (0, 2)}, "VQ_DA"),
        ("some cards. vague.", {"VQ_CQ": (3, -2), "VQ_DA": (0, 2)}, "VQ_DA"),
        ("6 cards. detailed.", {"VQ_CQ": (5, 5), "DQ_DA": (1, 1)}, "DQ_DA"),
        ("6 cards. detailed.", {"DQ_CQ": (1, 1)}, "DQ_CQ"),
        ("A fact is missing, so the question is Vague.", {"VQ_CQ": (0.1, 0)}, "VQ_CQ"),
        ("nothing is said.", {"VQ_CQ": (5, 5)}, "DQ_DA"),
    ],
)
def test_the_rule_asks_if_the_value_exceeds_the_cost(
    thinking: str, cells: dict[str, tuple[float, float]], chosen: str
) -> None:
    assert chosen_cell(chain(thinking, **cells)) == chosen


def test_the_rule_ends_where_a_token_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, questions = np.random.default_rng(0), make_world(0, 20, 1).train
    chains = [candidate(question, rng, Noise(broken=0.0)) for question in questions]
    tokenizer = train_tokenizer(chains, 768)
    model = LocalModel(small_model(tokenizer), Chat(tokenizer))
    asked: list[list[int]] = []

    def sample(prompts: list[list[int]], **_: object) -> list[list[int]]:
        asked.extend(prompts)
        return [[]] * len(prompts)

    monkeypatch.setattr(model, "sample", sample)
    decide(model, questions, chains, rule=VALUE, belief=False, max_tokens=8, temperature=1.0)
    assert len(asked) == len(chains)
    for question, chain, ids in zip(questions, chains, asked, strict=True):
        begun = model.chat.text(ids[len(model.chat.ids(question.messages)) :])
        whole = begun.removesuffix(">") + ">" + parse(chain).response + "</response>"
        assert (
            ids
            == (model.chat.ids(question.messages) + continuing_tokens(tokenizer, whole))[: len(ids)]
        )


def test_the_rule_writes_the_analysis_and_the_model_the_rest() -> None:
    tokenizer = small_tokenizer()
    model = LocalModel(small_model(tokenizer), Chat(tokenizer))
    rng = np.random.default_rng(0)
    questions = make_world(0, 1, 2).test
    noise = Noise(broken=0.0)
    written = [candidate(question, rng, noise) for question in questions]
    written[1] = "no chain"
    rule = partial(decide, model, rule=VALUE, belief=False, max_tokens=8, temperature=1.0)
    found = rule(questions=questions, completions=written)
    assert found[1] == "no chain"
    for before, after in zip(written, found, strict=True):
        if before == "no chain":
            continue
        begun = before[: before.index("<analyze>")]
        cell = chosen_cell(parse(before))
        assert after.startswith(f"{begun}<analyze>choose {cell}.</analyze><response")
    assert rule(questions=questions[:1], completions=["no chain"]) == ["no chain"]
