"""Read a request's parameters into a filter of decisions."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, get_args

from starlette.datastructures import QueryParams

from gtalign.errors import DataError
from gtalign.gateway.store.reader import Filter
from gtalign.gateway.store.record import STATUSES
from gtalign.steering.decision import Mode

FILTERS: Final = tuple(field.name for field in fields(Filter))
"""Names of all filters."""

_FLAGS: Final = {"true": True, "false": False}
_WORDS: Final = {"status": STATUSES, "mode": get_args(Mode)}
_LONGEST: Final = 1000


def read_once(query: QueryParams) -> dict[str, str]:
    """The parameters of a request.

    Raises:
        DataError: One is given twice.
    """
    given = dict(query)
    twice = next((name for name in given if len(query.getlist(name)) > 1), None)
    if twice is not None:
        raise DataError(f"{twice[:80]}: give it once, not {len(query.getlist(twice))} times")
    return given


def read_limit(value: str) -> int:
    """A number of decisions on a page; raises DataError that names the parameter."""
    limit = read_count("limit", value)
    if limit < 1:
        raise DataError("limit: 1 or more, not 0")
    return limit


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
        elif name in _WORDS and value not in _WORDS[name]:
            raise DataError(f"{name}: one of {', '.join(_WORDS[name])}, not {value[:80]!r}")
        else:
            values[name] = value.replace("\x00", "")
    since, until = values.get("since"), values.get("until")
    if since is not None and until is not None and until <= since:
        raise DataError("until: a time after since")
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
