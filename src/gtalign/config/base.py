"""What every configuration is: a frozen table of declared keys; and types of keys."""

import unicodedata
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

_JOINERS = "\u200c\u200d"  # between letters of some scripts, and in emoji
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # categories of Unicode


class Config(BaseModel):
    """Base of every configuration: frozen, and closed to keys it does not declare."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The keys that a configuration of this class may have."""
        return tuple(cls.model_fields)


Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A setting between 0 and 1."""


def visible(name: str) -> str:
    """Return a name that people can read.

    Raises:
        ValueError: It is blank, begins or ends with a space, or holds control characters or those
            that set a direction of writing.
    """
    kinds = [unicodedata.category(c) for c in name if c not in _JOINERS]
    if all(kind[0] in "ZC" for kind in kinds):
        raise ValueError("a name has a character that can be seen")
    if name != name.strip():
        raise ValueError("a name has no space at its beginning or end")
    if not _HIDDEN.isdisjoint(kinds):
        raise ValueError("a name has no control characters and none that set a direction")
    return name


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(visible)]
"""A name that people read in lists, of 80 characters at most."""

Files = Annotated[tuple[Path, ...], Field(min_length=1)]
"""One file or more."""


def beside(path: Path, info: ValidationInfo) -> Path:
    """Return a file that a configuration names: the one beside the configuration, if it is there.

    Args:
        path: The path as it was written.
        info: Holds the configuration's folder; without one, the path stays as it is.
    """
    folder = (info.context or {}).get("folder")
    return found if folder is not None and (found := folder / path).is_file() else path


Beside = Annotated[Path, AfterValidator(beside)]
"""A file that is looked for in the folder of the configuration, then in the current folder."""
