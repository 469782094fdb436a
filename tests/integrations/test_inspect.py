"""Inspect: the same rewards, and what is unknown counts in no mean."""

import json
from math import isnan
from typing import Any

import pytest

from integrations.conftest import Case

MODEL = ("--model", "openai-api/local/scripted", "--display", "none", "--log-format", "json")


def log_of(case: Case, task: str, *options: str) -> dict[str, Any]:
    case.run(
        "inspect",
        *("inspect", "eval", f"gtalign/{task}", "-T", "suite=suite.toml"),
        *(*MODEL, "--log-dir", "logs", *options),
    )
    (file,) = (case.folder / "logs").glob("*.json")
    log: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert log["status"] == "success"
    return log


def test_answers_have_the_rewards_of_score(case: Case) -> None:
    log, expected = log_of(case, "ask_or_answer"), case.scored()
    assert len(log["samples"]) == len(expected) == 10
    for sample in log["samples"]:
        row, score = expected[sample["id"]], sample["scores"]["welfare"]
        if row["mutual_welfare"] is None:
            assert isnan(score["value"]) and score["explanation"] == row["unscored"]
            continue
        for name in ("mutual_welfare", "user_welfare", "llm_welfare"):
            assert score["value"][name] == pytest.approx(row[name], abs=1e-9)
        assert score["value"]["reward"] == pytest.approx(row["mutual_welfare"], abs=1e-9)
    means = {one["name"]: one["metrics"]["mean"]["value"] for one in log["results"]["scores"]}
    every = [row["mutual_welfare"] for row in expected.values()]
    known = [value for value in every if value is not None]
    assert len(known) > 5
    assert means["reward"] == pytest.approx(sum(known) / len(known), abs=1e-9)


def test_a_judge_that_fails_leaves_answers_out_of_the_mean(failing: Case) -> None:
    log = log_of(failing, "ask_or_answer")
    values = [sample["scores"]["welfare"] for sample in log["samples"]]
    unknown = [score for score in values if not isinstance(score["value"], dict)]
    assert 0 < len(unknown) < 10
    assert {score["reason"] for score in unknown} == {"grader_failed"}
    assert all("out of order" in score["explanation"] for score in unknown)
    reward = next(one for one in log["results"]["scores"] if one["name"] == "reward")
    assert (reward["scored_samples"], reward["unscored_samples"]) == (
        10 - len(unknown),
        len(unknown),
    )


def test_conversations_have_the_measures_of_converse(talk: Case) -> None:
    log, expected = log_of(talk, "conversation"), talk.conversed()
    assert len(log["samples"]) == len(expected) == 10
    for sample in log["samples"]:
        found = {
            name: value
            for name, value in sample["scores"]["conversed"]["value"].items()
            if not isnan(value)
        }
        assert found == pytest.approx(expected[sample["id"]], abs=1e-9)
    assert len({measures["turns"] for measures in expected.values()}) > 1
