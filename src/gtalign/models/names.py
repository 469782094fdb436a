"""Names of models: a folder, a model of a hub, a GGUF file, or a package that holds one.

Where a server answers, its address stands in the place of a name (`is_url`).
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from gtalign.errors import ConfigError

GGUF: Final = "gguf:"
PACKAGE: Final = "package:"

SERVER_KEY: Final = "GTALIGN_UPSTREAM_KEY"
"""Name of the environment variable with the key of a server that stands in the place of a model."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model lies.

    Args:
        where: A folder, or the name of a model on a hub.
        file: Name of a GGUF file in that folder; None for an ordinary checkpoint.
    """

    where: str
    file: str | None = None

    @property
    def label(self) -> str:
        """A short name of the model, for records."""
        return Path(self.where).name if self.file is None else Path(self.file).stem

    @property
    def options(self) -> dict[str, Any]:
        """Options with which transformers finds the model."""
        return {} if self.file is None else {"gguf_file": self.file}


def place(name: str | Path) -> Place:
    """Return where a model of this name lies.

    Args:
        name: A checkpoint folder, a name on a hub, ``gguf:FILE``, or ``package:NAME`` for an
            installed Python package with one GGUF file in it. The package is not imported.

    Raises:
        ConfigError: There is no such file or package, or the package holds no or several files.
    """
    text = str(name)
    if text.startswith(GGUF):
        file = Path(text.removeprefix(GGUF)).expanduser()
        if not file.is_file():
            raise ConfigError(f"{text}: no such file")
        return Place(str(file.resolve().parent), file.name)
    if text.startswith(PACKAGE):
        file = _packaged(text)
        return Place(str(file.parent), file.name)
    return Place(text)


def is_url(name: str | Path) -> bool:
    """Whether a name is an address, such as that of a server that serves a model."""
    return str(name).startswith(("http://", "https://"))


def is_gguf(name: str | Path) -> bool:
    """Whether a name is that of a GGUF file or of a package with one."""
    return str(name).startswith((GGUF, PACKAGE))


def missing(name: str | Path) -> str | None:
    """Say what is wrong with the name of a folder that is not there; None for all other names.

    A name with at most one slash may be that of a model on a hub.
    """
    text = str(name)
    local = text.startswith(("/", ".", "~")) or text.count("/") > 1
    if not local or is_gguf(text) or is_url(text) or Path(text).exists():
        return None
    return (
        f"{text}: no such folder; train that model first (gtalign sft, dpo and rl write"
        " OUT/checkpoint), or name another one"
    )


def _packaged(name: str) -> Path:
    """Return the one GGUF file of an installed package."""
    package = name.removeprefix(PACKAGE)
    try:
        spec = find_spec(package) if package.isidentifier() else None
    except ValueError:  # of a module that is being run and has no spec
        spec = None
    if spec is None:
        raise ConfigError(f"{name}: no Python package {package!r} is installed")
    folders = spec.submodule_search_locations or ()
    files = sorted(file for folder in folders for file in Path(folder).rglob("*.gguf"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise ConfigError(
            f"{name}: the package has to hold one GGUF file, and holds {names};"
            f" name a file by {GGUF}FILE"
        )
    return files[0]
