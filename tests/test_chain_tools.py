"""The grammar of a response that may call tools, and what a model is told of them."""

import json
from typing import Any

import pytest
import xgrammar
from xgrammar.testing import _is_grammar_accept_string

from gtalign.chain import TAGS, Tool, Tools, ebnf, gbnf
from gtalign.chain.tools import CALL_CLOSES, CALL_OPENS, tool_prompt, tool_rules
from gtalign.errors import DataError

PLACE: Any = {
    "type": "object",
    "properties": {"place": {"$ref": "#/$defs/place"}, "days": {"type": "integer"}},
    "required": ["place"],
    "$defs": {"place": {"enum": ["Rome", "Zürich"]}},
}
SIZE: Any = {
    "type": "object",
    "properties": {"place": {"$ref": "#/$defs/place"}},
    "required": ["place"],
    "$defs": {"place": {"type": "number"}},
}
FORECAST = Tool("forecast", "The weather of some days.", PLACE)
ALL = (FORECAST, Tool("resize", "", SIZE), Tool("now", "The time."))
NAMES = tuple(tool.name for tool in ALL)


def call(name: str, arguments: Any) -> str:
    said = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"{CALL_OPENS}{said}{CALL_CLOSES}"


ROME = call("forecast", {"place": "Rome", "days": 3})
NOW = call("now", {})
WRONG = (
    call("forecast", {"place": "Paris"}),
    call("forecast", {"days": 3}),
    call("forecast", {"place": 1.5}),  # as the other tool's definition of the same name says
    call("resize", {"place": "Rome"}),
    call("now", {"a": 1}),
    call("later", {}),
    f"{CALL_OPENS}now{CALL_CLOSES}",
    f"{CALL_OPENS}{CALL_CLOSES}",
    CALL_OPENS,
    CALL_CLOSES,
    ROME.removesuffix(CALL_CLOSES),
)


def accepts(tools: Tools, response: str, schema: Any = None) -> bool:
    content = tuple(tool_rules(tools, schema).items())
    read = xgrammar.Grammar.from_ebnf(ebnf(part="response", content=content))
    return bool(_is_grammar_accept_string(read, f"{response}</response>"))


@pytest.mark.parametrize(
    "response",
    [
        *("No tool helps.", "1 < 2 <b>x</b> <tool_", "a </tool b", "<", ROME, NOW, f"\n{ROME}\n"),
        *(f"I look. {ROME}", f"x <tool_call{ROME}", f"{ROME}\n{NOW}{ROME}"),
        call("resize", {"place": 2.5}),
        ROME.replace('{"name', '\n{"name').replace("}}<", "}}\n<"),
    ],
)
def test_words_and_calls_of_the_declared_tools_are_accepted(response: str) -> None:
    assert accepts(Tools(ALL, NAMES), response)


@pytest.mark.parametrize("response", [*WRONG, *TAGS, f"{ROME} and so", ""])
def test_nothing_else_is(response: str) -> None:
    assert not accepts(Tools(ALL, NAMES), response)
    assert not accepts(Tools(ALL, NAMES), f"I look. {response}" if response else " ")


def test_a_choice_narrows_it() -> None:
    both = f"{ROME}{NOW}"
    must = Tools(ALL, NAMES, required=True)
    assert accepts(must, ROME) and accepts(must, both) and not accepts(must, "words")
    one = Tools(ALL, NAMES, several=False)
    assert accepts(one, ROME) and accepts(one, "words") and not accepts(one, both)
    named = Tools(ALL, ("now",), required=True, several=False)
    assert accepts(named, NOW) and not accepts(named, ROME) and not accepts(named, NOW + NOW)
    schema = {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}
    form = Tools(ALL, NAMES)
    assert accepts(form, '{"a": null}', schema) and accepts(form, ROME, schema)
    assert not accepts(form, "words", schema)


@pytest.mark.parametrize(("most", "several"), [(1, True), (3, True), (3, False), (16, True)])
def test_calls_have_a_limit(most: int, several: bool) -> None:
    tools = Tools(ALL, NAMES, several=several)
    read = xgrammar.Grammar.from_ebnf(
        ebnf(part="response", content=tuple(tool_rules(tools, most=most).items()))
    )
    most = most if several else 1
    assert _is_grammar_accept_string(read, NOW * most + "</response>")
    assert _is_grammar_accept_string(read, f"I look. {NOW * most}</response>")
    assert not _is_grammar_accept_string(read, NOW * (most + 1) + "</response>")


def test_both_languages_of_grammars_say_the_same_and_words_alone_say_what_they_did() -> None:
    content = tuple(tool_rules(Tools(ALL, NAMES)).items())
    assert gbnf(content=content) == ebnf(content=content)
    read = xgrammar.Grammar.from_ebnf(ebnf(part="response"))
    assert _is_grammar_accept_string(read, f"As in {ROME}.")


@pytest.mark.parametrize(
    "schema", [{"type": "object", "minProperties": 2}, {"type": "object", "properties": {"a": 3}}]
)
def test_a_tool_that_no_grammar_describes_is_named(schema: Any) -> None:
    tools = (*ALL, Tool("odd", "", schema))
    with pytest.raises(DataError, match="'odd'"):
        tool_rules(Tools(tools, (*NAMES, "odd")))
    assert tool_rules(Tools(tools, NAMES))  # it is never called


def test_so_many_rules_are_too_many() -> None:
    large = {"type": "object", "properties": {f"p{n}": {"type": "array"} for n in range(300)}}
    tools = tuple(Tool(f"f{n}", "", large) for n in range(8))
    with pytest.raises(DataError, match="4000 rules"):
        tool_rules(Tools(tools, tuple(tool.name for tool in tools)))


def test_a_name_may_be_any_text() -> None:
    odd = 'a"b\\<c>{{tools}}'
    said = call(odd, {}).replace("<c", "\\u003c" + "c")
    assert accepts(Tools((Tool(odd),), (odd,)), said)
    assert json.dumps(odd) in tool_prompt(Tools((Tool(odd, "{{form}}"),), (odd,)))


def test_a_model_is_told_of_its_tools() -> None:
    told = tool_prompt(Tools(ALL, NAMES))
    assert [json.loads(line)["name"] for line in told.splitlines() if line[0] == "{"] == [*NAMES]
    assert "Zürich" in told and CALL_OPENS in told and "answer in words" in told
    few = tool_prompt(Tools(ALL, ("now",), required=True, several=False))
    assert "no other tool than now" in few and "no words" in few and "one call" in few
