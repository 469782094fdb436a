"""The query of a page's address: its period and filters, and links to related pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from gtalign.errors import DataError
from gtalign.gateway.http.parameters import FILTERS, read_filter
from gtalign.gateway.store.reader import Filter
from gtalign.gateway.store.record import now

PERIODS: Final[Mapping[str, int]] = {"hour": 3_600, "day": 86_400, "month": 30 * 86_400}
"""Lengths of the periods that end now, in seconds."""

LAST: Final = "last"
_TIMES: Final = ("since", "until")


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions a page is about.

    Args:
        which: The filter.
        given: Parameters of the address, as they were written, without the empty ones.
        last: The period, if one of `PERIODS`; empty if there is none.
    """

    which: Filter
    given: Mapping[str, str]
    last: str

    def url(self, path: str, /, **others: str) -> str:
        """Address, below the dashboard, of a page about the same decisions, with other parameters.

        A parameter that is empty is left out.
        """
        wanted = {name: value for name, value in {**self.given, **others}.items() if value}
        return f"{path}{'?' if wanted else ''}{urlencode(wanted)}"


def read_query(
    parameters: Mapping[str, str], last: str = "", clock: Callable[[], int] = now
) -> Query:
    """Read the parameters of an address; a form sends fields that were left empty too.

    Args:
        parameters: Filters, ``last`` for a period that ends now, and others, which are kept out of
            it. Times are microseconds since 1970, or dates and times of UTC.
        last: The period where none is named.
        clock: The time, in microseconds since 1970.

    Raises:
        DataError: One has no such value; the message names it.
    """
    names = (*FILTERS, LAST)
    given = {n: v for n, v in parameters.items() if n in names and v.strip()}
    if not any(name in given for name in (*_TIMES, LAST)) and last:
        given[LAST] = last
    filters = {name: value for name, value in given.items() if name != LAST}
    period = given.get(LAST, "")
    for name in _TIMES:
        if name in filters:
            filters[name] = str(_time(name, filters[name]))
    if any(name in filters for name in _TIMES):
        given.pop(LAST, None)
        period = ""
    elif period:
        if period not in (*PERIODS, "all"):
            known = ", ".join((*PERIODS, "all"))
            raise DataError(f"{LAST}: one of {known}, not {period[:80]!r}")
        if period in PERIODS:
            filters["since"] = str(clock() - PERIODS[period] * 1_000_000)
    return Query(read_filter(filters), given, period)


def _time(name: str, value: str) -> int:
    """Microseconds since 1970."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        wanted = "a time of UTC, as in 2026-01-31T12:00"
        raise DataError(f"{name}: {wanted}, not {value[:80]!r}") from None
    at = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return max(0, int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000))
