"""Numbers in a range: every text that a rule writes lies in it, and no plain one is missing."""

import contextlib
import json
import random
import re
from fractions import Fraction
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammars import Texts
from gtalign.chain.json_numbers import number_rule
from gtalign.errors import DataError

BOUNDS: Any = st.one_of(
    st.integers(-30, 30),
    st.integers(-(10**17), 10**17),
    st.floats(-5, 5).map(lambda value: round(value, 2)),
    st.floats(-1e6, 1e6),
    st.sampled_from([1e300, -1e300, 1e-300, 2**53 - 1, 0.1, 0.30000000000000004, 1e15, -0.0]),
)
SCHEMAS: Any = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), BOUNDS),
        "multipleOf": st.sampled_from([1, 2, 5, 7, 10, 25, 60, 1000, 0.01, 0.1, 0.5, 2.5]),
    },
)


def matches(rule: str, text: str) -> bool:
    """Whether a rule for numbers describes a text; its form is nearly that of an expression."""
    known = re.sub(r'"([^"]*)"', lambda literal: re.escape(literal[1]), rule)
    return re.fullmatch(known.replace(" ", ""), text) is not None


def follows(text: str, schema: Any) -> bool:
    """Whether a number follows a schema: as a float, and exactly if it has to be a multiple."""
    bounds = {word: value for word, value in schema.items() if word != "multipleOf"}
    step = Fraction(repr(schema.get("multipleOf", 0)))
    whole = not step or (Fraction(text) / step).denominator == 1
    return whole and bool(jsonschema.Draft202012Validator(bounds).is_valid(json.loads(text)))


@given(SCHEMAS, st.booleans(), st.integers(0, 1000))
def test_every_number_follows_the_schema(schema: Any, whole: bool, seed: int) -> None:
    try:
        rule = number_rule(schema, whole=whole)
    except DataError:
        return
    texts, draw = Texts({"n": rule}), random.Random(seed)
    for _ in range(20):
        text = texts.draw("n", draw)
        assert follows(text, schema), text
        assert matches(rule, text)
        assert not whole or "." not in text


@given(SCHEMAS, st.booleans(), st.data())
def test_plain_numbers_are_there(schema: Any, whole: bool, data: Any) -> None:
    schema = {word: value for word, value in schema.items() if abs(value) < 1e6 and value != 1e-300}
    near = [0, *(value for word, value in schema.items() if word != "multipleOf")]
    value = Fraction(repr(data.draw(st.sampled_from(near)))) + data.draw(st.integers(-99, 99))
    places = 0 if whole else data.draw(st.integers(0, 4))
    text = f"{round(value * 10**places) / 10**places:.{places}f}"
    if places and "multipleOf" in schema:
        text = text.rstrip("0").rstrip(".")
    if text.strip("-.0") == "" or not follows(text, schema):
        return
    try:
        assert matches(number_rule(schema, whole=whole), text)
    except DataError as error:
        assert "multiples" in str(error)


@pytest.mark.parametrize(
    ("schema", "whole", "rule"),
    [
        ({"minimum": 0, "maximum": 10}, True, '[0-9] | "1" "0"'),
        ({"exclusiveMinimum": 0}, True, "[1-9] | [1-9] [0-9]{1,15}"),
        ({"minimum": 0.5, "maximum": 3.5}, True, "[1-3]"),
        ({"exclusiveMaximum": 0, "minimum": -3}, True, '"-" [1-3]'),
        ({"maximum": 0, "minimum": -3}, True, '"0" | "-" [0-3]'),
        ({"minimum": 1, "exclusiveMinimum": True, "maximum": 3}, True, "[2-3]"),
        ({"minimum": 1, "exclusiveMinimum": False, "maximum": 3}, True, "[1-3]"),
        ({"minimum": 0, "maximum": 1, "multipleOf": 0.5}, False, '"0" | "0.5" | "1"'),
        ({"multipleOf": 100}, True, '"-"? ("0" | ([1-9] | [1-9] [0-9]{1,13}) "00")'),
        ({"minimum": -5, "maximum": 5}, True, '"-"? [0-5]'),
    ],
)
def test_rules_are_short(schema: Any, whole: bool, rule: str) -> None:
    assert number_rule(schema, whole=whole) == rule


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        *(({"minimum": 3, "maximum": 2}, "range"), ({"minimum": 1e300}, "range")),
        *(({"exclusiveMinimum": 1, "maximum": 1}, "range"), ({"minimum": float("nan")}, "minimum")),
        *(({"maximum": float("inf")}, "maximum"), ({"minimum": "0"}, "minimum")),
        *(({"minimum": True}, "minimum"), ({"multipleOf": 0}, "more than 0")),
        *(({"multipleOf": 7}, "500 multiples"), ({"multipleOf": 0.3}, "multiples")),
        *(({"multipleOf": 3 * 10**5000, "minimum": 1}, "range"), ({"minimum": None}, "minimum")),
        ({"minimum": 1, "maximum": 4, "multipleOf": 5}, "range"),
    ],
)
def test_what_no_number_follows_is_refused(schema: Any, what: str) -> None:
    with pytest.raises(DataError, match=what):
        number_rule(schema, whole=False)


def test_huge_bounds_are_no_trouble() -> None:
    for bound in (10**5000, 1e308, -(10**5000), 5e-324):
        for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            for whole in (True, False):
                with contextlib.suppress(DataError):
                    assert len(number_rule({word: bound}, whole=whole)) < 2000
