"""What is wrong with a configuration, in words: the key, its source, and what would be right."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import ValidationError

from gtalign.config.base import Config

_USER: Final = re.compile(
    r"(?<=//)[^\s/?#@'\"]+@|(?<![^\s'\"=,(\[{])[^\s/@:'\"=,(\[{]+:[^\s/@'\"]+@"
)
"""The user information of an address, with a scheme or without."""

_MOST_PROBLEMS = 20  # that one message tells of


def withheld(text: str) -> str:
    """A text without the user information of the addresses in it, which may hold a password."""
    return _USER.sub("[withheld]@", text)


def shown(value: Any) -> str:
    """A value of any type, as messages show it."""
    try:
        return repr(value)
    except (RecursionError, ValueError):  # lists in lists, or a number of thousands of digits
        return f"a value of type {type(value).__name__} that is too large to show"


def explain(
    cls: type[Config], error: ValidationError, file: Path | str | None, sources: Mapping[str, str]
) -> str:
    """Return one line that says what is wrong with which key, and what would be right."""
    problems = []
    details = error.errors(include_url=False)
    wrong = {detail["loc"][:-1] for detail in details}
    # pydantic also reports a list all of whose parts are wrong as too short.
    details = [d for d in details if d["type"] != "too_short" or d["loc"] not in wrong]
    for detail in details[:_MOST_PROBLEMS]:
        location = [str(part) for part in detail["loc"]]
        key = ".".join(location)
        origin = _origin(location, sources) or (str(file) if file else "defaults")
        if detail["type"] == "extra_forbidden":
            problem = f"{origin}: unknown key {key!r}{suggest(cls, location)}"
        elif detail["type"] == "missing":
            problem = f"{origin}: missing key {key!r}"
        else:
            # Of a whole table the message names the keys; its values would bury them.
            whole = not location or isinstance(detail["input"], Mapping)
            given = "" if whole else f", got {shown(detail['input'])}"
            message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            if detail["type"] == "too_short":
                least = detail["ctx"]["min_length"]
                message = f"has to hold {least} {'value' if least == 1 else 'values'} or more"
            message = message[:1].lower() + message[1:]
            problem = f"{origin}: {key}: {message}{given}" if key else f"{origin}: {message}"
        problems.append(problem.replace("\n", " "))
    return withheld("; ".join(problems))


def _origin(location: Sequence[str], sources: Mapping[str, str]) -> str | None:
    """Return where a key came from: the longest known prefix of its location decides."""
    for length in range(len(location), 0, -1):
        source = sources.get(".".join(location[:length]))
        if source is not None:
            return source
    return None


def suggest(cls: type[Config], location: Sequence[str]) -> str:
    """Return advice on an unknown key: the nearest known key, or the list of known ones."""
    *parents, unknown = location
    parents = [parent for parent in parents if not parent.isdigit()]  # places in a list
    owner: type[Config] | None = cls
    keyed: type[Config] | None = None  # of a table whose keys are names of the user's
    for parent in parents:
        if keyed is not None:
            owner, keyed = keyed, None
            continue
        annotation = owner.model_fields[parent].annotation if owner else None
        owner = _model_of(annotation)
        if get_origin(annotation) is dict:
            keyed = _model_of(get_args(annotation)[1])
    if owner is None:
        return ""
    prefix = "".join(f"{parent}." for parent in parents)
    known = owner.known_keys()
    # The very name in another table ("aggregate" for "reward.aggregate") beats all but a twin here.
    elsewhere = [name for name in _paths(cls) if name.rpartition(".")[2] == unknown]
    cutoff = 0.8 if elsewhere else 0.6
    here = [prefix + name for name in difflib.get_close_matches(unknown, known, cutoff=cutoff)]
    candidates = [*elsewhere[:1], *here[:1]]
    if candidates:
        return f"; did you mean {' or '.join(map(repr, candidates))}?"
    return f"; known keys are {', '.join(prefix + name for name in known)}"


def _paths(cls: type[Config], prefix: str = "") -> list[str]:
    """Return the dotted names of all keys that a configuration knows."""
    names = []
    for name in cls.known_keys():
        names.append(prefix + name)
        field = cls.model_fields.get(name)
        nested = None if field is None else _model_of(field.annotation)
        if nested is not None:
            names.extend(_paths(nested, f"{prefix}{name}."))
    return names


def _model_of(annotation: Any) -> type[Config] | None:
    """Return the configuration class in an annotation, as of ``X | None`` or ``tuple[X, ...]``."""
    if get_origin(annotation) in (Union, UnionType, tuple):
        found = [model for part in get_args(annotation) if (model := _model_of(part))]
        return found[0] if len(found) == 1 else None
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    return None
