"""The words and the calls of a response, wherever its slices are cut."""

import json
import random

import pytest

from gtalign.chain import Tool, Tools
from gtalign.errors import SteeringError
from gtalign.steering import Call, CallReader

TOOLS = Tools((Tool("f"), Tool("g")), ("f", "g"))
F = '<tool_call>\n{"name": "f", "arguments": {"a": "x > y", "b": [1, {"ü": null}]}}\n</tool_call>'
G = '<tool_call>{"arguments": {}, "name": "g"}</tool_call>'
CALLS = [Call("f", '{"a": "x > y", "b": [1, {"ü": null}]}'), Call("g", "{}")]


def read(
    text: str, size: int = 0, *, cut: bool = False, tools: Tools = TOOLS
) -> tuple[str, list[Call]]:
    reader, draw = CallReader(tools), random.Random(size)
    parts: list[str | Call] = []
    while text:
        length = draw.randint(1, size) if size else len(text)
        parts += reader.feed(text[:length])
        text = text[length:]
    parts += reader.close(cut=cut)
    assert "" not in parts
    words = "".join(part for part in parts if isinstance(part, str))
    return words, [part for part in parts if isinstance(part, Call)]


@pytest.mark.parametrize("size", [0, 1, 3, 12, 40])
@pytest.mark.parametrize(
    ("text", "words", "calls"),
    [
        ("Only words.", "Only words.", []),
        ("1 < 2 <tool <tool_cal", "1 < 2 <tool <tool_cal", []),
        (" two  lines\n\nof them \n", " two  lines\n\nof them \n", []),
        (F, "", CALLS[:1]),
        (f"\n{F}\n{G}\n", "", CALLS),
        (f"I look.\n{G}", "I look.", CALLS[1:]),
        (f"{F} and {G} so", " and so", CALLS),
    ],
)
def test_what_is_read(size: int, text: str, words: str, calls: list[Call]) -> None:
    assert read(text, size) == (words, calls)
    for one in calls:
        assert isinstance(json.loads(one.arguments), dict)


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "h", "arguments": {}}</tool_call>',
        '<tool_call>{"name": ["f"], "arguments": {}}</tool_call>',
        '<tool_call>{"name": "f", "arguments": "{}"}</tool_call>',
        '<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>',
        '<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>',
        '<tool_call>{"name": "f"}</tool_call>',
        "<tool_call>[]</tool_call>",
        "<tool_call></tool_call>",
        f"<tool_call>{'[' * 100_000}</tool_call>",
        F.removesuffix("</tool_call>"),
        "Words <tool_call>",
    ],
)
def test_what_is_no_call_is_an_error(text: str) -> None:
    with pytest.raises(SteeringError, match="no call of a tool"):
        read(text, 7 if len(text) < 1000 else 0)


def test_a_call_that_was_cut_off_is_none() -> None:
    assert read(f"{G}{F[:-9]}", cut=True) == ("", CALLS[1:])
    assert read("I look. <tool_c", cut=True) == ("I look.", [])


REQUIRED = Tools(TOOLS.all, TOOLS.names, required=True)
ALONE = Tools(TOOLS.all, TOOLS.names, several=False)


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize(
    ("tools", "text"),
    [
        (REQUIRED, "Only words."),
        (REQUIRED, ""),
        (REQUIRED, " \n"),
        (REQUIRED, "?"),
        (REQUIRED, "<tool"),
        (REQUIRED, f"I look. {G}"),
        (REQUIRED, f"{G} so"),
        (REQUIRED, G * 17),
        (TOOLS, G * 17),
        (ALONE, f"{G}{F}"),
        (ALONE, f"words {G} {F}"),
    ],
)
def test_what_its_grammar_rules_out_is_an_error(tools: Tools, text: str, size: int) -> None:
    with pytest.raises(SteeringError):
        read(text, size, tools=tools)


def test_what_it_allows_is_none() -> None:
    assert read(f" {G}\n{F} ", 3, tools=REQUIRED) == ("", CALLS[::-1])
    assert read(G * 16, 9, tools=TOOLS) == ("", CALLS[1:] * 16)
    assert read(f"words {G}", 3, tools=ALONE) == ("words", CALLS[1:])
    for begun in ("", "<tool_c", F[:30]):
        assert read(begun, 3, tools=REQUIRED, cut=True) == ("", [])
