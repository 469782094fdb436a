"""Money, durations and times for people, as filters of the templates."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from gtalign.drawing import NONE, number, share, signed
from gtalign.gateway.store.record import now

_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_LAST: Final = 253_402_300_799  # seconds to the end of the year 9999


def money(value: float | None) -> str:
    """Currency units: two decimals, or for less than 1 as many as show three digits."""
    if value is None:
        return NONE
    size = abs(value)
    digits = 2 if size >= 1 or size < 1e-9 else min(9, 2 - math.floor(math.log10(size)))
    return number(value, digits)


def milliseconds(value: float | None) -> str:
    """A duration, in ms or s."""
    if value is None:
        return NONE
    if value >= 1000:
        return f"{number(value / 1000)} s"
    return f"{number(value, 0 if value >= 100 else 1)} ms"


def utc(at: int) -> str:
    """Microseconds since 1970 as a time of UTC, to the second."""
    return _time(at).strftime("%Y-%m-%d %H:%M:%S")


def iso(at: int) -> str:
    """Microseconds since 1970 as ISO 8601, for machines."""
    return _time(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def local(at: int) -> str:
    """Microseconds since 1970 as forms write a time."""
    return _time(at).strftime("%Y-%m-%dT%H:%M:%S")


def ago(at: int, clock: Callable[[], int] = now) -> str:
    """How long ago that was."""
    seconds = (clock() - at) // 1_000_000
    if seconds < 0:
        return "in the future"
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(min(max(at // 1_000_000, 0), _LAST), UTC)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "number": number,
    "signed": signed,
    "money": money,
    "share": share,
    "milliseconds": milliseconds,
    "utc": utc,
    "iso": iso,
    "local": local,
    "ago": ago,
}
"""For templates."""
