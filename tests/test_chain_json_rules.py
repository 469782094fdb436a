"""JSON that follows a schema, as a grammar: read by an engine, and checked by a validator."""

import datetime
import decimal
import json
import random
import uuid
from fractions import Fraction
from typing import Annotated, Any, Literal

import jsonschema
import pytest
import xgrammar
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, conint

from grammars import Texts, accepts
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
    "noted": {"title": "Any", "example": 3, "x-units": "m"},
    "range": {"type": "integer", "minimum": -3, "maximum": 3},
    "real range": {"type": "number", "exclusiveMinimum": 0, "maximum": 3, "format": "double"},
    "pattern": {"type": "string", "pattern": "^a[bc]*d?$", "maxLength": 3},
    "anywhere": {"type": "string", "pattern": "b"},
    "patterns": {"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "d$"}]},
    "formats": {"type": "string", "anyOf": [{"format": "date"}, {"format": "ipv4"}]},
    "long": {"type": "string", "minLength": 1, "maxLength": 2083, "format": "uri"},
    "no type": {"minLength": 1, "maxLength": 4},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}], "items": False, "minItems": 1},
    "rest": {"type": "array", "prefixItems": [{"type": "boolean"}], "items": {"type": "boolean"}},
    "set": {"type": "array", "items": {"enum": [1, True, "b"]}, "uniqueItems": True, "minItems": 1},
    "one at most": {
        "type": "array",
        "items": {"type": "integer"},
        "uniqueItems": True,
        "maxItems": 1,
    },
    "named pairs": {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "required": ["b"]},
    "few pairs": {"type": "object", "minProperties": 1, "maxProperties": 2},
    "names": {"type": "object", "propertyNames": {"maxLength": 1, "pattern": "[a-c]"}},
    "pattern of names": {"type": "object", "patternProperties": {"^[bc]$": {"type": "integer"}}},
    "counted": {"type": "object", "properties": {n: {} for n in "abc"}, "minProperties": 2},
    "merged": {
        "type": "object",
        "allOf": [NODE, {"properties": {"next": {"$ref": "#/$defs/node"}}}],
    },
    "beside": {"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["b"]}]},
    "one of": {
        "oneOf": [{"type": "string", "maxLength": 2}, {"enum": [3, True]}, {"type": "null"}]
    },
    "enum of a type": {"enum": ["a", 3, 1.5, True], "type": ["integer", "boolean"]},
}
SCHEMAS["merged"]["$defs"] = SCHEMAS["recursive"]["$defs"]
VALUES: Any = [
    *({}, [], "", "a", "abcd", "abcde", "only", 0, -3, 1.5, 1e300, True, False, None, [True]),
    *([True, False], [1], [[]], [True] * 3, [True] * 4, {"a": "x"}, {"a": 1}, {"b": 1, "c": 2}),
    *({"a": 1, "b": 2, "c": 3, "d": 4}, {"b": 1, "c": 2, "d": 3}, {"a": 1, "c": 2}, {"b": 1}),
    *({"a": None}, {"b": None}, {"a": None, "b": None}, {"x": 1.5}, {"x": "y"}, {"x": [1]}),
    *({"value": 1}, {"value": 1, "next": {"value": 2}}, {"next": {"value": 2}}, {"value": "1"}),
    *([3], [True, "b"], [1, True], ["b", 1], "abc", "acd", "ad", "bd", "2024-02-29", "10.0.0.1"),
    *(
        "2023-02-30",
        2.75,
        3.5,
        1e-9,
        -4,
        "x" * 2083,
        "x" * 2084,
        {"b": 1, "a": 2},
        {"a": 1, "b": None},
    ),
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
        *("pattern of names", "counted", "merged", "beside", "formats"),
        *("set", "real range", "few pairs", "names", "no type", "named pairs"),
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
    ("schema", "place"),
    [
        *(({"type": "x"}, "schema"), ({"type": 5}, "schema"), ({"type": []}, "schema.type")),
        *(({"type": [5]}, "schema.type"), ({"type": "object", "properties": []}, "schema")),
        *(({"type": "object", "required": [[]]}, "schema"), ({"not": {}}, "schema")),
        *(({"enum": []}, "schema"), ({"enum": "a"}, "schema"), ({"anyOf": []}, "schema.anyOf")),
        *(({"anyOf": {}}, "schema.anyOf"), ({"enum": [float("nan")]}, "JSON cannot write")),
        *(
            ({"enum": ["a"], "type": "integer"}, "schema"),
            ({"enum": ["a"], "minLength": 3}, "schema"),
        ),
        *(
            ({"$ref": "#/$defs/x"}, "schema"),
            ({"$ref": "http://x"}, "schema"),
            ({"$ref": 5}, "schema"),
        ),
        *(({"$ref": "#"}, "schema|#"), ({"type": "array", "minItems": -1}, "schema")),
        *(
            ({"type": "array", "minItems": 3, "maxItems": 2}, "schema"),
            ({"minItems": "1"}, "schema"),
        ),
        *(
            ({"type": "array", "items": False, "minItems": 1}, "schema"),
            ({"minLength": True}, "schema"),
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?<=a)b"}}},
            "schema.a",
        ),
        ({"type": "object", "properties": {"a": {"type": "integer", "minimum": "0"}}}, "schema.a"),
        ({"type": "array", "items": {"minimum": 2, "maximum": 1}}, "schema.items"),
        ({"type": "string", "pattern": "a{4}", "maxLength": 3}, "no text"),
        ({"type": "string", "pattern": 5}, "schema"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "contains": {}}, "contains"),
        ({"type": "object", "minProperties": 2}, "minProperties"),
        ({"type": "object", "patternProperties": {"a": {}, "b": {}}}, "patternProperties"),
        ({"properties": {"a": {}}, "patternProperties": {"a": {}}}, "patternProperties"),
        ({"properties": {"a": {}}, "propertyNames": {"maxLength": 1}}, "propertyNames"),
        ({"properties": {"a": {}}, "maxProperties": 0, "required": ["a"]}, "schema"),
        ({"properties": {"a": False}}, "schema.a"),
        ({"properties": {"a": {}}, "required": ["b"]}, "required"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "schema.oneOf"),
        ({"allOf": [{"type": "integer"}, {"type": "string"}]}, "schema.allOf"),
        ({"allOf": [{"properties": {"a": {}}}, {"additionalProperties": False}]}, "schema.allOf"),
        ({"minLength": 1, "minimum": 1}, "schema"),
        ({"type": "string", "minLength": 20_000}, "minLength"),
    ],
)
def test_what_no_grammar_says_is_refused(schema: Any, place: str) -> None:
    with pytest.raises(DataError, match=place):
        json_rules(schema)


