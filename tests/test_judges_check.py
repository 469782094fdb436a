"""Judges held against people's labels: agreement, errors, position bias."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from gtalign.cli import main
from gtalign.errors import DataError, JudgeError
from gtalign.judges import (
    EndpointJudge,
    FakeJudge,
    JudgeSettings,
    LabelledAnswer,
    check_judge,
)
from gtalign.judges.check import wilson
from gtalign.tasks import Message, Question
from judge_server import serve


def question(name: str, task: str = "math-hard", truth: str = "2") -> Question:
    asked = (Message(role="user", content=f"question {name}"),)
    return Question(id=name, task=task, messages=asked, ground_truth=truth, cluster=name)


def answer(
    name: str, response: str, label: float | None, task: str = "math-hard"
) -> LabelledAnswer:
    return LabelledAnswer(question(name, task), response, label)


def graded(good: int, bad: int, wrong: int = 0, others: int = 0) -> list[LabelledAnswer]:
    """Answers whose text is what the judge says; it misjudges the first ``wrong`` of either."""
    rows = [answer(f"g{i}", "no" if i < wrong else "yes", 1.0) for i in range(good)]
    rows += [answer(f"b{i}", "yes" if i < wrong else "no", 0.0) for i in range(bad)]
    return rows + [answer(f"o{i}", "yes" if i % 2 else "no", None) for i in range(others)]


SAYS = FakeJudge(lambda question, response: float(response == "yes"))


async def test_agreement_and_errors_are_counted() -> None:
    rng = np.random.default_rng(0)
    found = await check_judge(SAYS, graded(40, 30, wrong=3, others=20), rng)
    (task,) = found.tasks
    assert (task.labelled, task.unlabelled, task.unscored, task.reason) == (70, 20, 0, None)
    assert task.same.value == pytest.approx(64 / 70)
    assert task.sensitivity.value == pytest.approx(37 / 40)
    assert task.specificity.value == pytest.approx(27 / 30)
    assert task.alpha is not None and task.alpha_low is not None and task.alpha_high is not None
    assert 0.6 < task.alpha_low < task.alpha < task.alpha_high < 1
    assert task.rate is not None
    assert task.rate.reported == 0.5
    # Rogan and Gladen: (0.5 + 0.9 - 1) / (0.925 + 0.9 - 1)
    assert task.rate.value == pytest.approx(0.4 / 0.825)
    assert json.loads(json.dumps(found.to_json()))["tasks"][0]["task"] == "math-hard"


async def test_what_has_no_verdict_is_counted_and_is_no_0() -> None:
    judge = FakeJudge(lambda _, response: None if response == "no" else 1.0)
    (task,) = (await check_judge(judge, graded(5, 5), np.random.default_rng(0))).tasks
    assert task.unscored == 5
    assert task.reason is not None and "prepared to leave it unscored" in task.reason
    assert task.same.n == 5 and task.same.value == 1.0
    assert task.specificity.value is None  # no bad answer has a verdict
    assert task.alpha is None and task.alpha_low is None
    assert task.rate is None and task.no_rate is not None


async def test_a_judge_that_sometimes_fails_is_reported_and_one_that_always_does_raises() -> None:
    def half(question: Question, response: str) -> float | Exception:
        return JudgeError("is down") if response == "no" else 1.0

    (task,) = (await check_judge(FakeJudge(half), graded(4, 4), np.random.default_rng(0))).tasks
    assert task.unscored == 4 and task.reason is not None and "is down" in task.reason
    with pytest.raises(JudgeError, match=r"failed on all 8 answers.*is down"):
        broken = FakeJudge(JudgeError("is down"))
        await check_judge(broken, graded(4, 4), np.random.default_rng(0))


async def test_a_judge_no_better_than_chance_corrects_nothing() -> None:
    judge = FakeJudge(lambda _, response: float(response == "no"))
    (task,) = (await check_judge(judge, graded(9, 9, others=4), np.random.default_rng(0))).tasks
    assert task.rate is None and task.no_rate is not None and "chance" in task.no_rate
    assert task.alpha is not None and task.alpha < 0


async def test_labels_that_name_cases_have_no_order() -> None:
    # A refusal (1) for an alternative (0.5) is as wrong as one for compliance (0).
    def rows(labels: list[float]) -> list[LabelledAnswer]:
        return [answer(str(i), str(v), v, "advbench") for i, v in enumerate(labels)]

    def shifted(question: Question, response: str) -> float:
        return {0.0: 0.0, 0.5: 1.0, 1.0: 0.5}[float(response)]

    labels = [0.0, 0.5, 1.0] * 5
    (task,) = (await check_judge(FakeJudge(shifted), rows(labels), np.random.default_rng(0))).tasks
    assert task.same.value == pytest.approx(1 / 3)
    assert task.sensitivity.value == task.specificity.value == 1.0  # both are refusals
    assert task.alpha is not None and task.alpha < 0.1


@pytest.mark.parametrize("label", [-1.0, 1.5, float("nan"), float("inf")])
async def test_a_label_off_the_scale_is_refused(label: float) -> None:
    with pytest.raises(DataError, match=r"question 'x': the label .* outside 0\.\.1"):
        await check_judge(SAYS, [answer("x", "yes", label)], np.random.default_rng(0))


@pytest.mark.parametrize("label", [0.25, 0.9])
@pytest.mark.parametrize("task", ["wildguard", "advbench"])
async def test_a_label_between_the_names_of_cases_is_refused(task: str, label: float) -> None:
    with pytest.raises(
        DataError, match=rf"question 'x': the label {label:g} is not one of 0, 0\.5, 1"
    ):
        await check_judge(SAYS, [answer("x", "yes", label, task)], np.random.default_rng(0))


async def test_without_labels_there_is_nothing_to_check() -> None:
    with pytest.raises(DataError, match="no answer has a label"):
        await check_judge(SAYS, graded(0, 0, others=3), np.random.default_rng(0))


PAIRS = [
    *(answer(f"p{i}", f"good {i}", 4.0, "medium") for i in range(6)),
    *(answer(f"p{i}", f"bad {i}", 1.0, "medium") for i in range(6)),
]
FIXED = FakeJudge(lambda question, response: 2.0)


def settings(url: str) -> JudgeSettings:
    return JudgeSettings(url=url, model="m", structured="json_schema", attempts=1)


def told(score: float) -> str:
    return json.dumps({"reason": "so", "score": score})


async def test_a_judge_that_prefers_what_it_sees_first_is_found_out() -> None:
    async with serve(lambda body: told(1)) as server:
        judge = EndpointJudge(settings(server.url), name="first")
        rng = np.random.default_rng(0)
        found = await check_judge(FIXED, PAIRS, rng, endpoints={"first": judge}, pairs=4)
        await judge.aclose()
    (position,) = found.positions
    assert (position.pairs, position.unscored) == (4, 0)
    assert len(server.requests) == 8  # each pair in both orders
    assert position.consistent.value == 0.0
    assert position.first.value == 1.0 and position.first.n == 8
    assert position.right.value == 0.0


async def test_a_judge_that_reads_the_answers_has_no_bias() -> None:
    def reads(body: dict[str, object]) -> str:
        text = json.dumps(body["messages"])
        return told(1 if text.index("| good") < text.index("| bad") else 2)

    async with serve(reads) as server:
        judge = EndpointJudge(settings(server.url), name="reads")
        rng = np.random.default_rng(0)
        found = await check_judge(FIXED, PAIRS, rng, endpoints={"reads": judge})
        await judge.aclose()
    (position,) = found.positions
    assert position.pairs == 6
    assert position.consistent.value == position.right.value == 1.0
    assert position.first.value == 0.5


async def test_comparisons_without_a_verdict_are_counted() -> None:
    async with serve(lambda body: Response(status_code=403)) as server:
        judge = EndpointJudge(settings(server.url), name="shut")
        found = await check_judge(FIXED, PAIRS, np.random.default_rng(0), endpoints={"shut": judge})
        await judge.aclose()
    (position,) = found.positions
    assert position.unscored == position.pairs == 6
    assert position.reason is not None and "403" in position.reason
    assert position.consistent.value is None and position.first.value is None


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_of_a_share_holds_it_and_stays_in_range(case: tuple[int, int]) -> None:
    share = wilson(*case)
    assert share.value is not None and share.low is not None and share.high is not None
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.high - share.low > 0


def test_the_interval_of_a_share_is_that_of_the_literature() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
    for case, low, high in [((81, 263), 0.2553, 0.3662), ((15, 148), 0.0624, 0.1605)]:
        share = wilson(*case)
        assert (share.low, share.high) == (
            pytest.approx(low, abs=5e-5),
            pytest.approx(high, abs=5e-5),
        )
    assert wilson(0, 20).low == 0 and wilson(1, 29).low == pytest.approx(0.0061, abs=5e-5)


def chat(response: str, label: object, truth: str = "2") -> dict[str, Any]:
    messages = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": response}]
    row: dict[str, Any] = {"task": "math-hard", "messages": messages, "ground_truth": truth}
    return row if label == "none" else {**row, "label": label}


def written(folder: Path, rows: list[dict[str, object]]) -> str:
    file = folder / "labelled.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_command_prints_tables_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [chat("It is 2.", 1), chat("It is 3.", 0), chat("It is 2.", 0), chat("It is 2.", "none")]
    file = written(tmp_path, rows)
    assert main(["judges", "check", file]) == 0
    shown = capsys.readouterr().out
    assert "math-hard" in shown and "0.67 [0.21, 0.94]" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert main(["judges", "check", file, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"][0]["labelled"] == 3
    assert found["tasks"][0]["rate"]["n"] == 1
    assert found["positions"] == []


def test_command_leaves_out_what_is_no_chain_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rows = [chat("It is 2.", 1), chat("<thinking>hm</thinking><payoff>It is 2.", 1)]
    assert main(["judges", "check", written(tmp_path, rows), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"][0]["labelled"] == 1
    assert "1 of 2 answers have no response: left out" in caplog.text


@pytest.mark.parametrize("label", [True, "good", [1], {}])
def test_command_refuses_a_label_that_is_no_number(
    label: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["judges", "check", written(tmp_path, [chat("It is 2.", label)])]) == 2
    assert "line 1: column 'label' has to be a number or null" in capsys.readouterr().err


def test_command_refuses_a_label_between_the_names_of_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {**chat("I can't.", 0.3, "harmful"), "task": "wildguard"}
    assert main(["judges", "check", written(tmp_path, [row]), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "the label 0.3 is not one of 0, 0.5, 1" in told.err


def test_command_says_why_a_rate_is_not_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [chat("It is 2.", 1), chat("It is 2.", "none")]
    assert main(["judges", "check", written(tmp_path, rows)]) == 0
    assert (
        "the rate is not corrected: the gold set has 1 true and 0 false" in capsys.readouterr().err
    )


@pytest.mark.parametrize(("good_from", "good"), [("0", 3), ("0.5", 2), ("0.7", 1), ("1", 1)])
def test_command_takes_the_lowest_score_of_a_good_answer(
    good_from: str, good: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, [chat("It is 2.", label) for label in (1, 0.6, 0.2)])
    assert main(["judges", "check", file, "--good-from", good_from, "--json"]) == 0
    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    assert (task["sensitivity"]["n"], task["specificity"]["n"]) == (good, 3 - good)


def test_command_repeats_itself_by_its_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [chat(f"It is {n % 3}.", n % 2) for n in range(25)]
    for number, row in enumerate(rows):
        row["messages"][0]["content"] = f"{number} + 1?"
    file, found = written(tmp_path, rows), []
    for options in (["--seed", "1"], ["--seed", "1", "--workers", "1"], ["--seed", "2"]):
        assert main(["judges", "check", file, "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1] != found[2]
    assert found[0]["tasks"][0]["alpha"] == found[2]["tasks"][0]["alpha"]


@pytest.mark.parametrize(
    "option",
    [("--good-from", "1.1"), ("--good-from", "nan"), ("--pairs", "-1"), ("--workers", "0")],
)
def test_command_refuses_numbers_out_of_range(
    option: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["judges", "check", written(tmp_path, [chat("It is 2.", 1)]), *option]) == 2
    told = capsys.readouterr().err
    assert option[0] in told and told.count("\n") == 1


async def test_command_compares_as_many_pairs_as_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One question has two good and two bad answers: four pairs, each in both orders."""
    file = written(tmp_path, [chat(f"It is 2{end}", int(n < 2)) for n, end in enumerate("abcd")])
    async with serve(lambda body: told(1)) as server:
        judges = tmp_path / "judges.toml"
        judges.write_text(
            f'default = ["m"]\n[endpoints.m]\nurl = "{server.url}"\nmodel = "m"\nattempts = 1\n'
        )
        for pairs, compared in (("0", None), ("3", 3), ("9", 4)):
            command = ["judges", "check", file, "--judge", str(judges), "--pairs", pairs, "--json"]
            assert await asyncio.to_thread(main, command) == 0
            positions = json.loads(capsys.readouterr().out)["positions"]
            assert [one["pairs"] for one in positions] == ([] if compared is None else [compared])


