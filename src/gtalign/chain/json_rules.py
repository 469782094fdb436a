"""Grammar rules for the JSON that follows a schema, to stand where a chain has its response.

The rules keep to what GBNF and XGrammar's EBNF share, as those of `gtalign.chain.grammar` do. Each
text that they accept follows the schema; a schema may allow more: properties that it does not name,
other spacing, sets in another order. No text holds ``<``, which JSON can write as ``\\u003c``, so
none holds a tag.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gtalign.chain import json_schemas as words
from gtalign.chain.automaton import Budget
from gtalign.chain.json_book import RuleBook, quoted, times
from gtalign.chain.json_numbers import NUMBER_WORDS, number_rule
from gtalign.chain.json_strings import FORMATS, matching
from gtalign.errors import DataError

ROOT: Final = "json"
"""Name of the rule for the whole text."""

_DEEPEST: Final = 32
_MOST: Final = 2000  # values of an enumeration, and properties
_LONGEST: Final = 10_000  # characters of a string with limits, and items of an array with limits
_PAIR: Final = 200  # work to tell two schemas apart
_SPACE: Final = '(" " | "\\n" [ ]{0,20})?'
_DIGITS: Final = '("0" | [1-9] [0-9]{0,15})'
_HEX: Final = "[0-9a-fA-F]"
_COMMON: Final[Mapping[str, str]] = {
    "json-s": _SPACE,
    "json-char": r'[^"\\\x00-\x1F<] | "\\" (["\\/bfnrt] | "u" json-code)',
    "json-code": (  # one character, which the two halves of a pair make together
        f"[0-9a-cA-CeEfF] {_HEX}{{3}} | [dD] [0-7] {_HEX}{{2}}"
        rf' | [dD] [89abAB] {_HEX}{{2}} "\\u" [dD] [c-fC-F] {_HEX}{{2}}'
    ),
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
_OBJECT: Final = words.OF_TYPE["object"] - {
    *("unevaluatedProperties", "dependentRequired", "dependentSchemas", "dependencies"),
}
_ARRAY: Final = words.OF_TYPE["array"] - {"contains", "unevaluatedItems"}


def json_rules(
    schema: Mapping[str, Any], name: str = ROOT, budget: Budget | None = None
) -> dict[str, str]:
    """The rules for the JSON that follows a schema, by name; the first is of the whole text.

    Args:
        schema: The schema.
        name: Name of the first rule, with which the names of other rules of the schema begin.
        budget: How much work its patterns may take; None for as much as one schema may take.

    Raises:
        DataError: The schema is none, or no grammar says what it says; the message names the place.
    """
    book = RuleBook(name)
    root = _Rules(schema, book, budget or Budget()).of(schema, "schema", 0)
    return {name: root, **book.rules, **_COMMON}


def literal(value: Any) -> str:
    """A value in JSON, as the literal of a grammar.

    Raises:
        DataError: JSON has no such value.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if not text.isprintable():  # a lone surrogate, for one
            text = json.dumps(value, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"a value that JSON cannot write: {error}") from None
    return quoted(text.replace("<", "\\u003c"))


