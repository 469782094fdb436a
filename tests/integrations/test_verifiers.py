"""verifiers: the same rewards, and what is unknown is an error of its rollout."""

from typing import Any

import pytest

from gtalign.files.lines import read_lines
from integrations.conftest import Case


def traces_of(case: Case, taskset: str) -> dict[str, Any]:
    """The traces of an evaluation, by question."""
    case.run(
        "verifiers",
        *("vf-eval", taskset, "--env.taskset.task.suite", "suite.toml", "-m", "scripted"),
        *("--client.base-url", case.model, "--client.api-key-var", "LOCAL_API_KEY"),
        *("--no-push", "--no-rich", "-o", "outputs", "--run.name", "run"),
    )
    episodes = [row for _, row in read_lines(case.folder / "outputs" / "run" / "traces.jsonl")]
    assert len(episodes) == 10
    traces = [trace for episode in episodes for trace in episode["traces"]]
    return {trace["task"]["data"]["id"]: trace for trace in traces}


def test_answers_have_the_rewards_of_score(case: Case) -> None:
    found, expected = traces_of(case, "gtalign-answers"), case.scored()
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        reward = found[name]["rewards"]["welfare"]["score"]
        assert reward == pytest.approx(row["mutual_welfare"] or 0.0, abs=1e-9)
        if row["mutual_welfare"] is not None:
            metrics = found[name]["metrics"]
            assert metrics["user_welfare"] == pytest.approx(row["user_welfare"], abs=1e-9)


def test_a_judge_that_fails_leaves_rollouts_without_a_reward(failing: Case) -> None:
    found = traces_of(failing, "gtalign-answers")
    wrong = [trace for trace in found.values() if not trace["ok"]]
    assert 0 < len(wrong) < 10
    for trace in wrong:
        assert trace["rewards"].get("welfare") is None
        assert trace["errors"][-1]["type"] == "TaskError"
        assert "out of order" in trace["errors"][-1]["message"]


def test_conversations_have_the_measures_of_converse(talk: Case) -> None:
    found, expected = traces_of(talk, "gtalign-conversations"), talk.conversed()
    assert found.keys() == expected.keys()
    for name, measures in expected.items():
        assert found[name]["metrics"] == pytest.approx(measures, abs=1e-9)
        reward = found[name]["rewards"]["welfare"]["score"]
        assert reward == pytest.approx(measures["welfare"], abs=1e-9)
