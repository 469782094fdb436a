"""JSON that follows a schema, as a grammar: read by an engine, and checked by a validator."""

import json
import random
from typing import Any

import jsonschema
import pytest
import xgrammar

from grammars import accepts
from gtalign.chain import TAGS, ebnf, parse
from gtalign.chain.json_rules import json_rules
from gtalign.errors import DataError

NODE: Any = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
    "required": ["value"],
}
SCHEMAS: Any = {
    "plain": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    "optional": {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in "abcd"},
        "required": ["b", "c"],
        "additionalProperties": False,
    },
    "all optional": {"type": "object", "properties": {n: {"type": "null"} for n in "ab"}},
    "no properties": {"type": "object", "additionalProperties": False},
    "any object": {"type": "object"},
    "mapping": {"type": "object", "additionalProperties": {"type": "number"}},
    "array": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    "two or more": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
    "empty array": {"type": "array", "maxItems": 0},
    "any array": {"type": "array"},
    "enum": {"enum": ["a", 'ü"\\', 3, None, "</response>"]},
    "const": {"const": "only"},
    "short": {"type": "string", "minLength": 2, "maxLength": 4},
    "types": {"type": ["string", "null", "array"], "maxItems": 1, "title": "T"},
    "any of": {"anyOf": [{"type": "integer"}, {"type": "object", "properties": {}}]},
    "recursive": {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
    "everything": {},
}
VALUES: Any = [
    *({}, [], "", "a", "abcd", "abcde", "only", 0, -3, 1.5, 1e300, True, False, None, [True]),
    *([True, False], [1], [[]], [True] * 3, [True] * 4, {"a": "x"}, {"a": 1}, {"b": 1, "c": 2}),
    *({"a": 1, "b": 2, "c": 3, "d": 4}, {"b": 1, "c": 2, "d": 3}, {"a": 1, "c": 2}, {"b": 1}),
    *({"a": None}, {"b": None}, {"a": None, "b": None}, {"x": 1.5}, {"x": "y"}, {"x": [1]}),
    *({"value": 1}, {"value": 1, "next": {"value": 2}}, {"next": {"value": 2}}, {"value": "1"}),
    *('ü"\\', 3, "</response>", "\u2028\n\t", {"value": 1, "next": {"value": 2, "next": {}}}),
]


def grammar(rules: dict[str, str]) -> xgrammar.Grammar:
    text = "".join(f"{name} ::= {body}\n" for name, body in rules.items())
    return xgrammar.Grammar.from_ebnf(text, root_rule_name="json")


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_what_is_accepted_follows_the_schema(schema: Any) -> None:
    read, validator = grammar(json_rules(schema)), jsonschema.Draft202012Validator(schema)
    accepted = [v for v in VALUES if accepts(read, written(v))]
    for value in accepted:
        validator.validate(value)
    assert accepted
    closed = {  # a schema may allow properties that it does not name; a grammar writes none
        "plain",
        "all optional",
        "any of",
        "recursive",
    }
    if not any(SCHEMAS[name] is schema for name in closed):
        right = [value for value in VALUES if validator.is_valid(value)]
        assert [json.dumps(v) for v in accepted] == [json.dumps(v) for v in right]


def test_properties_may_be_missing_one_by_one() -> None:
    for seed in range(20):
        draw = random.Random(seed)
        names = "abcde"[: draw.randint(1, 5)]
        required = [name for name in names if draw.random() < 0.5]
        properties = {name: {"type": "integer"} for name in names}
        schema = {"type": "object", "properties": properties, "required": required}
        read = grammar(json_rules(schema))
        for bits in range(1 << len(names)):
            given = [name for at, name in enumerate(names) if bits >> at & 1]
            text = json.dumps(dict.fromkeys(given, 1))
            assert accepts(read, text) == (set(required) <= set(given)), text


def test_spacing_is_free_and_tags_are_not() -> None:
    read = grammar(json_rules({"type": "object"}))
    value = {"a": [1, {"b": None}], "c": "x > y"}
    for indent in (None, 2, 4):
        assert accepts(read, json.dumps(value, indent=indent))
    for tag in TAGS:
        assert not accepts(read, json.dumps({"a": tag}))
    assert not accepts(read, "{} {}")


@pytest.mark.parametrize("part", ["whole", "remainder", "response"])
def test_a_chain_holds_it_in_its_response(part: Any) -> None:
    schema = SCHEMAS["optional"]
    text = ebnf(part=part, content=tuple(json_rules(schema).items()))
    read = xgrammar.Grammar.from_ebnf(text)
    cell = '{"LLM": 1.0, "user": 1.0}'
    cells = ", ".join(
        f'"{name}": {cell}' for name in ("DQ_AQ", "DQ_CQ", "DQ_DA", "VQ_AQ", "VQ_CQ", "VQ_DA")
    )
    begun = {
        "whole": f"<thinking>t</thinking><payoff>{{{cells}}}</payoff><analyze>",
        "remainder": "",
        "response": "",
    }[part]
    before = "" if part == "response" else "so</analyze><response>"
    for value, right in (({"b": 1, "c": 2}, True), ({"b": 1}, False)):
        whole = f"{begun}{before}{json.dumps(value)}</response>"
        assert accepts(read, whole) is right
        if part == "whole" and right:
            assert json.loads(parse(whole).response) == value
    assert not accepts(read, f"{begun}{before}words</response>")


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": "string", "pattern": "a+"}, {"type": "integer", "minimum": 0}, {"type": "x"}),
        *({"type": 5}, {"type": []}, {"type": [5]}, {"type": "object", "properties": []}),
        *({"type": "object", "required": ["a"]}, {"type": "object", "required": [[]]}),
        *({"properties": {"a": {}}}, {"enum": []}, {"enum": "a"}, {"anyOf": []}, {"anyOf": {}}),
        *({"allOf": [{"type": "null"}, {}]}, {"$ref": "#/$defs/x"}, {"$ref": "http://x"}),
        *({"$ref": 5}, {"$ref": "#"}, {"type": "array", "minItems": -1}, {"not": {}}),
        *({"type": "array", "minItems": 3, "maxItems": 2}, {"type": "array", "items": False}),
        *({"type": "string", "maxLength": 10**9}, {"type": "array", "items": [{}]}),
        {"type": "object", "properties": {"a": False}},
        {"type": ["string", "null"], "pattern": "a"},
        {"enum": ["a"], "minLength": 3},
    ],
)
def test_what_no_grammar_says_is_refused(schema: Any) -> None:
    with pytest.raises(DataError):
        json_rules(schema)


def test_a_hostile_schema_is_refused() -> None:
    deep: Any = {"type": "null"}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    wide = {"type": "object", "properties": {str(n): {"type": "null"} for n in range(5000)}}
    for schema in (deep, wide, {"enum": list(range(501))}):
        with pytest.raises(DataError):
            json_rules(schema)
