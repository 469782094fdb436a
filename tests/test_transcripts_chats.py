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
        *(
            (answer, "<think>\nHm.\n</think>\n\n4", "Hm.")
            for answer in (
                # Gemini
                {
                    "parts": [
                        {"text": "Hm.", "thought": True},
                        {"text": "4", "thoughtSignature": "s"},
                    ]
                },
                {"content": {"parts": [{"text": "Hm.", "thought": True}, {"text": "4"}]}},
                # Anthropic
                {
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "text", "text": "4"},
                    ]
                },
                # Mistral
                {
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                        {"type": "text", "text": "4"},
                    ]
                },
                # Bedrock
                {
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
                        {"reasoningContent": {"redactedContent": "x"}},
                        {"text": "4"},
                    ]
                },
                # OpenAI's Responses, and Inspect
                {
                    "content": [
                        {
                            "type": "reasoning",
                            "summary": [{"type": "summary_text", "text": "Hm."}],
                            "encrypted_content": "x",
                        },
                        {"type": "output_text", "text": "4"},
                    ]
                },
                {
                    "content": [
                        {"type": "reasoning", "reasoning": "x", "redacted": True, "summary": "Hm."},
                        {"type": "text", "text": "4"},
                    ]
                },
                # LangChain, LiteLLM, and a server's own
                {"content": "4", "additional_kwargs": {"reasoning_content": "Hm."}},
                {"content": "4", "thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]},
                {"content": "4", "reasoning": {"content": "Hm."}},
                {"content": "4", "reasoning_content": None, "reasoning": "Hm."},
            )
        ),
        ({"content": "4", "reasoning": {"effort": "high"}, "thinking": True}, "4", ""),
        ({"content": [{"inlineData": {"data": "x"}}, {"text": "4"}]}, "4", ""),
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


SUMMARY = [{"type": "summary_text", "text": "Hm."}]
CALLED = {"type": "function_call", "name": "find", "arguments": "{}", "call_id": "c"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "4"}
MESSAGE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Four."}],
}
THOUGHT = {"type": "reasoning", "id": "r", "summary": SUMMARY}


def test_the_items_of_responses_are_turns(tmp_path: Path) -> None:
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, THOUGHT, MESSAGE]))
    assert (found.completion, found.reasoning) == ("<think>\nHm.\n</think>\n\nFour.", "Hm.")
    items = [ASKED, THOUGHT, CALLED, RESULT, THOUGHT, MESSAGE]
    (found,) = read_transcripts(log(tmp_path, messages=items))
    assert [turn["role"] for turn in found.prompt] == ["user", "assistant", "tool"]
    assert (found.prompt[2]["content"], found.reasoning) == ("4", "Hm.")
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, MESSAGE, CALLED]))
    assert (found.completion, found.unanswered) == ("Four.", None)
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, THOUGHT, CALLED]))
    assert found.unanswered == "no response: the answer only calls a tool"
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, THOUGHT]))
    assert found.unanswered == "no response: reasoning is all there is"


@pytest.mark.parametrize(
    "part",
    [
        {"functionCall": {"name": "find", "args": {}}},
        {"toolUse": {"toolUseId": "t", "name": "find", "input": {}}},
        {"type": "tool-call", "toolName": "find", "input": {}},
    ],
)
def test_a_call_in_a_part_is_no_answer(tmp_path: Path, part: dict[str, Any]) -> None:
    answer = {"role": "assistant", "content": [part]}
    (found,) = read_transcripts(log(tmp_path, messages=[ASKED, answer]))
    assert found.completion == '<tool_call>\n{"name": "find", "arguments": {}}\n</tool_call>'


def langchain(kind: str, content: str) -> dict[str, Any]:
    names = ["langchain", "schema", "messages", kind]
    return {"lc": 1, "type": "constructor", "id": names, "kwargs": {"content": content}}


@pytest.mark.parametrize(
    ("column", "messages"),
    [
        (
            "messages",
            [{"role": "human", "content": "2+2?"}, {"role": "ai", "content": "Four."}],
        ),
        (
            "messages",
            [{"role": "USER", "content": "2+2?"}, {"role": "CHATBOT", "content": "Four."}],
        ),
        (
            "messages",
            [{"type": "human", "content": "2+2?"}, {"type": "ai", "content": "Four."}],
        ),
        (
            "messages",
            [
                {"type": "human", "data": {"content": "2+2?"}},
                {"type": "ai", "data": {"content": "Four."}},
            ],
        ),
        ("messages", [langchain("HumanMessage", "2+2?"), langchain("AIMessage", "Four.")]),
        ("messages", [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "Four."}]),
        ("conversations", [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "Four."}]),
        ("conversation", [ASKED, ANSWERED]),
    ],
)
def test_every_name_of_a_role_is_read(tmp_path: Path, column: str, messages: list[Any]) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(json.dumps({column: messages}) + "\n", encoding="utf-8")
    (found,) = read_transcripts(file)
    assert (found.prompt, found.completion) == ((ASKED,), "Four.")
    dump = {"input": messages[:1], "output": "Four.", "gts": "4", "score": 1.0}
    file.write_text(json.dumps(dump) + "\n", encoding="utf-8")
    (found,) = read_transcripts(file)
    assert found.prompt == (ASKED,)


@pytest.mark.parametrize(
    ("output", "plain"),
    [("<thinking>Hm.</thinking>Four.", True), ("<thinking>Hm.</thinking><payoff>{}", False)],
)
def test_a_dump_may_hold_reasoning_in_front_of_an_answer(
    tmp_path: Path, output: str, plain: bool
) -> None:
    file = tmp_path / "dump.jsonl"
    record = {"input": [ASKED], "output": output, "gts": "4", "score": 1.0}
    file.write_text(json.dumps(record) + "\n", encoding="utf-8")
    (found,) = read_transcripts(file)
    assert found.plain is plain
    assert found.reasoning == ("Hm." if plain else "")


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
        ({"messages": [{"type": "picture"}, ANSWERED]}, "message 0 has to have a text 'role'"),
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
