"""The form that a request wants its answer to have: words, or JSON that follows a schema."""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.chain.json_rules import json_rules
from gtalign.errors import DataError
from gtalign.gateway.answers.values import wrong
from gtalign.gateway.errors import Unsteerable

FORM: Final = "response_format"
_OBJECT: Final[Mapping[str, Any]] = {"type": "object"}


def read_schema(form: Any) -> Mapping[str, Any] | None:
    """The JSON Schema of the answer; None for an answer in words.

    Raises:
        APIError: It is no form of an answer (400).
        Unsteerable: No grammar describes it; an engine may know another way.
    """
    if form is None:
        return None
    if not isinstance(form, dict):
        raise wrong(FORM, "an object with a type")
    kind = form.get("type")
    if kind == "text":
        return None
    if kind == "json_object":  # llama.cpp takes a schema here too
        schema = form.get("schema") or _OBJECT
    else:
        json_schema = form.get("json_schema") if kind == "json_schema" else None
        schema = json_schema.get("schema") if isinstance(json_schema, dict) else None
    if not isinstance(schema, dict):
        raise Unsteerable(FORM, f"{FORM!r} has to hold a JSON Schema", param=FORM)
    try:
        json_rules(schema)
    except DataError as error:
        raise Unsteerable(FORM, f"{FORM!r} cannot be steered: {error}", param=FORM) from None
    return schema
