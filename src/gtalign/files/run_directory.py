"""Run directories: each holds its run's configuration, and only that configuration resumes it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from gtalign.config import Config, dump, load
from gtalign.errors import ConfigError
from gtalign.files.replace import replacing, write_json

C = TypeVar("C", bound=Config)

MODEL: Final = "model.json"
"""How a run asks its model: the prompt, the ends of a turn, what is left out."""


def claim(out: Path, config: C, identity: Callable[[C], object] = lambda config: config) -> None:
    """Write ``config.toml``, or check that it is that of the run that began here.

    A run that has written nothing but its ``config.toml`` and ``model.json`` has not begun.

    Args:
        out: The run directory; it is made if need be.
        config: Configuration of the run.
        identity: The part of the configuration that must not change; by default all of it.

    Raises:
        ConfigError: A run of another configuration began here.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / "config.toml"
    first = {name + part for name in (file.name, MODEL) for part in ("", ".part")}
    begun = any(path.name not in first for path in out.iterdir())
    if begun and file.exists() and identity(load(type(config), file)) != identity(config):
        raise ConfigError(
            f"{file}: this run began with another configuration; choose another --out, or remove"
            " the folder"
        )
    with replacing(file) as beside:
        beside.write_text(dump(config), encoding="utf-8")


def record_model(out: Path, facts: Mapping[str, Any]) -> None:
    """Write ``model.json``: how the run asks its model."""
    write_json(out / MODEL, facts)
