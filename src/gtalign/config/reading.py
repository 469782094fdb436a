"""Build a configuration from its defaults, a TOML file, options and overrides."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from gtalign.config.base import Config
from gtalign.config.problems import explain, suggest, withheld
from gtalign.config.toml import read_table
from gtalign.errors import ConfigError

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

C = TypeVar("C", bound=Config)


def load(
    cls: type[C],
    file: Path | str | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
) -> C:
    """Build a configuration from its defaults, a TOML file, options and overrides, in that order.

    Args:
        cls: The configuration's class.
        file: A TOML file; without one, the defaults are the start.
        overrides: ``key=value`` strings. A key may name a nested table (``reward.aggregate``), a
            value is read as a TOML value and, where it is none, taken as the text it is.
        options: Options of a command line, by key: the name of the option and its value. A value
            of None was not given.

    Raises:
        ConfigError: The file cannot be read, is no TOML (the message names the line), or a key is
            unknown, missing or of the wrong type (the message names the key, where it came from,
            and what would be right).
    """
    file = None if file is None else Path(file)
    table = {} if file is None else read_table(file)
    sources = {} if file is None else {key: str(file) for key in _leaves(table)}
    for key, (option, value) in options.items():
        if value is not None:
            _insert(table, key, value, option)
            sources[key] = option
    for override in overrides:
        key, value = _split(override)
        sources[key] = f"override {withheld(override)!r}"
        _insert(table, key, value, sources[key])
    return _validated(cls, table, file, sources, None if file is None else file.parent)


def load_table(cls: type[C], table: Mapping[str, Any], origin: str) -> C:
    """Build a configuration from a table that was read elsewhere.

    Args:
        cls: The configuration's class.
        table: Its keys.
        origin: Where it came from, for messages.

    Raises:
        ConfigError: A key is unknown, missing or of the wrong type; the message names it.
    """
    return _validated(cls, table, origin, {})


def unknown_keys(cls: type[Config], table: Mapping[str, Any], origin: str) -> list[str]:
    """Return what is wrong with each key of a table that a configuration does not know.

    What is missing, or of the wrong type, does not count.

    Args:
        cls: The configuration's class.
        table: Its keys.
        origin: Where it came from, for messages.
    """
    try:
        cls.model_validate(table)
    except ValidationError as error:
        unknown = [e for e in error.errors(include_url=False) if e["type"] == "extra_forbidden"]
        places = (list(map(str, e["loc"])) for e in unknown)
        return [
            f"{origin}: unknown key {'.'.join(place)!r}{suggest(cls, place)}" for place in places
        ]
    return []


def _validated(
    cls: type[C],
    table: Mapping[str, Any],
    file: Path | str | None,
    sources: Mapping[str, str],
    folder: Path | None = None,
) -> C:
    try:
        return cls.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(explain(cls, error, file, sources)) from error


def merge(base: Mapping[str, Any], given: Any) -> Any:
    """Return a table with the given values in place of its own, table by table.

    Anything but a table takes the place of the whole.
    """
    if not isinstance(given, Mapping):
        return given
    merged = {**base, **given}
    for key in base.keys() & given.keys():
        if isinstance(base[key], Mapping):
            merged[key] = merge(base[key], given[key])
    return merged


def _leaves(table: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the dotted names of all keys of a table, those of nested tables included."""
    names = []
    for key, value in table.items():
        name = f"{path}{key}"
        names.append(name)
        if isinstance(value, Mapping):
            names.extend(_leaves(value, f"{name}."))
    return names


def _split(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not _BARE_KEY.fullmatch(key):
        raise ConfigError(
            f"override {withheld(override)!r}: expected key=value, as in reward.aggregate=linear"
        )
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return key, text
    # A text with line breaks could smuggle in further keys; it is then no TOML value.
    return key, parsed["value"] if parsed.keys() == {"value"} else text


def _insert(table: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *parents, last = key.split(".")
    for depth, parent in enumerate(parents, start=1):
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            name = ".".join(key.split(".")[:depth])
            raise ConfigError(f"{origin}: {name} is a value, not a table of keys")
    table[last] = value
