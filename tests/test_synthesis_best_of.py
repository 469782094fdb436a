"""The best of several written chains."""

import asyncio
from typing import Any

import numpy as np
import pytest

from gtalign.errors import DataError, JudgeError
from gtalign.judges import FakeJudge
from gtalign.lab.judge import LabJudge
from gtalign.lab.teachers import candidate
from gtalign.lab.world import make_world
from gtalign.reward import Reward, RewardConfig
from gtalign.synthesis.best_of import BestOf, best_of
from gtalign.tasks import Question

WORLD = make_world(0, 2, 1)
QUESTION = WORLD.train[1]
PLAIN = Reward(RewardConfig(chain=False))


def choose(texts: list[str], judge: Any, reward: Reward = PLAIN) -> BestOf:
    return asyncio.run(best_of(QUESTION, texts, reward, judge))


def by_text(scores: dict[str, Any]) -> FakeJudge:
    def answer(question: Question, response: str) -> Any:
        return scores[response]

    return FakeJudge(answer)


def test_highest_reward_is_kept() -> None:
    choice = choose(["a", "b", "c"], by_text({"a": 0.2, "b": 0.9, "c": 0.5}))
    assert (choice.best, choice.candidates, choice.question) == (1, ("a", "b", "c"), QUESTION)
    rewards = [score.reward for score in choice.scores]
    assert rewards[1] == max(r for r in rewards if r is not None)


def test_first_of_equals_is_kept() -> None:
    assert choose(["a", "b"], by_text({"a": 0.5, "b": 0.5})).best == 0


def test_unscored_candidate_is_never_kept() -> None:
    assert choose(["a", "b"], by_text({"a": None, "b": 0.0})).best == 1
    with pytest.raises(DataError, match=rf"{QUESTION.id}.*none of 2 candidates"):
        choose(["a", "b"], FakeJudge(None))


def test_failure_of_the_judge_is_no_low_score() -> None:
    with pytest.raises(JudgeError, match=QUESTION.id):
        choose(["a", "b"], by_text({"a": 1.0, "b": JudgeError("down")}))


def test_broken_chain_is_worth_nothing_and_is_not_judged() -> None:
    judge = FakeJudge(1.0)
    choice = choose(["broken", "</response>"], judge, Reward())
    assert (choice.best, judge.calls) == (0, [])
    assert [score.reward for score in choice.scores] == [0.0, 0.0]


def test_best_of_the_teachers_beats_their_first() -> None:
    rng = np.random.default_rng(0)
    first, kept = [], []
    for question in [*WORLD.train, *WORLD.test, *WORLD.ood]:
        texts = [candidate(question, rng) for _ in range(9)]
        choice = asyncio.run(best_of(question, texts, Reward(), LabJudge()))
        rewards = [score.reward or 0.0 for score in choice.scores]
        assert rewards[choice.best] == max(rewards)
        first.append(rewards[0])
        kept.append(rewards[choice.best])
    assert np.mean(kept) > 1.1 * np.mean(first)
