"""How sums over decisions went over time, in slots of equal length."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.hours import HOUR
from gtalign.gateway.store.sums import added, parts, summed
from gtalign.gateway.store.tables import decisions

_DAY: Final = 24 * HOUR
WIDTHS: Final = (HOUR // 12, HOUR, 6 * HOUR, _DAY, 7 * _DAY, 30 * _DAY)
"""Lengths of slots in microseconds; but for the first, whole hours, which are summed already."""

MOST: Final = 62
"""Most slots, unless there are more than the longest ones can hold."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Sums over the decisions of one slot.

    Args:
        at: Its beginning, in microseconds since 1970.
        answers: Number of answers.
        failed: How many of them failed.
        decided: How many made a choice.
        flips: How many of those flipped.
        prompt_tokens: Tokens read.
        written_tokens: Tokens written.
        added_p50: The median of the milliseconds that the gateway added; None if unknown.
        added_p95: Their 95th percentile.
    """

    at: int
    answers: int = 0
    failed: int = 0
    decided: int = 0
    flips: int = 0
    prompt_tokens: int = 0
    written_tokens: int = 0
    added_p50: float | None = None
    added_p95: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Slots one after the other, those without decisions too.

    Args:
        width: Length of a slot in microseconds; each begins at a multiple of it.
        slots: The slots, the earliest first.
    """

    width: int
    slots: tuple[Slot, ...]


async def series(connection: AsyncConnection, which: Filter, *, now: int) -> Series:
    """The sums of a filter over time.

    Args:
        connection: Connection to the store.
        which: The filter. Without `since` it begins with the first decision on record.
        now: The time, where a filter without `until` ends, in microseconds since 1970.
    """
    since = which.since
    if since is None:
        since = (await connection.execute(select(func.min(decisions.c.at)))).scalar()
    until = now if which.until is None else which.until
    if since is None or until <= since:
        return Series(WIDTHS[0], ())
    width = width_of(until - since)
    found: dict[int, list[Mapping[str, Any]]] = {}
    for table, where in await parts(connection, which, whole=width >= HOUR):
        at = table.c.at if table is decisions else table.c.hour
        # Written out: two values that are bound are not one expression to PostgreSQL.
        begins = at - at % literal_column(str(width))
        groups = (begins, table.c.status, table.c.after_action.is_not(None))
        query = select(
            begins.label("slot"),
            table.c.status,
            groups[2].label("decided"),
            *summed(table),
        )
        query = query.where(and_(True, *where)).group_by(*groups)
        for row in (await connection.execute(query)).mappings():
            found.setdefault(int(row["slot"]), []).append(dict(row))
    begins_at = range(since - since % width, until, width)
    return Series(width, tuple(_slot(at, found.get(at, [])) for at in begins_at))


def width_of(span: int) -> int:
    """The shortest slots, of at most `MOST`, that a span of microseconds is divided into."""
    for width in WIDTHS:
        if span <= (MOST - 1) * width:
            return width
    return -(-span // ((MOST - 1) * WIDTHS[-1])) * WIDTHS[-1]


def _slot(at: int, rows: list[Mapping[str, Any]]) -> Slot:
    def total(name: str, **wanted: Any) -> int:
        passing = (row for row in rows if all(row[key] == value for key, value in wanted.items()))
        return int(sum(row[name] or 0 for row in passing))

    return Slot(
        at,
        answers=total("n"),
        failed=total("n", status="failed"),
        decided=total("n", decided=True),
        flips=total("flips"),
        prompt_tokens=total("prompt"),
        written_tokens=total("written"),
        added_p50=added(rows, 0.5),
        added_p95=added(rows, 0.95),
    )
