"""Plain answers without a response: nothing but reasoning, or but calls of tools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import THOUGHTS
from counting import check_linear
from gtalign.chain import action_of, unanswered
from gtalign.chain.answered import CALLS, REASONING, written_calls
from gtalign.chain.reasoning import left_open
from gtalign.game import USER_LLM

CALL = '{"name": "search", "arguments": {"q": "a < b"}}'


@pytest.mark.parametrize(
    "text",
    [
        *(f"{tag}Let me see. Is it 4?" for tag in THOUGHTS if tag[:2] != "[i"),
        *(f"\n{tag}Let me see.{THOUGHTS[tag]}\n" for tag in THOUGHTS if "reflection" not in tag),
        "<reflection>hm",
        "<think></think>",
        "<think>",
        "<think>a</think><think>b",
        "the template opened it, and nothing follows</think> ",
        "<|channel|>analysis<|message|>They want a sum.",
    ],
)
def test_reasoning_alone_is_no_answer(text: str) -> None:
    assert unanswered(text) == REASONING
    assert action_of(text, USER_LLM) is None


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>{CALL}</tool_call>\n\n<tool_call>{CALL}</tool_call>",
        f"<think>I have to look it up.</think>\n<tool_call>{CALL}</tool_call>",
        f"<tool_call>{CALL}",
        f"<function_call>{CALL}</function_call>",
        f"[TOOL_CALLS][{CALL}]",
        "<|python_tag|>search.call(q='x')",
    ],
)
def test_calls_of_tools_alone_are_no_answer(text: str) -> None:
    assert unanswered(text) == CALLS
    assert action_of(text, USER_LLM) is None


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("", None),
        (" \n", None),
        ("Four.", "DA"),
        ("<think>Four?</think>Four.", "DA"),
        ("<think>Four.</think>Which four?", "CQ"),
        (f"Let me look it up. <tool_call>{CALL}</tool_call>", "DA"),
        (f"<tool_call>{CALL}</tool_call> It is four. Is that enough?", "AQ"),
        ("Write `<tool_call>` before it.", "DA"),
        ("`<think>` begins it.", "DA"),
        ("[1] says four.", "DA"),
    ],
)
def test_other_answers_have_a_response_or_say_nothing(text: str, action: str | None) -> None:
    assert unanswered(text) is None
    assert action_of(text, USER_LLM) == action


@given(st.lists(st.sampled_from(["<tool_call>", "</tool_call>", "a", " ", "<think>"])).map("".join))
def test_any_text_is_told(text: str) -> None:
    assert unanswered(text) in (None, CALLS, REASONING)


def test_many_calls_take_linear_work() -> None:
    call = "<tool_call></tool_call>\n"
    assert unanswered(call * 20_000) == CALLS
    check_linear(unanswered, call)


def test_written_calls_are_calls() -> None:
    calls: list[dict[str, object]] = [
        {"name": "search", "arguments": "{}"},
        {"name": None, "arguments": {"é": object()}},
    ]
    calls.append({"name": "write", "arguments": "</tool_call> <think> it"})
    assert unanswered(written_calls(calls)) == CALLS


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("user: 2+2?\nassistant:", ""),
        ("assistant:<think>\n", "<think>\n"),
        ("assistant: [THINK]", "[THINK]"),
        ("assistant:<think>\n\n</think>\n\n", ""),
        ("", ""),
    ],
)
def test_what_a_prompt_leaves_open(prompt: str, opened: str) -> None:
    assert left_open(prompt) == opened
