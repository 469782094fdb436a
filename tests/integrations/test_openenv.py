"""OpenEnv: the same rewards over its own server and client, and none where it is unknown."""

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.conftest import Case

AGENT = str(Path(__file__).with_name("openenv_agent.py"))


def episodes_of(case: Case, environment: str, *how: str) -> dict[str, Any]:
    """The last observation of each episode, by question."""
    said = case.run("openenv", "python", AGENT, environment, case.model, *how)
    found = [json.loads(line) for line in said.splitlines()]
    assert len(found) == 10
    return {episode["question"]: episode for episode in found}


@pytest.mark.parametrize("how", ["served", "direct"])
def test_answers_have_the_rewards_of_score(case: Case, how: str) -> None:
    found, expected = episodes_of(case, "answers", how), case.scored()
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name]["reward"] == pytest.approx(row["mutual_welfare"] or 0.0, abs=1e-9)
        if row["mutual_welfare"] is not None:
            measured = found[name]["metadata"]["user_welfare"]
            assert measured == pytest.approx(row["user_welfare"], abs=1e-9)


def test_a_judge_that_fails_leaves_episodes_without_a_reward(failing: Case) -> None:
    found = episodes_of(failing, "answers", "served")
    unknown = [episode for episode in found.values() if episode["reward"] is None]
    assert 0 < len(unknown) < 10
    assert all("out of order" in episode["problem"] for episode in unknown)


@pytest.mark.parametrize("how", ["served", "direct"])
def test_conversations_have_the_measures_of_converse(talk: Case, how: str) -> None:
    found, expected = episodes_of(talk, "conversations", how), talk.conversed()
    assert found.keys() == expected.keys()
    for name, measures in expected.items():
        known = {k: v for k, v in found[name]["metadata"].items() if k != "end"}
        assert known == pytest.approx(measures, abs=1e-9)
        assert found[name]["reward"] == pytest.approx(measures["welfare"], abs=1e-9)
        assert found[name]["steps"] == measures["turns"]