class _Rules:
    """Makes the rules of one schema.

    Args:
        schema: The schema.
        book: Where its rules are written.
        budget: How much work its patterns may take.
    """

    def __init__(self, schema: Mapping[str, Any], book: RuleBook, budget: Budget) -> None:
        self._schema = schema
        self._book = book
        self._budget = budget
        self._named: dict[str, str] = {}  # rules of definitions
        self._numbers: dict[str, str] = {}  # rules of numbers

    def of(self, schema: Any, place: str, depth: int) -> str:
        """What the text of a schema is made of: the body of a rule, or a part of one in groups."""
        if depth > _DEEPEST:
            raise DataError(f"{place}: nested more than {_DEEPEST} deep")
        if schema is True:
            return "json-any"
        if not isinstance(schema, dict):
            raise DataError(f"{place}: not a schema that a text can follow")
        for word in ("enum", "const"):
            if word in schema:
                words.check(schema, frozenset({word, "type"}), place)
                return self._listed(schema, place)
        if "$ref" in schema:
            return self._reference(schema, place, depth)
        for word in ("allOf", "anyOf", "oneOf"):
            if word in schema:
                return self._choice(word, schema, place, depth)
        kind = schema.get("type", words.kind_of(schema))
        if isinstance(kind, list):
            each = [{**schema, "type": one} for one in kind]
            return self._any_of(each, f"{place}.type", depth)
        if kind is None and not words.said(schema):
            return "json-any"
        return self._typed(kind, schema, place, depth)

    def _typed(self, kind: Any, schema: Mapping[str, Any], place: str, depth: int) -> str:
        if kind is None:
            raise DataError(f"{place}: a schema without a type")
        if not isinstance(kind, str) or kind not in words.OF_TYPE:
            raise DataError(f"{place}: a type {str(kind)[:40]!r}")
        others = frozenset[str]().union(*words.OF_TYPE.values()) - words.OF_TYPE[kind]
        known = others | {"type"}  # what is said of other types says nothing here
        if kind == "object":
            words.check(schema, known | _OBJECT, place)
            return self._object(schema, place, depth)
        if kind == "array":
            words.check(schema, known | _ARRAY, place)
            return self._array(schema, place, depth)
        words.check(schema, known | words.OF_TYPE[kind], place)
        if kind == "string":
            return self._string(schema, place)
        if kind in ("integer", "number") and NUMBER_WORDS & schema.keys():
            return self._number(schema, place, whole=kind == "integer")
        return f"json-{kind}"

    def _listed(self, schema: Mapping[str, Any], place: str) -> str:
        values = words.listed(schema)
        if not values or len(values) > _MOST:
            raise DataError(f"{place}: a list of 1 to {_MOST} values of its type is needed")
        return self._book.rule(" | ".join(literal(value) for value in values))

    def _reference(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        ref = schema["$ref"]
        target = words.target(self._schema, ref, place)
        more = {word: value for word, value in words.said(schema).items() if word != "$ref"}
        if more:
            target = words.resolved(self._schema, target, place)
            return self.of(words.merged(more, target, place), place, depth + 1)
        if ref not in self._named:
            self._named[ref] = name = self._book.rule("")  # which the definition itself may name
            body = self.of(target, ref[:80], depth + 1)
            if body == name:
                raise DataError(f"{place}: a reference to itself")
            self._book.rules[name] = body
        return self._named[ref]

    def _choice(self, word: str, schema: Mapping[str, Any], place: str, depth: int) -> str:
        """The text of several schemas, each of which goes together with what stands beside them."""
        schemas, at = schema[word], f"{place}.{word}"
        if not isinstance(schemas, list) or not 0 < len(schemas) <= _MOST:
            raise DataError(f"{at}: a list of 1 to {_MOST} schemas is needed")
        beside = {one: value for one, value in words.said(schema).items() if one != word}
        if beside or (word == "allOf" and len(schemas) > 1):
            schemas = [words.resolved(self._schema, one, at) for one in schemas]
        if word == "allOf" and len(schemas) > 1:
            for one in schemas:
                beside = words.merged(beside, one, at)
            return self.of(beside, at, depth + 1)
        if word == "oneOf":
            self._check_apart(schemas, at)
        return self._any_of(
            [words.merged(beside, s, at) if beside else s for s in schemas], at, depth
        )

    def _check_apart(self, schemas: Sequence[Any], place: str) -> None:
        for number, one in enumerate(schemas):
            for other in schemas[:number]:
                self._budget.spend(_PAIR)
                if not words.apart(self._schema, one, other, place):
                    raise DataError(f"{place}: a text might follow two of its schemas")

    def _any_of(self, schemas: Sequence[Any], place: str, depth: int) -> str:
        if not schemas:
            raise DataError(f"{place}: a list without a type")
        each = [self.of(one, place, depth + 1) for one in schemas]
        return self._book.rule(" | ".join(f"({one})" for one in each))

    def _number(self, schema: Mapping[str, Any], place: str, *, whole: bool) -> str:
        try:
            rule = number_rule(schema, whole=whole)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
        if rule not in self._numbers:
            self._numbers[rule] = self._book.rule(rule)
        return self._numbers[rule]

    def _string(self, schema: Mapping[str, Any], place: str) -> str:
        low, high = _range(schema, "minLength", "maxLength", place)
        patterns = words.patterns(schema.get("pattern", ()), place)
        limited = low > 0 or high is not None
        form = schema.get("format")
        if isinstance(form, str) and form in FORMATS and not patterns and not limited:
            patterns = (FORMATS[form],)
        if not patterns:
            return rf'"\"" {times("json-char", low, high)} "\""' if limited else "json-string"
        try:
            strings = matching(patterns, low, high)
            self._budget.spend(strings.steps)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
        self._book.add(strings.rules)
        return strings.name

    def _object(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise DataError(f"{place}: 'properties' has to be an object, and 'required' a list")
        if not all(isinstance(name, str) for name in required):
            raise DataError(f"{place}: 'required' names what is no property")
        low, high = _range(schema, "minProperties", "maxProperties", place)
        names = words.resolved(self._schema, schema.get("propertyNames", {}), place)
        allowed = words.listed(names)
        if not properties and not required and allowed is None:
            return self._mapping(schema, names, (low, high), place, depth)
        if allowed is None and words.said(names).keys() - {"type"}:
            raise DataError(f"{place}: no grammar for 'propertyNames' beside names of properties")
        if properties and schema.get("patternProperties"):
            raise DataError(f"{place}: no grammar for 'patternProperties' beside 'properties'")
        more = schema.get("additionalProperties", True)
        if not properties and not schema.get("patternProperties"):
            properties = dict.fromkeys(filter(_is_text, allowed or required), more)
        if allowed is not None:
            properties = {name: one for name, one in properties.items() if name in allowed}
        needed = set(required)
        if not needed <= properties.keys() or len(properties) > _MOST:
            raise DataError(f"{place}: 'required' names what is no property, or there are too many")
        pairs = []
        for name, one in properties.items():
            value = self.of(one, f"{place}.{name}"[:200], depth + 1)
            pairs.append(f'{literal(name)} json-s ":" json-s ({value})')
        some = self._book.some(pairs, [name in needed for name in properties], low, high, place)
        return self._book.rule(f'"{{" json-s {some} "}}"')

    def _mapping(
        self,
        schema: Mapping[str, Any],
        names: Any,
        limits: tuple[int, int | None],
        place: str,
        depth: int,
    ) -> str:
        """The text of an object with any names, or with those that follow a schema or a pattern."""
        more, patterns = schema.get("additionalProperties", True), schema.get("patternProperties")
        if patterns:
            if not isinstance(patterns, dict) or len(patterns) > 1:
                raise DataError(f"{place}: no grammar for 'patternProperties' of several patterns")
            [(pattern, more)] = patterns.items()
            names = words.merged({"pattern": pattern}, names, place)
        low, high = limits
        if (more is False or high == 0) and not low:
            return '"{" json-s "}"'
        if low > 1:
            raise DataError(f"{place}: no grammar for 'minProperties', since names may come twice")
        value = self.of(more, f"{place}.additionalProperties", depth + 1)
        if words.said(names) and isinstance(names, dict):
            name = self.of({"type": "string", **names}, f"{place}.propertyNames", depth + 1)
        else:
            name = "json-string"
        pair = self._book.rule(f'({name}) json-s ":" json-s ({value})')
        return self._book.rule(f'"{{" {self._book.listing([], pair, low, high)} "}}"')

    def _array(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        low, high = _range(schema, "minItems", "maxItems", place)
        items, first = schema.get("items", True), schema.get("prefixItems", [])
        if isinstance(items, list):  # as before 2020
            first, items = items, schema.get("additionalItems", True)
        if not isinstance(first, list) or len(first) > _MOST:
            raise DataError(f"{place}: 'prefixItems' has to be a list of up to {_MOST} schemas")
        if items is False:
            high = len(first) if high is None else min(high, len(first))
        if high is not None and high < low:
            raise DataError(f"{place}: fewer items are possible than 'minItems' wants")
        if schema.get("uniqueItems") and high not in (0, 1):
            return self._set(schema, low, high, place)
        each = [
            self._book.rule(self.of(one, f"{place}.prefixItems", depth + 1)) for one in first[:high]
        ]
        item = ""
        if high is None or len(first) < high:
            item = self._book.rule(self.of(items, f"{place}.items", depth + 1))
        return self._book.rule(f'"[" {self._book.listing(each, item, low, high)} "]"')

    def _set(self, schema: Mapping[str, Any], low: int, high: int | None, place: str) -> str:
        """The text of an array without equal items, in the order in which they are listed."""
        items = words.resolved(self._schema, schema.get("items"), place)
        values = None if schema.get("prefixItems") else words.listed(items)
        if values is None:
            raise DataError(f"{place}: no grammar for 'uniqueItems' of items that are not listed")
        words.check(items, frozenset({"enum", "const", "type"}), place)
        texts = {json.dumps(value).removesuffix(".0"): literal(value) for value in values}
        some = self._book.some(list(texts.values()), [False] * len(texts), low, high, place)
        return self._book.rule(f'"[" json-s {some} "]"')


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _range(schema: Mapping[str, Any], least: str, most: str, place: str) -> tuple[int, int | None]:
    """Least and most of something; what is more than a text ever needs is less."""
    low, high = schema.get(least, 0), schema.get(most)
    for count in (low, low if high is None else high):
        whole = isinstance(count, float) and count.is_integer()
        if isinstance(count, bool) or not (isinstance(count, int) or whole) or count < 0:
            raise DataError(f"{place}: {least!r} and {most!r} have to be numbers from 0 up")
    if low > _LONGEST or (high is not None and high < low):
        raise DataError(f"{place}: no text follows {least!r} and {most!r}, or it would be too long")
    return int(low), None if high is None else min(int(high), _LONGEST)
