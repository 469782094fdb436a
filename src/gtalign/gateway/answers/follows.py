"""Check that JSON follows its schema, since an engine may ignore the grammar that was made of it.

Both may be hostile: the client writes the schema, and can have the model write what it likes. So
patterns are read by automata, which take a step a character, and the work of a check has a limit.
The words of a schema are those that `gtalign.chain.json_rules` takes, in any draft that has them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft201909Validator, Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from gtalign.chain.automaton import Automaton, Budget, automaton
from gtalign.chain.regex import read_regex
from gtalign.errors import DataError, SteeringError

_WORK: Final = 50_000  # steps of one check: some tenths of a second, and far more than most take
_STEP: Final = 16  # values of a list that are compared in one
_LEFT: ContextVar[Budget] = ContextVar("left")
Word = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]
"""What checks a word of a schema: with a validator, its value, the JSON and the schema."""


def read_json(text: str) -> Any:
    """The value of a text.

    Raises:
        SteeringError: It is no JSON.
    """
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise SteeringError("the model wrote what is no JSON") from None


def check_follows(value: Any, schema: Mapping[str, Any]) -> None:
    """Check that a value follows a schema.

    Raises:
        SteeringError: It does not, or it would take too long to tell; the message names the word of
            the schema and the place, and nothing of the text.
    """
    _LEFT.set(Budget(_WORK))
    try:
        error = next(_Validator(schema, registry=Registry()).iter_errors(value), None)
    except (DataError, RecursionError):
        raise SteeringError("the model wrote JSON that takes too long to check") from None
    if error is not None:
        place = error.json_path[:80]
        raise SteeringError(f"the model wrote JSON that breaks {error.validator!r} at {place}")


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


@lru_cache(maxsize=32)  # a client sends the same schemas again and again
def _reader(pattern: str) -> Automaton:
    return automaton([read_regex(pattern)], Budget())


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _reader(pattern).accepts(value):
        yield ValidationError("does not match")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], value: Any, schema: Any
) -> Iterator[ValidationError]:
    for pattern, one in patterns.items() if isinstance(value, dict) else ():
        for name in filter(_reader(pattern).accepts, value):
            yield from validator.descend(value[name], one, path=name)


def _additional(validator: Any, more: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    patterns = [_reader(pattern) for pattern in schema.get("patternProperties", ())]
    for name in value.keys() - schema.get("properties", {}).keys():
        if not any(pattern.accepts(name) for pattern in patterns):
            yield from validator.descend(value[name], more, path=name)


def _items(validator: Any, items: Any, value: Any, schema: Any) -> Iterator[ValidationError] | None:
    draft = Draft201909Validator if isinstance(items, list) else Draft202012Validator
    return draft.VALIDATORS["items"](validator, items, value, schema)  # type: ignore[no-any-return]


def _multiple(validator: Any, step: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    """Binary fractions would make 0.3 no multiple of 0.1."""
    if validator.is_type(value, "number") and Fraction(repr(value)) % Fraction(repr(step)):
        yield ValidationError("no multiple")


def _unique(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    """In time that grows with the items, not with their pairs."""
    if wanted and isinstance(value, list):
        texts = {json.dumps(one, sort_keys=True).removesuffix(".0") for one in value}
        if len(texts) < len(value):
            yield ValidationError("equal items")


def _counted(word: Word) -> Word:
    def check(validator: Any, told: Any, value: Any, schema: Any) -> Any:
        _LEFT.get().spend(1 + len(told) // _STEP if isinstance(told, list) else 1)
        return word(validator, told, value, schema)

    return check


_WORDS: Final[Mapping[str, Word]] = {
    **Draft201909Validator.VALIDATORS,  # such as additionalItems
    **Draft202012Validator.VALIDATORS,
    "items": _items,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "multipleOf": _multiple,
    "uniqueItems": _unique,
}
_Validator: Final = extend(
    Draft202012Validator, {name: _counted(word) for name, word in _WORDS.items()}
)
