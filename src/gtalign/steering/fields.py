"""Read the fields of a JSON object, with errors that name the field."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from gtalign.errors import DataError

_SHOWN = 10**18

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object from outside; unknown fields are ignored.

    Every method raises DataError, naming the field, where it is missing or of another type.

    Args:
        source: The object.
        where: Names of the fields that lead to it, each with a dot after it.

    Raises:
        DataError: The source is not an object.
    """

    source: Mapping[str, Any]
    where: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.source, Mapping):
            name = repr(self.where.removesuffix(".")) if self.where else "the record"
            raise DataError(f"{name} has to be an object, not {_shown(self.source)}")

    @classmethod
    def of(cls, source: "Mapping[str, Any] | Fields") -> "Fields":
        """The fields of an object, or the `Fields` that were made of it before."""
        return source if isinstance(source, Fields) else cls(source)

    def text(self, name: str) -> str:
        """A text."""
        value = self.source.get(name)
        if not isinstance(value, str):
            self.refuse(name, "text")
        return value

    def choice(self, name: str, options: tuple[str, ...]) -> Any:
        """One of several texts."""
        value = self.source.get(name)
        if not isinstance(value, str) or value not in options:
            self.refuse(name, f"one of {', '.join(options)}")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.source.get(name)
        if not isinstance(value, bool):
            self.refuse(name, "true or false")
        return value

    def count(self, name: str) -> int:
        """A whole number, 0 or more."""
        value = self.source.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.refuse(name, "a whole number, 0 or more")
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.source.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.refuse(name, "a finite number")
        if not abs(value) <= sys.float_info.max:
            self.refuse(name, "a finite number")
        return float(value)

    def shares(self, name: str) -> dict[str, float]:
        """An object of finite numbers, such as probabilities."""
        given = self.object(name)
        return {key: given.number(key) for key in given.names()}

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        items = self.source.get(name)
        if not isinstance(items, list | tuple) or not all(isinstance(t, str) for t in items):
            self.refuse(name, "a list of texts")
        return tuple(items)

    def object(self, name: str) -> "Fields":
        """An object."""
        value = self.source.get(name)
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            self.refuse(name, "an object")
        return Fields(value, f"{self.where}{name}.")

    def objects(self, name: str) -> Iterator["Fields"]:
        """The objects of a list."""
        items = self.source.get(name)
        if not isinstance(items, list | tuple):
            self.refuse(name, "a list of objects")
        return (Fields(item, f"{self.where}{name}.{i}.") for i, item in enumerate(items))

    def known(self, name: str, read: Callable[[str], T]) -> T | None:
        """A field that may be null or absent."""
        return read(name) if self.has(name) else None

    def has(self, name: str) -> bool:
        """Whether there is such a field, other than null."""
        return self.source.get(name) is not None

    def names(self) -> tuple[str, ...]:
        """Names of all fields."""
        return tuple(self.source)

    def refuse(self, name: str, wanted: str) -> NoReturn:
        """Raise the error for a field of the wrong kind."""
        if name not in self.source:
            raise DataError(f"{self.where + name!r} is missing; it has to be {wanted}")
        given = _shown(self.source[name])
        raise DataError(f"{self.where + name!r} has to be {wanted}, not {given}")


def _shown(value: Any) -> str:
    """A value as an error shows it, always short."""
    if isinstance(value, Mapping | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) > _SHOWN:
        return "so large a number"
    return repr(value[:40] if isinstance(value, str) else value)
