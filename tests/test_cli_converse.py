"""``gtalign converse`` over real HTTP: a plain server, a steered one, users behind a server."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gtalign.cli import main
from gtalign.lab.world import make_world
from gtalign.transcripts import read_transcripts
from standins.engines import VLLM
from standins.server import RefusedError, StandIn, serving_threads

Start = Callable[[StandIn], str]
MARK = re.compile(r"number (\d+)")


class Plain(StandIn):
    """A server of whole answers that asks which number is meant, and then says it.

    A request that plays a user gets what a person would say.

    Args:
        broken: Whether requests that play a user fail.
    """

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.broken = broken

    def routes(self) -> dict[str, Any]:
        return {**super().routes(), "POST /v1/chat/completions": self.chat}

    async def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        text = body["messages"][-1]["content"]
        if text.endswith("Your next message:"):
            if self.broken:
                raise RefusedError(400, "no such user")
            said = "I mean number 7." if "It is" not in text else "[SATISFIED]"
        else:
            number = MARK.search(text)
            said = f"It is {number[1]}." if number else "Which number do you mean?"
        message = {"role": "assistant", "content": said}
        return {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    with serving_threads() as begin:
        yield begin


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "ambig-test.jsonl"
    readings = (
        "Meaning 0: What is number 7?; Answer 0: 7\nMeaning 1: What is number 7 b?; Answer 1: 7"
    )
    rows = [
        {
            "prompt": [{"role": "user", "content": f"What is it ({letter})?"}],
            "data_source": task,
            "reward_model": {"ground_truth": truth},
        }
        for letter, task, truth in [
            *((letter, "ambig_qa", f"multipleQAs###{readings}") for letter in "abcdef"),
            ("g", "abg-coqa", "ambiguous"),
        ]
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def config(folder: Path, url: str) -> Path:
    file = folder / "users.toml"
    file.write_text(
        "[users.rule]\n[users.rule.persona]\nreplies = 1.0\n[users.llm]\nkind = 'endpoint'\n"
        f"[users.llm.endpoint]\nurl = '{url}/v1'\nmodel = 'm'\nattempts = 1\n"
        "[users.people]\nkind = 'recorded'\nfile = 'said.jsonl'\n"
    )
    said = {"asked": "Which number do you mean?", "reply": "number 7"}
    (folder / "said.jsonl").write_text(json.dumps(said) + "\n")
    return file


def converse(*args: str | Path) -> int:
    return main(["converse", *map(str, args)])


def test_three_users_talk_with_a_server(
    start: Start, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Plain()
    url, out = start(server), tmp_path / "run"
    users = config(tmp_path, url)
    command = (f"{url}/v1", questions, "--config", users, "--out", out, "--json")
    assert converse(*command) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["played"], found["failed"], found["skipped"]) == (6 * 3 * 3, 0, 1)
    for user in ("rule", "llm", "people"):
        goals = {
            row["arm"]: row["value"]
            for row in found[f"conversations-{user}"]
            if row["measure"] == "goal"
        }
        assert goals == {"baseline": 0.0, "full": 1.0, "ask": 1.0}, user
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "I mean number 7." in page and "Utility against the cost of asking" in page
    asked = len(server.bodies("/v1/chat/completions"))
    assert converse(*command) == 0  # all is there: nobody is asked again
    assert len(server.bodies("/v1/chat/completions")) == asked
    capsys.readouterr()
    assert main(["compare", str(out), "--table", "conversations", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["conversations-rule"] == found["conversations-rule"]


def test_a_user_that_is_down_costs_its_conversations_alone(
    start: Start, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, broken = tmp_path / "run", Plain(broken=True)
    url = start(broken)
    command = (f"{url}/v1", questions, "--config", config(tmp_path, url), "--out", out)
    assert converse(*command, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failed"] == 6 * 2  # the baseline asks no user
    ends = {
        (*(t.conversation[key] for key in ("user", "arm", "end", "failed")),)
        for t in read_transcripts(out / "transcripts.jsonl")
        if t.conversation is not None
    }
    assert {end[1:] for end in ends if end[0] == "llm"} == {
        ("baseline", "turns", None),
        ("full", "failed", "user"),
        ("ask", "failed", "user"),
    }
    assert {failed for user, *_, failed in ends if user != "llm"} == {None}
    broken.broken = False
    assert converse(*command) == 0  # what failed is played again
    text = capsys.readouterr().out
    assert "54 conversations, 0 of them failed" in text
    assert "1 questions left out" in text
    assert "with llm: goal reached" in text.replace("\n", " ")


def test_a_run_in_which_all_fail_exits_with_1(
    start: Start, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = start(Plain(broken=True))
    users = tmp_path / "llm.toml"
    users.write_text(
        f"[users.llm]\nkind = 'endpoint'\n[users.llm.endpoint]\nurl = '{url}/v1'\nmodel = 'm'\n"
    )
    command = (f"{url}/v1", questions, "--config", users, "--out", tmp_path / "r")
    assert converse(*command, "--set", 'arms=["full", "ask"]') == 1
    assert "No result: all 12 conversations failed. The first: user 'm'" in capsys.readouterr().out


def test_a_trained_model_behind_an_engine_is_steered(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The questions of the lab, from a file of transcripts."""
    file = tmp_path / "asked.jsonl"
    rows = [
        {"id": q.id, "task": q.task, "completion": "", "prompt": list(q.messages),
         "cluster": q.cluster, "extra": dict(q.extra)}
        for q in make_world(0, 1, 1).test[:2]
    ]  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "run"
    url = start(VLLM())
    assert converse(f"{url}/v1", file, "--bare", "--out", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["played"], found["failed"], found["skipped"]) == (6, 0, 0)
    first = next(read_transcripts(out / "transcripts.jsonl"))
    assert first.decision is not None and first.conversation is not None
    assert first.conversation["turns"][0]["stated"]["VQ_CQ"] == {"LLM": 4.0, "user": 3.5}
    assert first.conversation["turns"][0]["action"] == "CQ"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--set", "turns=0"], "turns"),
        (["--set", "temprature=0"], "temperature"),
        (["--set", "mode=advise"], "a policy is for the modes advise and enforce"),
        (["--set", "users={}"], "users"),
        (["--set", "users={'a, b'={}}"], "users"),
        (["--config", "usrs"], "did you mean 'users'"),
        (["--set", "arms=['all']"], "arms"),
        (["--matrix", "-1"], "matrix"),
    ],
)
def test_bad_input_is_one_line(
    args: list[str], told: str, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = converse("http://127.0.0.1:9/v1", questions, "--out", tmp_path / "r", *args)
    assert code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("{}\n", "no column 'prompt'"),
        (
            '{"prompt": [{"role": "user", "content": "x"}], "data_source": "math-hard",'
            ' "reward_model": {"ground_truth": "1"}}\n',
            "none of 1 questions has a goal",
        ),
    ],
)
def test_files_without_a_goal_are_bad_input(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(text)
    assert converse("http://127.0.0.1:9/v1", file, "--out", tmp_path / "r") == 2
    assert told in capsys.readouterr().err


def test_a_server_that_is_not_there_is_one_line(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converse("http://127.0.0.1:9/v1", questions, "--out", tmp_path / "r") == 1
    assert "127.0.0.1:9" in capsys.readouterr().err
