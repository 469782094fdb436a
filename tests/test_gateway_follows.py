"""JSON is checked against the schema that a client asked for."""

import random
from typing import Any

import jsonschema
import pytest

from grammars import Texts
from gtalign.chain.json_rules import json_rules
from gtalign.errors import SteeringError
from gtalign.gateway.answers.follows import check_follows, read_json
from test_chain_json_rules import SCHEMAS, VALUES

MORE: Any = {
    "items in a list": {"type": "array", "items": [{"type": "integer"}], "additionalItems": False},
    "tenths": {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.1},
    "classes": {"type": "string", "pattern": r"^\d+(?=[a-z])\w$", "maxLength": 9},
    "keys": {"type": "object", "patternProperties": {"^a": {"type": "integer"}}},
    "another draft": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"a": {"type": "integer", "exclusiveMinimum": 2, "maximum": 9}},
        "$ref": "#/definitions/a",
    },
}


def follows(value: Any, schema: Any) -> bool:
    try:
        check_follows(value, schema)
    except SteeringError:
        return False
    return True


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_value_is_judged_as_others_judge_it(schema: Any) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    assert [follows(one, schema) for one in VALUES] == [validator.is_valid(one) for one in VALUES]


@pytest.mark.parametrize("schema", (SCHEMAS | MORE).values(), ids=SCHEMAS | MORE)
def test_what_a_grammar_writes_follows_its_schema(schema: Any) -> None:
    texts, draw = Texts(json_rules(schema)), random.Random(0)
    for _ in range(40):
        check_follows(read_json(texts.draw("json", draw)), schema)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("items in a list", [1, 2]),
        ("items in a list", ["1"]),
        ("tenths", 0.35),
        ("tenths", 2),
        ("classes", "12"),
        ("keys", {"a": "x"}),
        ("another draft", 2),
    ],
)
def test_and_what_does_not_is_found(name: str, value: Any) -> None:
    with pytest.raises(SteeringError, match="breaks"):
        check_follows(value, MORE[name])


@pytest.mark.parametrize("text", ["{", "NaN", '{"a": Infinity}', "[" * 100_000, ""])
def test_a_text_that_is_no_json(text: str) -> None:
    with pytest.raises(SteeringError, match="no JSON"):
        read_json(text)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


TWOFOLD: Any = {"type": "array", "items": {"$ref": "#"}}
HOSTILE: Any = [
    ({"anyOf": [TWOFOLD, TWOFOLD]}, nested(60)),
    (TWOFOLD, nested(5000)),
    ({"type": "string", "pattern": "^(a+)+$"}, "a" * 5000 + "!"),
    ({"type": "object", "patternProperties": {"^(a|aa)+$": {}}}, {"a" * 5000 + "!": 1}),
    ({"type": "array", "items": {"enum": list(range(2000))}}, [-1] * 20_000),
    ({"type": "array", "items": {"enum": [1]}, "uniqueItems": True}, [[i] for i in range(20_000)]),
]


@pytest.mark.parametrize(("schema", "value"), HOSTILE)
def test_no_schema_and_no_answer_takes_long(schema: Any, value: Any) -> None:
    """Each of them would else take minutes or for ever."""
    assert follows(value, schema) == ("patternProperties" in schema)


def test_the_message_holds_nothing_of_the_text() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "null"}}}}
    with pytest.raises(SteeringError) as caught:
        check_follows({"a": [None, "my secret"]}, schema)
    assert str(caught.value) == "the model wrote JSON that breaks 'type' at $.a[1]"
