"""The policies of the lab's prompts: which training draws, and what it learns of them."""

from collections import Counter

import numpy as np
import pytest

from gtalign.chain import acted, parse, work_out
from gtalign.game import USER_LLM, Bimatrix
from gtalign.lab.config import LabConfig
from gtalign.lab.policies import FREE, PolicyLineSettings, compared, draw
from gtalign.lab.workshop import workshop
from gtalign.steering import edit, fit, policy_line

WORTH = 3000.0
SPACES = [
    PolicyLineSettings(),
    PolicyLineSettings(user=(1.0,), provider=(2.0,), new_prices=(3.0,), quotas=(9,), each=50),
    PolicyLineSettings(user=(1.0, 2.0), provider=(2.0,), new_prices=(1.0, 2.0, 0.5), each=7),
    PolicyLineSettings(new_prices=(), new_quotas=(150,), each=2),
]


@pytest.mark.parametrize("settings", SPACES)
def test_training_never_draws_what_is_new(settings: PolicyLineSettings) -> None:
    rng = np.random.default_rng(1)
    drawn = {draw(settings, rng, WORTH) for _ in range(2000)}
    lines = {policy_line(policy) for policy in drawn}
    found = compared(settings, WORTH)
    for kind, policies in found.items():
        assert 0 < len(policies) <= settings.each
        assert len({policy_line(policy) for policy in policies}) == len(policies)
        assert all(policy.utility_of_money == WORTH for policy in policies)
        for policy in policies:
            assert (policy_line(policy) in lines) == (kind == "trained")
    for policy in found.get("payer", ()):
        assert policy.price.output in {*settings.user, *settings.provider}
    assert found == compared(settings, WORTH)


def test_training_draws_every_sort_of_policy() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(PolicyLineSettings(), rng, WORTH) for _ in range(400)]
    counts = Counter((policy.payer, policy.quota is not None) for policy in drawn)
    assert set(counts) == {
        ("nobody", False),
        ("user", False),
        ("provider", False),
        ("provider", True),
    }
    assert min(counts.values()) > 60


@pytest.mark.parametrize("language", ["terse", "english"])
def test_lessons_state_the_true_matrix_under_the_policy(language: str) -> None:
    settings = LabConfig.model_validate(
        {
            "world": {"train_items": 12, "test_items": 1, "language": language},
            "policy_lines": {"share": 1.0},
        }
    )
    world = workshop(settings)
    rng = np.random.default_rng(3)
    lines = {
        policy_line(policy): policy
        for policy in (draw(settings.policy_lines, rng, WORTH) for _ in range(2000))
    }
    questions = {question.id: question for question in world.train}
    lessons = world.told(np.random.default_rng(0))
    assert [name for name, *_ in lessons] == list(questions)
    flips = 0
    for name, asked, text, given in lessons:
        question, chain = questions[name], parse(text)
        line, rest = asked[-1]["content"].split("\n", 1)
        assert (rest, given) == (question.messages[-1]["content"], "")
        truth = Bimatrix.from_json(question.extra["true_payoff"])
        assert settings.steering.expected is not None
        exact = edit(truth, lines[line], settings.steering.expected, prompt_tokens=80)
        assert chain.payoff == fit(exact, decimals=0, low=-5, high=5).edited
        action = work_out(chain.payoff).action
        assert acted(chain.response, USER_LLM) == action
        flips += action != work_out(truth).action
    assert flips > 5


def test_a_share_of_the_questions_has_lessons_and_by_default_none() -> None:
    def lessons(share: float) -> int:
        settings = LabConfig.model_validate(
            {"world": {"train_items": 30, "test_items": 1}, "policy_lines": {"share": share}}
        )
        return len(workshop(settings).told(np.random.default_rng(0)))

    assert lessons(0.0) == 0 == LabConfig().policy_lines.share
    assert 80 < lessons(0.5) < 160
    assert policy_line(FREE) == "Nobody pays for tokens."
