"""The one writer of JSON: any text in any form, and numbers that other programs can read."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.files import to_json, write_json
from gtalign.files.json_text import Form

FORMS: tuple[Form, ...] = ("line", "readable", "compact")
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # JSON reads these two as one character
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8).filter(
    lambda text: not PAIR.search(text)  # lone surrogates alone
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def strictly(text: bytes) -> Any:
    """Read JSON as other programs do: in UTF-8, without NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text.decode("utf-8"), parse_constant=refuse)


@given(VALUES, st.sampled_from(FORMS))
def test_a_value_is_read_back_from_every_form(value: Any, form: Form) -> None:
    for portable in (False, True):
        text = to_json(value, form, portable=portable)
        assert json.loads(text.decode("utf-8")) == value
        assert text.endswith(b"\n") == (form != "compact")
        assert form != "line" or text.count(b"\n") == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_null_stands_for_a_number_that_json_lacks(form: Form, number: float) -> None:
    value = {"a": number, "b": [1.5, (number, "x")], "c": {"d": {"e": number}}, "f": 0.0}
    wanted = {"a": None, "b": [1.5, [None, "x"]], "c": {"d": {"e": None}}, "f": 0.0}
    assert strictly(to_json(value, form, portable=True)) == wanted
    kept = json.loads(to_json(value, form))["c"]["d"]["e"]
    assert kept == number or (math.isnan(number) and math.isnan(kept))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("line", b'{"a": [1, "\xc3\xa9\\ud800"], "b": null}\n'),
        ("compact", b'{"a":[1,"\xc3\xa9\\ud800"],"b":null}'),
        ("readable", b'{\n  "a": [\n    1,\n    "\xc3\xa9\\ud800"\n  ],\n  "b": null\n}\n'),
    ],
)
def test_the_forms(form: Form, text: bytes) -> None:
    assert to_json({"a": [1, "é\ud800"], "b": None}, form) == text


def test_a_file_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"\udfff": "\ud800é"})
    assert (tmp_path / "a.json").read_bytes() == to_json({"\udfff": "\ud800é"}, "readable")


def test_the_gateway_writes_the_same_and_faster() -> None:
    pytest.importorskip("orjson")
    from gtalign.gateway.text import to_json as of_gateway

    for value in ({"a": [1, "é", None, True, 0.25]}, {"a": "\ud800é"}, {1: "x"}, 2**70, [math.nan]):
        assert of_gateway(value) == to_json(value, "compact", portable=True)