@pytest.mark.parametrize(
    ("one", "other", "right"),
    [
        ({"type": "string"}, {"type": ["null", "array"]}, True),
        ({"type": "integer"}, {"type": "number"}, False),
        ({"const": 1}, {"const": True}, False),
        ({"enum": ["a", "b"]}, {"const": "c"}, True),
        ({"enum": ["a"]}, {"type": "string"}, False),
        ({"properties": {"k": {"const": "a"}}, "required": ["k"]}, {"$ref": "#/$defs/b"}, True),
        ({"properties": {"k": {"const": "a"}}}, {"properties": {"k": {"const": "b"}}}, False),
        ({"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}, False),
        (
            {"properties": {"a": {}}, "required": ["a"]},
            {"properties": {"b": {}}, "required": ["b"]},
            True,
        ),
        ({"type": "object"}, {"properties": {"b": {}}, "required": ["b"]}, False),
        ({}, {"type": "string"}, False),
    ],
)
def test_schemas_that_no_text_follows_both(one: Any, other: Any, right: bool) -> None:
    defs = {"b": {"properties": {"k": {"const": "b"}, "n": {}}, "required": ["k"]}}
    for pair in ([one, other], [other, one]):
        schema = {"oneOf": pair, "$defs": defs}
        if right:
            assert json_rules(schema)
        else:
            with pytest.raises(DataError, match="two of its schemas"):
                json_rules(schema)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    tags: set[Literal["a", "b"]] = Field(min_length=1)


class Everything(BaseModel):
    """What models of clients have in them."""

    score: float = Field(ge=0, le=1)
    price: float = Field(gt=0, multiple_of=0.01)
    count: conint(gt=-5, lt=100, multiple_of=5)  # type: ignore[valid-type]
    code: str = Field(pattern=r"^[A-Z]{2}-\d+$", max_length=9)
    note: str = Field(min_length=1, max_length=1000)
    pair: tuple[int, str]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    day: datetime.date
    at: datetime.time | None
    name: uuid.UUID
    amount: decimal.Decimal
    counts: dict[Annotated[str, Field(pattern="^[a-z]+$")], int]
    shares: dict[Literal["x", "y"], float] = Field(min_length=1)
    extra: Any = None


def exact(value: Any) -> Any:
    """A schema with its numbers as fractions, by which a validator counts exactly."""
    if isinstance(value, dict):
        return {name: exact(one) for name, one in value.items()}
    if isinstance(value, list):
        return list(map(exact, value))
    return Fraction(repr(value)) if isinstance(value, float) else value


def check_texts(schema: Any, count: int, seed: int = 0) -> None:
    """Derive texts from a schema's grammar, and check them with a validator and an engine."""
    rules = json_rules(schema)
    read, texts, draw = grammar(rules), Texts(rules), random.Random(seed)
    validator = jsonschema.Draft202012Validator(exact(schema))
    for _ in range(count):
        text = texts.draw("json", draw)
        assert "<" not in text
        validator.validate(json.loads(text, parse_float=Fraction))
        assert accepts(read, text), text


def test_models_of_clients_are_followed() -> None:
    schema = Everything.model_json_schema()
    check_texts(schema, 40)
    rules = json_rules(schema)
    texts, draw = Texts(rules), random.Random(1)
    for _ in range(20):
        text = texts.draw("json", draw)
        if "e" not in text.split('"extra"')[0].split('"amount"')[1].split(",")[0]:
            Everything.model_validate_json(text)


LEAVES: Any = st.one_of(
    st.sampled_from(
        [{"type": "null"}, {"type": "boolean"}, {"enum": ["a", 1, None]}, {"const": 3}]
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            **dict.fromkeys(("minimum", "exclusiveMinimum"), st.integers(-200, 20) | st.just(-0.5)),
            **dict.fromkeys(("maximum", "exclusiveMaximum"), st.integers(21, 3000) | st.just(99.5)),
            "multipleOf": st.sampled_from([1, 2, 10, 0.5, 0.01]),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "pattern": st.sampled_from(
                ["^[a-z]+$", r"\d", "^x", r"^\w*\s?$", '"', "^[^a-f]*$", "<"]
            ),
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(3, 600),
            "format": st.sampled_from(["date", "uuid", "what"]),
        },
    ),
)


def _larger(inner: Any) -> Any:
    limits = {"minItems": st.integers(0, 2), "maxItems": st.integers(2, 600)}
    return st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional=limits),
        st.fixed_dictionaries(
            {"type": st.just("array"), "prefixItems": st.lists(inner, min_size=1, max_size=3)},
            optional={"items": inner | st.just(False), "minItems": st.integers(0, 1)},
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from("abc"), inner),
            },
            optional={"minProperties": st.integers(0, 1), "maxProperties": st.integers(1, 2)},
        ),
        st.fixed_dictionaries(
            {"type": st.just("object"), "additionalProperties": inner},
            optional={
                "propertyNames": st.just({"pattern": "^[a-z]*$"}),
                "maxProperties": st.just(2),
            },
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": st.just({"enum": [3, "a", None]})},
            optional={"uniqueItems": st.just(True), **limits},
        ),
    )


