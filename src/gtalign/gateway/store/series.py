"""How sums over decisions went over time, in slots of equal length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Label, Table, and_, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gtalign.gateway.store import obedience, spread
from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.hours import HOUR
from gtalign.gateway.store.obedience import Obedience
from gtalign.gateway.store.sums import parts
from gtalign.gateway.store.tables import decisions

_DAY: Final = 24 * HOUR
WIDTHS: Final = (HOUR // 12, HOUR, 6 * HOUR, _DAY, 7 * _DAY, 30 * _DAY)
"""Lengths of slots in microseconds; but for the first, whole hours, which are summed already."""

MOST: Final = 62
"""Most slots of a series."""

_TOTALS: Final = ("answers", "failed", "decided", "flips")
_COUNTED: Final = ("prompt_tokens", "written_tokens")


@dataclass(frozen=True, slots=True)
class Slot:
    """Sums over the decisions of one slot.

    Args:
        at: Its beginning, in microseconds since 1970.
        answers: Number of answers.
        failed: How many of them failed.
        decided: How many made a choice.
        flips: How many of those flipped.
        obedience: Flips of steered answers by policy, and whether their responses obeyed.
        prompt_tokens: Tokens read in answers that counted them; None if there are answers, and none
            did.
        written_tokens: Tokens written, likewise.
        added_p50: The median of the milliseconds that the gateway added; None if unknown.
        added_p95: Their 95th percentile.
    """

    at: int
    answers: int = 0
    failed: int = 0
    decided: int = 0
    flips: int = 0
    prompt_tokens: int | None = 0
    written_tokens: int | None = 0
    added_p50: float | None = None
    added_p95: float | None = None
    obedience: Mapping[str, Obedience] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Series:
    """Slots one after the other, those without decisions too.

    Args:
        width: Length of a slot in microseconds; each begins at a multiple of it.
        slots: The slots, the earliest first.
        added_p50: The median of the milliseconds that the gateway added, over all slots, as near as
            `spread.percentile` tells it; None if unknown.
        added_p95: Their 95th percentile.
    """

    width: int
    slots: tuple[Slot, ...]
    added_p50: float | None
    added_p95: float | None


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
        return Series(WIDTHS[0], (), None, None)
    width = width_of(until - since)
    held: dict[int, list[Mapping[str, Any]]] = {}
    flipped: dict[int, list[Mapping[str, Any]]] = {}
    for table, where in await parts(connection, which, whole=width >= HOUR):
        # Rolled-up hours are read in their order, so one hour after the other is summed; to group
        # them by slots, all would have to be sorted.
        # Written out: two values that are bound are not one expression to PostgreSQL.
        at = table.c.at - table.c.at % literal_column(str(width)) if table is decisions else None
        begins = table.c.hour if at is None else at
        query = select(begins.label("by"), *_sums(table)).group_by(begins)
        flips = obedience.query(table, begins)
        for asked, into in ((query, held), (flips, flipped)):
            for row in (await connection.execute(asked.where(and_(True, *where)))).mappings():
                slot = int(row["by"])
                into.setdefault(slot - slot % width, []).append(dict(row))
    begins_at = range(since - since % width, until, width)
    every = [row for rows in held.values() for row in rows]
    return Series(
        width,
        tuple(_slot(at, held.get(at, []), flipped.get(at, [])) for at in begins_at),
        _added(every, 0.5),
        _added(every, 0.95),
    )


def _sums(table: Table) -> list[Label[Any]]:
    c = table.c
    live = table is decisions
    one: Any = 1 if live else c.n
    conditions = {
        "failed": c.status == "failed",
        "decided": c.after_action.is_not(None),
        "flips": c.flipped,
    }
    times = spread.counted(c.added_ms) if live else [func.sum(c[n]).label(n) for n in spread.NAMES]
    return [
        (func.count() if live else func.sum(c.n)).label("answers"),
        *(func.sum(case((met, one), else_=0)).label(name) for name, met in conditions.items()),
        func.sum(c.prompt_tokens if live else c.prompt).label("prompt_tokens"),
        func.sum(c.written_tokens if live else c.written).label("written_tokens"),
        *times,
    ]


def width_of(span: int) -> int:
    """The shortest slots, of at most `MOST`, that a span of microseconds is divided into."""
    for width in WIDTHS:
        if span <= (MOST - 1) * width:
            return width
    return -(-span // ((MOST - 1) * WIDTHS[-1])) * WIDTHS[-1]


def _slot(at: int, rows: Sequence[Mapping[str, Any]], flips: Sequence[Mapping[str, Any]]) -> Slot:
    totals: dict[str, Any] = {n: int(sum(row[n] or 0 for row in rows)) for n in _TOTALS}
    for name in _COUNTED:  # a sum over nothing that was counted is null
        known = [int(row[name]) for row in rows if row[name] is not None]
        totals[name] = sum(known) if known or not rows else None
    return Slot(
        at,
        **totals,
        added_p50=_added(rows, 0.5),
        added_p95=_added(rows, 0.95),
        obedience=obedience.by_policy(flips),
    )


def _added(rows: Sequence[Mapping[str, Any]], share: float) -> float | None:
    """The milliseconds added that a share of the answers of some sums did not exceed."""
    counts = ([row[name] for row in rows if row[name] is not None] for name in spread.NAMES)
    return spread.percentile([float(sum(found)) if found else None for found in counts], share)
