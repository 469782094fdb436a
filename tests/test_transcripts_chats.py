"""Logs of chats as transcripts."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from gtalign.cli import main
from gtalign.errors import DataError
from gtalign.transcripts import read_transcripts
from gtalign.transcripts.prompts import by_prompt

ASKED = {"role": "user", "content": "2+2?"}
ANSWERED = {"role": "assistant", "content": "Four."}


def log(tmp_path: Path, **record: Any) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"messages": [ASKED, ANSWERED], **record}) + "\n", encoding="utf-8")
    return path


def test_a_bare_log(tmp_path: Path) -> None:
    (found,) = read_transcripts(log(tmp_path))
    assert (found.id, found.cluster, found.task) == ("log-1", by_prompt([ASKED]), "direct")
    assert found.prompt == (ASKED,)
    assert found.completion == "Four."
    assert found.plain
    assert found.ground_truth == ""
    assert found.verdicts == ()


def test_a_full_one(tmp_path: Path) -> None:
    record = {"id": 7, "data_source": "math-hard", "ground_truth": "4", "model": "m"}
    (found,) = read_transcripts(log(tmp_path, **record))
    assert (found.id, found.task, found.ground_truth, found.model) == ("7", "math-hard", "4", "m")
    (found,) = read_transcripts(log(tmp_path, task="mine", **record))
    assert found.task == "mine"


def test_parts_and_tool_calls(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:"}}
    parts = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}
    call: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}
    (found,) = read_transcripts(log(tmp_path, messages=[parts, call, ANSWERED]))
    assert [message["content"] for message in found.prompt] == ["What is it?", ""]


FUNCTION = {"name": "find", "arguments": '{"q": "é"}'}


@pytest.mark.parametrize(
    ("answer", "called"),
    [
        (
            {
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": FUNCTION}],
            },
            1,
        ),
        ({"content": "", "tool_calls": [{"function": FUNCTION}, {"function": FUNCTION}]}, 2),
        ({"content": None, "function_call": FUNCTION}, 1),
        ({"content": [{"type": "tool_use", "name": "find", "input": {"q": "é"}}]}, 1),
        ({"content": [{"type": "text", "text": " "}], "tool_calls": [FUNCTION]}, 1),
        ({"content": None, "reasoning": "Look it up.", "tool_calls": [{"function": FUNCTION}]}, 1),
    ],
)
def test_a_call_of_a_tool_is_no_answer(
    tmp_path: Path, answer: dict[str, Any], called: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = log(tmp_path, messages=[ASKED, {"role": "assistant", **answer}])
    (found,) = read_transcripts(file)
    assert found.completion.count("<tool_call>") == found.completion.count("find") == called
    assert "é" in found.completion
    assert found.unanswered == "no response: the answer only calls a tool"
    assert main(["score", str(file), "--judge", "rules", "--json"]) == 1
    (row,) = capsys.readouterr().out.splitlines()
    assert json.loads(row)["mutual_welfare"] is None
    assert json.loads(row)["unscored"] == found.unanswered


@pytest.mark.parametrize("calls", [None, [], "x", [None], {}])
def test_what_is_no_call_leaves_an_empty_answer(tmp_path: Path, calls: Any) -> None:
    answer = {"role": "assistant", "content": None, "tool_calls": calls}
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, answer]))
    assert (found.completion, found.unanswered) == ("", None)


def test_an_answer_beside_a_call_is_the_answer(tmp_path: Path) -> None:
    answer = {**ANSWERED, "tool_calls": [{"function": FUNCTION}]}
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, answer]))
    assert (found.completion, found.unanswered) == ("Four.", None)


@pytest.mark.parametrize(
    ("answer", "completion", "reasoning"),
    [
        ({"content": None, "refusal": "No."}, "No.", ""),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, "No.", ""),
        ({"content": [{"type": "output_text", "text": "Four."}]}, "Four.", ""),
        (
            {"content": [{"type": "text", "text": {"value": "Four.", "annotations": []}}]},
            "Four.",
            "",
        ),
        ({"content": [{"type": "refusal", "text": "No."}]}, "No.", ""),
        ({"role": "model", "parts": [{"text": "Fo"}, {"text": "ur."}]}, "Fo\nur.", ""),
        ({"content": [{"type": "text", "text": "It is"}, "four."]}, "It is\nfour.", ""),
        ({"content": {"type": "text", "text": "Four."}}, "Four.", ""),
        (
            {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "4"}]},
            "<think>\nHm.\n</think>\n\n4",
            "Hm.",
        ),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
            "<think>\nHm.\n</think>\n\n",
            "Hm.",
        ),
        ({"content": "4", "reasoning_content": "Hm."}, "<think>\nHm.\n</think>\n\n4", "Hm."),
        (
            {"content": "4", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
            "<think>\nHm.\n</think>\n\n4",
            "Hm.",
        ),
        ({"content": "4", "reasoning_details": [{"type": "reasoning.encrypted"}]}, "4", ""),
        ({"content": "4", "reasoning": "Hm."}, "<think>\nHm.\n</think>\n\n4", "Hm."),
        ({"content": "<think>Hm.</think>4"}, "<think>Hm.</think>4", "Hm."),
        ({"content": "<thinking>Hm.</thinking>4"}, "<thinking>Hm.</thinking>4", "Hm."),
    ],
)
def test_every_form_of_an_answer_is_read(
    tmp_path: Path, answer: dict[str, Any], completion: str, reasoning: str
) -> None:
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, {"role": "assistant", **answer}]))
    assert (found.completion, found.reasoning, found.plain) == (completion, reasoning, True)
    record = found.to_json()
    assert record.get("reasoning", "") == reasoning
    assert type(found).from_json(record) == found


@pytest.mark.parametrize(
    ("truth", "kept"),
    [
        (None, ""),
        (float("nan"), ""),
        ({"a": float("nan")}, '{"a": null}'),
        ("None", "None"),
        (4, "4"),
        ({"a": ["é", None]}, '{"a": ["é", null]}'),
    ],
)
def test_ground_truths(tmp_path: Path, truth: Any, kept: str) -> None:
    (found,) = read_transcripts(log(tmp_path, ground_truth=truth))
    assert found.ground_truth == kept
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"id": "a", "completion": "x", "ground_truth": truth}) + "\n")
    (found,) = read_transcripts(own)
    assert found.ground_truth == kept
    dump = tmp_path / "dump.jsonl"
    record = {"input": [ASKED], "output": "Four.", "gts": truth, "score": math.nan}
    dump.write_text(json.dumps(record) + "\n", encoding="utf-8")
    (found,) = read_transcripts(dump)
    assert (found.ground_truth, found.prompt) == (kept, (ASKED,))
    assert (found.mutual_welfare, found.unscored) == (None, "the dump has no score")


@pytest.mark.parametrize("text", ["<thinking>hm", "<payoff>{}</payoff>", "x</response>"])
def test_a_tag_tells_a_chain(tmp_path: Path, text: str) -> None:
    answer = {"role": "assistant", "content": text}
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, answer]))
    assert not found.plain


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"messages": []}, "a question, and the answer"),
        ({"messages": [ANSWERED]}, "a question, and the answer"),
        ({"messages": "hello"}, "a question, and the answer"),
        ({"messages": [ANSWERED, ASKED]}, "has to be the assistant's, not 'user'"),
        ({"messages": [{"content": "x"}, ANSWERED]}, "message 0 has to have a text 'role'"),
        ({"messages": ["x", ANSWERED]}, "message 0 has to have a text 'role'"),
        ({"messages": [ASKED, {**ANSWERED, "content": 4}]}, "message 1 has to have text 'content'"),
        ({"messages": [ASKED, {**ANSWERED, "content": [4]}]}, "message 1"),
        ({"messages": [ASKED, {**ANSWERED, "content": [{"type": "text"}]}]}, "message 1"),
        ({"id": 1.5}, "column 'id'"),
        ({"id": True}, "column 'id'"),
        ({"task": 3}, "column 'task'"),
        ({"ground_truth": math.inf}, "column 'ground_truth'"),
        ({"ground_truth": {"value": [1, 10**400]}}, "column 'ground_truth.value.1'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError, match=r"log\.jsonl, line 1: .*") as caught:
        list(read_transcripts(log(tmp_path, **change)))
    assert named in str(caught.value)