@pytest.mark.parametrize(
    ("second", "options", "judge", "missing"),
    [
        ("It is 3.", [], False, "no model behind an endpoint is among the judges"),
        ("It is 3.", ["--pairs", "0"], True, "no pairs were asked for"),
        ("It is 2, I say.", [], True, "no question has two labelled answers, one with a better"),
        (None, [], True, "no question has two labelled answers, one with a better"),
        ("It is 3.", [], True, None),
    ],
)
async def test_command_says_why_there_is_no_position_bias(
    second: str | None,
    options: list[str],
    judge: bool,
    missing: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [chat("It is 2.", 1)]
    if second is not None:
        rows.append(chat(second, int("2" in second)))
    async with serve(lambda body: told(1)) as server:
        judges = tmp_path / "judges.toml"
        judges.write_text(f'default = ["m"]\n[endpoints.m]\nurl = "{server.url}"\nmodel = "m"\n')
        command = ["judges", "check", written(tmp_path, rows), *options]
        command += ["--judge", str(judges)] * judge
        assert await asyncio.to_thread(main, command) == 0
        said = capsys.readouterr()
        assert ("pairs compared" in said.out) is (missing is None)
        assert ("position bias is not measured" in said.err) is (missing is not None)
        assert missing is None or missing in said.err
        assert await asyncio.to_thread(main, [*command, "--json"]) == 0
        why = json.loads(capsys.readouterr().out)["no_positions"]
        assert why is None if missing is None else missing in why
