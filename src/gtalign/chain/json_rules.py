"""Grammar rules for the JSON that follows a schema, to stand where a chain has its response.

The rules keep to what GBNF and XGrammar's EBNF share, as those of `gtalign.chain.grammar` do. Each
text that they accept follows the schema; a schema may allow more: properties that it does not name,
other spacing. No text holds ``<``, which JSON can write as ``\\u003c``, so none holds a tag.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gtalign.errors import DataError

ROOT: Final = "json"
"""Name of the rule for the whole text."""

_DEEPEST: Final = 32
_MOST: Final = 2000  # rules
_REPEATED: Final = 500  # how often engines let one thing be repeated
_SPACE: Final = '(" " | "\\n" [ ]{0,20})?'
_DIGITS: Final = '("0" | [1-9] [0-9]{0,15})'
_COMMON: Final[Mapping[str, str]] = {
    "json-s": _SPACE,
    "json-char": r'[^"\\\x00-\x1F<] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "json-string": r'"\"" json-char* "\""',
    "json-integer": f'"-"? {_DIGITS}',
    "json-number": f'"-"? {_DIGITS} ("." [0-9]{{1,15}})? ([eE] [-+]? [0-9]{{1,3}})?',
    "json-boolean": '"true" | "false"',
    "json-null": '"null"',
    "json-pair": 'json-string json-s ":" json-s json-any',
    "json-object": '"{" json-s (json-pair (json-s "," json-s json-pair)* json-s)? "}"',
    "json-array": '"[" json-s (json-any (json-s "," json-s json-any)* json-s)? "]"',
    "json-any": "json-object | json-array | json-string | json-number | json-boolean | json-null",
}
_NOTES: Final = frozenset(
    {
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$schema", "$id", "$comment", "$defs", "definitions", "format", "discriminator"),
    }
)
"""What a schema says that forbids no text, or that no grammar can check (``format``)."""

_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength"}),
}
_SIMPLE: Final = ("string", "integer", "number", "boolean", "null")


def json_rules(schema: Mapping[str, Any], name: str = ROOT) -> dict[str, str]:
    """The rules for the JSON that follows a schema, by name; the first is of the whole text.

    Args:
        schema: The schema.
        name: Name of the first rule, with which the names of other rules of the schema begin.

    Raises:
        DataError: The schema is none, or no grammar says what it says; the message names the place.
    """
    rules = _Rules(schema, name)
    root = rules.of(schema, "schema", 0)
    return {name: root, **rules.found, **_COMMON}


def literal(value: Any) -> str:
    """A value in JSON, as the literal of a grammar."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not text.isprintable():  # a lone surrogate, for one
        text = json.dumps(value, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Rules:
    """Collects the rules of one schema.

    Args:
        schema: The schema.
        name: With which the names of its rules begin.

    Attributes:
        found: The rules so far, by name.
    """

    def __init__(self, schema: Mapping[str, Any], name: str) -> None:
        self.found: dict[str, str] = {}
        self._schema = schema
        self._name = name
        self._named: dict[str, str] = {}  # rules of definitions

    def of(self, schema: Any, place: str, depth: int) -> str:
        """What the text of a schema is made of: the body of a rule, or a part of one in groups."""
        if depth > _DEEPEST:
            raise DataError(f"{place}: nested more than {_DEEPEST} deep")
        if schema is True or schema == {}:
            return "json-any"
        if not isinstance(schema, dict):
            raise DataError(f"{place}: not a schema that a text can follow")
        for word in ("enum", "const"):
            if word in schema:
                _check(schema, {word, "type"}, place)
                values = schema[word] if word == "enum" else [schema[word]]
                return self._any_of(values, place)
        if "$ref" in schema:
            _check(schema, {"$ref"}, place)
            return self._reference(schema["$ref"], place, depth)
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                _check(schema, {word}, place)
                return self._choice(word, schema[word], place, depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._choice("anyOf", list(_by_type(schema, kind, place)), place, depth)
        if not isinstance(kind, str):
            raise DataError(f"{place}: a schema without a type")
        _check(schema, {"type", *_OF_TYPE.get(kind, ())}, place)
        if kind == "object":
            return self._object(schema, place, depth)
        if kind == "array":
            return self._array(schema, place, depth)
        if kind not in _SIMPLE:
            raise DataError(f"{place}: a type {kind[:40]!r}")
        if kind == "string" and ("minLength" in schema or "maxLength" in schema):
            low, high = _range(schema, "minLength", "maxLength", place)
            return rf'"\"" json-char{_times(low, high)} "\""'
        return f"json-{kind}"

    def _rule(self, body: str) -> str:
        """Name a rule."""
        if len(self.found) >= _MOST:
            raise DataError(f"schema: it takes more than {_MOST} rules")
        name = f"{self._name}-{len(self.found)}"
        self.found[name] = body
        return name

    def _any_of(self, values: Any, place: str) -> str:
        if not isinstance(values, list) or not 0 < len(values) <= _REPEATED:
            raise DataError(f"{place}: a list of 1 to {_REPEATED} values is needed")
        return self._rule(" | ".join(literal(value) for value in values))

    def _reference(self, ref: Any, place: str, depth: int) -> str:
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise DataError(f"{place}: a reference to another document")
        if ref not in self._named:
            target: Any = self._schema
            for key in ref[1:].split("/")[1:]:
                key = key.replace("~1", "/").replace("~0", "~")
                if not isinstance(target, dict) or key not in target:
                    raise DataError(f"{place}: a reference to nothing")
                target = target[key]
            self._named[ref] = name = self._rule("")  # which the definition itself may name
            body = self.of(target, ref[:80], depth + 1)
            if body == name:
                raise DataError(f"{place}: a reference to itself")
            self.found[name] = body
        return self._named[ref]

    def _choice(self, word: str, schemas: Any, place: str, depth: int) -> str:
        if not isinstance(schemas, list) or not schemas or (word == "allOf" and len(schemas) > 1):
            raise DataError(f"{place}: {word!r} of one schema or more, and 'allOf' of one alone")
        each = (self.of(one, f"{place}.{word}", depth + 1) for one in schemas)
        return self._rule(" | ".join(f"({one})" for one in each))

    def _object(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise DataError(f"{place}: 'properties' has to be an object, and 'required' a list")
        if not all(isinstance(name, str) and name in properties for name in required):
            raise DataError(f"{place}: 'required' names what is no property")
        more = schema.get("additionalProperties", True)
        if not properties:
            if more is False:
                return '"{" json-s "}"'
            value = self.of(more, f"{place}.additionalProperties", depth + 1)
            pair = self._rule(f'json-string json-s ":" json-s ({value})')
            return self._rule(f'"{{" json-s ({pair} (json-s "," json-s {pair})* json-s)? "}}"')
        pairs = []
        for name, one in properties.items():
            value = self.of(one, f"{place}.{name}"[:200], depth + 1)
            pairs.append(f'{literal(name)} json-s ":" json-s ({value})')
        wanted = [name in required for name in properties]
        return self._rule(f'"{{" json-s {self._pairs(pairs, wanted)} "}}"')

    def _pairs(self, pairs: Sequence[str], wanted: Sequence[bool]) -> str:
        """The pairs of an object in their order, of which some may be missing."""
        after = first = ""  # from a pair to the end: behind another pair, and as the first of all
        for pair, needed in zip(reversed(pairs), reversed(wanted), strict=True):
            begun, more = f"{pair} {after}".rstrip(), f'json-s "," json-s {pair}'
            first = self._rule(begun if needed or not first else f"{begun} | {first}")
            after = self._rule(f"{more if needed else f'({more})?'} {after}".rstrip())
        return f"{first} json-s" if any(wanted) else f"({first} json-s)?"

    def _array(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        low, high = _range(schema, "minItems", "maxItems", place)
        if high == 0:
            return '"[" json-s "]"'
        item = self._rule(self.of(schema.get("items", True), f"{place}.items", depth + 1))
        more = _times(max(low - 1, 0), None if high is None else high - 1)
        some = f'{item} (json-s "," json-s {item}){more} json-s'
        return self._rule(f'"[" json-s {some} "]"' if low else f'"[" json-s ({some})? "]"')


def _check(schema: Mapping[str, Any], words: set[str], place: str) -> None:
    """Check that a schema says nothing but what these words say."""
    unknown = sorted(str(word) for word in schema if word not in words and word not in _NOTES)
    if unknown:
        raise DataError(f"{place}: no grammar for {unknown[0][:40]!r}")


def _by_type(schema: Mapping[str, Any], kinds: Sequence[Any], place: str) -> Iterator[Any]:
    """The schemas of several types, one after the other."""
    _check(schema, {"type", *(word for words in _OF_TYPE.values() for word in words)}, place)
    for kind in kinds:
        words = _OF_TYPE.get(kind, frozenset()) if isinstance(kind, str) else frozenset()
        yield {"type": kind, **{word: schema[word] for word in schema if word in words}}


def _range(schema: Mapping[str, Any], least: str, most: str, place: str) -> tuple[int, int | None]:
    low, high = schema.get(least, 0), schema.get(most)
    for count in (low, low if high is None else high):
        if type(count) is not int or not 0 <= count <= _REPEATED:
            raise DataError(f"{place}: {least!r} and {most!r} from 0 to {_REPEATED} are possible")
    if high is not None and high < low:
        raise DataError(f"{place}: {most!r} is less than {least!r}")
    return low, high


def _times(low: int, high: int | None) -> str:
    if high is None:
        return f"{{{low},}}" if low else "*"
    return f"{{{low},{high}}}"
