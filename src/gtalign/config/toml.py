"""Configurations as TOML: tables are read from it, and whole configurations written as it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from gtalign.config.base import Config
from gtalign.errors import ConfigError


def read_table(file: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        ConfigError: It cannot be read, or is no TOML; the message names the line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{file}: cannot read this configuration: {reason}") from error
    try:
        return tomllib.loads(text)
    except ValueError as error:  # also a number of more digits than Python reads
        raise ConfigError(f"{file}: not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{file}: nested too deeply for a configuration") from None


def dump(config: Config) -> str:
    """Return the configuration as TOML text, complete; ``load`` reads it back equal.

    TOML has no null: keys that are None are left out, so None has to be their default.

    Raises:
        ConfigError: A key is None although its default is another value.
    """
    return tomli_w.dumps(_plain(config, ()))


def _plain(config: Config, path: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of a configuration as TOML knows them, scalars before tables."""
    scalars: dict[str, Any] = {}
    tables: dict[str, Any] = {}  # and arrays of tables
    values = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if value is None:
            if field.is_required() or field.get_default(call_default_factory=True) is not None:
                key = ".".join((*path, name))
                raise ConfigError(f"{key}: None cannot be written as TOML; it is not the default")
        elif isinstance(value, Config):
            tables[name] = _plain(value, (*path, name))
        elif isinstance(value, tuple) and any(isinstance(item, Config) for item in value):
            tables[name] = [
                _plain(item, (*path, name, str(index))) for index, item in enumerate(value)
            ]
        elif isinstance(value, Mapping) and any(isinstance(v, Config) for v in value.values()):
            tables[name] = {key: _plain(v, (*path, name, key)) for key, v in value.items()}
        else:
            scalars[name] = values[name]
    return scalars | (config.model_extra or {}) | tables
