"""The configurations that come with the package, and the files that names of them stand for."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gtalign.errors import ConfigError

CONFIGS: Final = Path(__file__).parents[1] / "configs"
"""The folder of what comes with the package."""


def shipped(kind: str) -> dict[str, Path]:
    """Return the configurations that come with the package, by name.

    Args:
        kind: What they configure: a command (``lab``, ``eval``, ...), ``judges``, ``reward`` or
            ``policies``.
    """
    return {file.stem: file for file in sorted((CONFIGS / kind).glob("*.toml"))}


def find(kind: str, source: str | Path) -> Path:
    """Return the file of a configuration: a path, or the name of one that comes with the package.

    A text that ends in ``.toml`` or has a folder in it is a path. A run directory stands for its
    ``config.toml``.

    Args:
        kind: What it configures, as for `shipped`.
        source: The path or the name.

    Raises:
        ConfigError: There is no such file or name; the message lists the names.
    """
    path, known = Path(source), shipped(kind)
    if path.is_dir() and (path / "config.toml").is_file():
        return path / "config.toml"
    if path.suffix != ".toml" and path.name == str(source) and not path.is_file():
        if str(source) in known:
            return known[str(source)]
        near = difflib.get_close_matches(str(source), known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else _names(known)
        raise ConfigError(f"no configuration {str(source)!r}; {advice}")
    if not path.exists():
        advice = f"did you mean the name {path.stem!r}?" if path.stem in known else _names(known)
        raise ConfigError(f"{path}: no such file; {advice}")
    return path


def _names(known: Mapping[str, Path]) -> str:
    return f"name a TOML file, or one that comes with the package: {', '.join(known)}"