@given(st.recursive(LEAVES, _larger, max_leaves=6), st.integers(0, 1000))
def test_every_text_follows_its_schema(schema: Any, seed: int) -> None:
    try:
        json_rules(schema)
    except DataError as error:
        assert str(error).startswith("schema")
        return
    check_texts(schema, 4, seed)


def test_a_hostile_schema_is_refused() -> None:
    deep: Any = {"type": "null"}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    wide = {"type": "object", "properties": {str(n): {"type": "null"} for n in range(5000)}}
    slow = "^" + "(?=.*a" * 20 + ")" * 20 + "(x{9}|y{8}){9}"
    patterns = [{"type": "string", "pattern": f"{slow}{n}"} for n in range(2000)]
    long = {"type": "string", "pattern": "a" * 10_000_000}
    branches: Any = {"type": "null"}
    for _ in range(30):
        branches = {"type": "array", "prefixItems": [branches, branches]}
    sets = {
        "type": "array",
        "items": {"enum": list(range(2000))},
        "uniqueItems": True,
        "minItems": 900,
    }
    unions = {"oneOf": [{"enum": list(range(n, 2000 + n))} for n in range(0, 2000)]}
    chain = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {}]} for n in range(99)}
    for schema in (
        *(
            deep,
            wide,
            {"enum": list(range(2001))},
            {"anyOf": patterns},
            long,
            branches,
            sets,
            unions,
        ),
        {"$ref": "#/$defs/d0", "$defs": {**chain, "d99": {"type": "null"}}},
    ):
        with pytest.raises(DataError):
            json_rules(schema)
