"""What a JSON Schema says: its words, the schemas that it names, and how two go together."""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.chain.json_numbers import NUMBER_WORDS
from gtalign.errors import DataError

OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset(
        {
            *("properties", "required", "additionalProperties", "patternProperties"),
            *("propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"),
            *("dependentRequired", "dependentSchemas", "dependencies"),
        }
    ),
    "array": frozenset(
        {
            *("items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"),
            *("contains", "unevaluatedItems"),
        }
    ),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "number": NUMBER_WORDS,
    "integer": NUMBER_WORDS,
    "boolean": frozenset(),
    "null": frozenset(),
}
"""The words that say something of values of a type, and nothing of others."""

ANY_TYPE: Final = frozenset(
    {
        *("type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if"),
        *("$ref", "$dynamicRef", "$recursiveRef"),
    }
)
"""The words that say something of all values. Those that are in neither list forbid no text."""

_WORDS: Final = ANY_TYPE.union(*OF_TYPE.values())
_Plain = str | int | float | bool | None
_CHAIN: Final = 32  # references to references


def said(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema says, without what forbids no text."""
    return {word: value for word, value in schema.items() if word in _WORDS}


def check(words: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    """Check that a schema says nothing but what these words say.

    Raises:
        DataError: It says more.
    """
    unknown = sorted(word for word in words if word in _WORDS and word not in known)
    if unknown:
        raise DataError(f"{place}: no grammar for {unknown[0]!r}")


def kind_of(schema: Mapping[str, Any]) -> str | None:
    """The type of which a schema without one speaks; None if it says nothing, or of several."""
    kinds = {kind for kind, words in OF_TYPE.items() if kind != "integer" and words & schema.keys()}
    return kinds.pop() if len(kinds) == 1 else None


def target(root: Any, ref: Any, place: str) -> Any:
    """What a reference within a schema names.

    Raises:
        DataError: It names nothing, or another document.
    """
    if not isinstance(ref, str) or not ref.startswith("#"):
        raise DataError(f"{place}: a reference to another document")
    found: Any = root
    for key in ref[1:].split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and len(key) < 6 and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise DataError(f"{place}: a reference to nothing")
    return found


def resolved(root: Any, schema: Any, place: str) -> Any:
    """A schema, or the one that it names and says nothing else.

    Raises:
        DataError: A reference names nothing.
    """
    for _ in range(_CHAIN):
        if not isinstance(schema, dict) or set(said(schema)) != {"$ref"}:
            return schema
        schema = target(root, schema["$ref"], place)
    raise DataError(f"{place}: a reference to itself")


def merged(one: Mapping[str, Any], other: Any, place: str) -> dict[str, Any]:
    """The schema of what follows both.

    Several patterns are a tuple under ``pattern``.

    Raises:
        DataError: No schema of these words says it.
    """
    if other is True:
        return dict(one)
    if not isinstance(other, dict):
        raise DataError(f"{place}: not a schema that a text can follow")
    both = said(one)
    new = said(other)
    shared = [word for word in both if word in new and both[word] != new[word]]
    # some words speak of what the others of their own schema leave out
    closed = OF_TYPE["object"] - {"properties", "required", "minProperties", "maxProperties"}
    if both.keys() & OF_TYPE["object"] and new.keys() & OF_TYPE["object"]:
        shared += [word for word in closed if (word in both) != (word in new)]
    items = {"items", "prefixItems", "additionalItems"}
    if both.keys() & items and new.keys() & items:
        shared += [word for word in items if (word in both) != (word in new)]
    for word in shared:
        here, there = both.get(word), new.get(word)
        if word == "required" and isinstance(here, list) and isinstance(there, list):
            both[word] = [*here, *there]
        elif word == "properties" and isinstance(here, dict) and isinstance(there, dict):
            if any(here[name] != there[name] for name in here if name in there):
                raise DataError(f"{place}: one property with two schemas")
            both[word] = {**here, **there}
        elif word == "pattern":
            both[word] = (*patterns(here, place), *patterns(there, place))
        else:
            raise DataError(f"{place}: no grammar for two schemas with {word!r}")
    return {**new, **both}


def patterns(value: Any, place: str) -> tuple[str, ...]:
    """The patterns that ``pattern`` holds.

    Raises:
        DataError: It holds something else.
    """
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, tuple):  # of `merged`
        raise DataError(f"{place}: 'pattern' has to be a string")
    return value


def listed(schema: Any) -> list[Any] | None:
    """The values that a schema lists; None if it does not."""
    if not isinstance(schema, dict):
        return None
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        if not isinstance(values, list):
            return None
        return [value for value in values if "type" not in schema or _is(value, schema["type"])]
    values = {"boolean": [True, False], "null": [None]}
    return values.get(str(schema.get("type")))


def _is(value: Any, kinds: Any) -> bool:
    """Whether a value is of a type, or of one of several."""
    if isinstance(kinds, list):
        return any(_is(value, kind) for kind in kinds)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "integer": whole and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "null": value is None,
    }.get(str(kinds), False)


def apart(root: Any, one: Any, other: Any, place: str) -> bool:
    """Whether no text that a grammar of one schema writes follows the other, nor the reverse.

    A grammar writes no property that its schema does not name. False where it is hard to say.
    """
    one, other = resolved(root, one, place), resolved(root, other, place)
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    if _differ(one, other):
        return True
    if _kinds(one) != {"object"} or _kinds(other) != {"object"}:
        return False
    return _breaks(root, one, other, place) and _breaks(root, other, one, place)


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two schemas list other values, or have other types."""
    here, there = listed(one), listed(other)
    if here is not None and there is not None:
        plain = all(isinstance(value, _Plain) for value in (*here, *there))
        return plain and not set(here) & set(there)
    kinds = _kinds(one), _kinds(other)
    return bool(kinds[0] and kinds[1]) and not kinds[0] & kinds[1]


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    """The types of a schema; none if it does not say."""
    values = listed(schema)
    if values is not None:
        return {kind for kind in OF_TYPE for value in values if _is(value, kind)}
    kind = schema.get("type", kind_of(schema))
    kinds = {str(one) for one in (kind if isinstance(kind, list) else [kind]) if one}
    return kinds | ({"integer"} if "number" in kinds else set())


def _breaks(root: Any, one: Mapping[str, Any], other: Mapping[str, Any], place: str) -> bool:
    """Whether each object of one schema's grammar breaks the other schema."""
    mine, others = one.get("properties"), other.get("properties", {})
    if not isinstance(mine, dict) or not mine or not isinstance(others, dict):
        return False
    needed, wanted = _names(one), _names(other)
    if any(name not in mine for name in wanted):
        return True
    closed = other.get("additionalProperties") is False and not other.get("patternProperties")
    if closed and any(name not in others for name in needed):
        return True
    for name in (*needed, *wanted):
        if name in mine and name in others:
            pair = (resolved(root, each[name], place) for each in (mine, others))
            here, there = (each if isinstance(each, dict) else {} for each in pair)
            if _differ(here, there):
                return True
    return False


def _names(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required", [])
    return [n for n in required if isinstance(n, str)] if isinstance(required, list) else []
