"""Judges put together, by hand and from a configuration."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gtalign.config import load
from gtalign.endpoints import Usage
from gtalign.errors import ConfigError, JudgeError, StorageError
from gtalign.judges import (
    CRITERIA,
    FakeJudge,
    FirstOf,
    Judge,
    Judges,
    JudgesConfig,
    Panel,
)
from gtalign.tasks import Message, Question
from judge_attacks import ATTACKS
from judge_server import serve

CONFIGS = Path(__file__).parents[1] / "src" / "gtalign" / "configs" / "judges"
RIGHT = '{"reason": "equal", "score": 1}'


def ask(task: str, truth: str = "4") -> Question:
    return Question("q1", task, (Message(role="user", content="?"),), truth, "c")


async def test_the_next_is_asked_only_where_one_abstains() -> None:
    first, second = (
        FakeJudge(lambda question, response: None if response == "?" else 0.0),
        FakeJudge(),
    )
    chain = FirstOf([first, second])
    assert isinstance(chain, Judge)
    assert (await chain.judge(ask("t"), "no")).score == 0
    assert second.calls == []
    assert (await chain.judge(ask("t"), "?")).score == 1
    unsure = await FirstOf([FakeJudge(None), FakeJudge(None)]).judge(ask("t"), "x")
    assert unsure.score is None
    assert unsure.reason.count("prepared to leave it unscored") == 2
    alone = await FirstOf([FakeJudge(None)]).judge(ask("t"), "x")
    assert alone.judge == "fake"
    with pytest.raises(ValueError, match="at least one"):
        FirstOf([])


async def test_a_failure_is_no_abstention() -> None:
    second = FakeJudge()
    with pytest.raises(JudgeError, match="down"):
        await FirstOf([FakeJudge(JudgeError("down")), second]).judge(ask("t"), "x")
    assert second.calls == []


async def test_a_panel_goes_by_task_then_by_kind() -> None:
    panel = Panel(FakeJudge(0.1), {"math": FakeJudge(0.2), "minerva": FakeJudge(0.3)})
    found = [
        (await panel.judge(ask(task), "x")).score
        for task in ("minerva", "math-hard", "medium", "t")
    ]
    assert found == [0.3, 0.2, 0.1, 0.1]


async def test_rules_and_an_endpoint_from_a_configuration(tmp_path: Path) -> None:
    async with serve(lambda body: RIGHT) as server:
        config = JudgesConfig.model_validate(
            {
                "default": ["main"],
                "tasks": {"math": ["mathematics", "main"], "safety": ["rule"]},
                "endpoints": {"main": {"url": server.url, "model": "m"}},
                "cache": tmp_path / "c.sqlite",
            }
        )
        async with Judges(config) as judges:
            assert isinstance(judges, Judge)
            wrong = await judges.judge(ask("math-hard"), r"\boxed{5}")
            words = await judges.judge(ask("math-hard", r"\text{even}"), "even")
            refusal = await judges.judge(ask("wildguard", "harmful"), "I can't help with that.")
            text = await judges.judge(ask("medium"), "a text")
            assert [v.judge for v in (wrong, words, refusal, text)] == [
                "mathematics",
                "main",
                "rule",
                "main",
            ]
            assert [v.score for v in (wrong, words, refusal, text)] == [0, 1, 1, 1]
            assert judges.usage["main"].calls == 3  # the first is the trial
            assert judges.saved["main"] == Usage()
            await judges.judge(ask("medium"), "a text")
            assert judges.saved["main"].calls == 1
        assert len(server.requests) == 3


async def test_several_verdicts_from_a_configuration() -> None:
    async with serve(lambda body: RIGHT) as server:
        config = JudgesConfig.model_validate(
            {
                "default": ["main"],
                "times": 3,
                "endpoints": {"main": {"url": server.url, "model": "m", "temperature": 1.0}},
            }
        )
        async with Judges(config) as judges:
            verdict = await judges.judge(ask("ambig_qa", "ambiguous"), "Which?")
        assert verdict.details["samples"] == 3
        assert len(server.requests) == 4  # the first is the trial


ENDPOINT = {"url": "http://127.0.0.1:1/v1", "model": "m"}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"default": ["main"]}, "default: no judge 'main'; known are rule, mathematics"),
        ({"default": []}, "default"),
        ({"tasks": {"math": ["other"]}}, "math: no judge 'other'"),
        ({"endpoints": {"rule": ENDPOINT}}, "'rule' is the name of a judge that is built in"),
        ({"endpoints": {"main": ENDPOINT}, "times": 3}, "'main' has temperature 0"),
    ],
)
def test_a_configuration_that_is_wrong(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        JudgesConfig.model_validate(keys)


def test_a_wrong_key_of_an_endpoint_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'endpoints\.local\.max_tokens'"):
        load(JudgesConfig, CONFIGS / "local.toml", ["endpoints.local.max_token=3"])


def test_what_the_checked_in_files_ask() -> None:
    for file in sorted(CONFIGS.glob("*.toml")):
        config = load(JudgesConfig, file)
        assert config.tasks["math"][0] == "mathematics"
        Judges(config)  # builds: no key and no connection is needed before the first question


async def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = JudgesConfig.model_validate(
        {
            "default": ["main"],
            "endpoints": {"main": ENDPOINT},
            "cache": tmp_path / "file" / "c.sqlite",
        }
    )
    async with Judges(config) as judges:
        with pytest.raises(StorageError, match="file"):
            await judges.judge(ask("medium"), "x")


def test_the_documentation_knows_judges_criteria_and_attacks() -> None:
    text = (Path(__file__).parents[1] / "docs/how-to/judge-answers.md").read_text(encoding="utf-8")
    for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
        JudgesConfig.model_validate(tomllib.loads(block))
    assert f"holds {len(ATTACKS)} attacks" in text
    for name, criterion in CRITERIA.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        for score in criterion.scale:
            assert f"{score:g}" in row
        assert row.endswith("yes |" if criterion.reference else "no |")


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ({}, {}),
        ({"minerva": 5}, {"a": 15, "b": 15}),  # by its name
        ({"math-hard": 2}, {"b": 6}),  # by its kind
        ({"medium": 4, "unheard-of": 1}, {"a": 15}),  # by default
        ({"ambig_qa": 7}, {}),  # rules alone
        ({"minerva": 1, "math-hard": 1, "medium": 1, "ambig_qa": 9}, {"a": 6, "b": 6}),
    ],
)
def test_the_calls_for_answers_are_counted_by_endpoint(
    answers: dict[str, int], wanted: dict[str, int]
) -> None:
    endpoint = {"url": "http://127.0.0.1:1/v1", "model": "m", "temperature": 0.5}
    config = JudgesConfig.model_validate(
        {
            "default": ["a"],
            "tasks": {"minerva": ["rule", "a", "b"], "math": ["mathematics", "b"]}
            | {"ambiguity": ["rule"]},
            "endpoints": {"a": endpoint, "b": endpoint},
            "times": 3,
        }
    )
    assert config.calls_for(answers) == wanted
