"""Read a request's parameters into a filter of decisions."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from gtalign.errors import DataError
from gtalign.gateway.store.reader import Filter

FILTERS: Final = tuple(field.name for field in fields(Filter))
"""Names of all filters."""

_FLAGS: Final = {"true": True, "false": False}
_LONGEST: Final = 1000


def read_filter(query: Mapping[str, str]) -> Filter:
    """The filter that parameters name.

    Raises:
        DataError: One is unknown, or has no such value; the message names it.
    """
    values: dict[str, Any] = {}
    for name, value in query.items():
        if name not in FILTERS:
            raise DataError(f"{name[:80]!r} is no filter; there are {', '.join(FILTERS)}")
        if len(value) > _LONGEST:
            raise DataError(f"{name}: {_LONGEST} characters at most")
        if name in ("since", "until"):
            values[name] = read_count(name, value)
        elif name in ("flipped", "steered", "obeyed"):
            values[name] = read_flag(name, value)
        else:
            values[name] = value.replace("\x00", "")
    return Filter(**values)


def read_count(name: str, value: str) -> int:
    """A whole number; raises DataError that names the parameter."""
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise DataError(f"{name}: a whole number, not {value[:80]!r}")
    return int(value)


def read_flag(name: str, value: str) -> bool:
    """True or false; raises DataError that names the parameter."""
    if value not in _FLAGS:
        raise DataError(f"{name}: true or false, not {value[:80]!r}")
    return _FLAGS[value]
