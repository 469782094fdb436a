"""Hourly sums of decisions, so that a month is summed from hundreds of rows, not a million."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Label, Select, case, delete, func, insert, literal, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.gateway.store import spread
from gtalign.gateway.store.database import storage_error, unbroken
from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.obedience import mended
from gtalign.gateway.store.tables import GROUPS, decisions, hours, key_hours, rolled

log = logging.getLogger(__name__)

HOUR: Final = 3600 * 1_000_000
"""Microseconds."""

SETTLED: Final = HOUR
"""So long after its end an hour is rolled up: its answers are complete by then."""

SUMS: Final = 3
"""Which sums an hour has: by `GROUPS`, `measures` and its spread. Until an hour that has others is
summed again, its decisions are read."""

_AT_ONCE: Final = 4  # hours with decisions of one transaction, which holds up the writer
_MOST: Final = 5000  # hours of one transaction
_SPACE, _SLOTS = 0x67746148, 64  # of advisory locks, which PostgreSQL knows by two numbers
_PAUSE: Final = 60.0  # seconds between looks for hours that are over


def measures() -> list[Label[Any]]:
    """The sums over decisions, by the names of the columns of `tables.hours`."""
    c = decisions.c
    return [
        func.count().label("n"),
        func.sum(c.user_payoff).label("user"),
        func.sum(c.llm_payoff).label("llm"),
        func.count(c.user_payoff).label("paid"),
        func.sum(case((c.steered, c.saved_tokens), else_=0)).label("saved_tokens"),
        func.sum(case((c.steered, c.saved_money), else_=0)).label("saved_money"),
        func.sum(c.prompt_tokens).label("prompt"),
        func.sum(c.written_tokens).label("written"),
        func.count(c.prompt_tokens).label("read_known"),
        func.count(c.written_tokens).label("written_known"),
        func.sum(c.spent_money).label("money"),
        func.sum(case((c.estimated, 1), else_=0)).label("estimated"),
        func.sum(c.added_ms).label("added"),
        func.count(c.added_ms).label("timed"),
        func.sum(mended(c)).label("mended"),
    ]


def known_hours(*where: ColumnElement[bool]) -> Select[Any]:
    """A query for the hours, in their order, whose sums are those of this gtalign."""
    return select(rolled.c.hour).where(rolled.c.sums == SUMS, *where).order_by(rolled.c.hour)


async def roll_up(engine: AsyncEngine, *, now: int) -> int:
    """Roll up some of the hours that are over and lack the present sums; returns their number.

    Raises:
        SQLAlchemyError: The store cannot be written.
    """
    async with engine.connect() as connection:
        chosen = await _chosen(connection, now)
    if not chosen:
        return 0
    try:
        async with engine.begin() as connection:
            await hold(connection, chosen, alone=True)
            await _let_go(connection, chosen)
            done = [{"hour": hour, "sums": SUMS} for hour in chosen]
            await connection.execute(insert(rolled), done)
            # Only from here on does nobody else add to them.
            held = [hour async for hour, holds in _looked(connection, chosen) if holds]
            for hour in held:
                await _sum_up(connection, hour)
    except IntegrityError:  # another process on the database has just done it
        log.debug("hours were rolled up elsewhere")
    return len(chosen)


async def _let_go(connection: AsyncConnection, chosen: Sequence[int]) -> None:
    """Delete the sums of those hours that an earlier gtalign rolled up."""
    old = rolled.c.sums.is_distinct_from(SUMS)
    found = select(rolled.c.hour).where(rolled.c.hour.in_(chosen), old)
    stale = (await connection.execute(found)).scalars().all()
    for table in (rolled, hours, key_hours) if stale else ():
        await connection.execute(delete(table).where(table.c.hour.in_(stale)))


async def _sum_up(connection: AsyncConnection, hour: int) -> None:
    c, k = decisions.c, key_hours.c
    sums = [*measures(), *spread.counted(c.added_ms)]
    names = [one.name for one in sums]
    groups = [c.key_id, *(c[name] for name in GROUPS)]
    summed = select(literal(hour), *groups, *sums).group_by(*groups)
    summed = summed.where(c.at >= hour, c.at < hour + HOUR)
    columns = ["hour", "key_id", *GROUPS, *names]
    await connection.execute(insert(key_hours).from_select(columns, summed))
    groups = [k.hour, *(k[name] for name in GROUPS)]
    summed = select(*groups, *(func.sum(k[name]) for name in names)).group_by(*groups)
    columns.remove("key_id")
    await connection.execute(insert(hours).from_select(columns, summed.where(k.hour == hour)))


async def _chosen(connection: AsyncConnection, now: int) -> list[int]:
    """Hours to roll up next."""
    first = (await connection.execute(select(func.min(decisions.c.at)))).scalar()
    if first is None:
        return []
    known = set((await connection.execute(known_hours())).scalars())
    over = range(first // HOUR * HOUR, (now - SETTLED) // HOUR * HOUR, HOUR)
    chosen: list[int] = []
    held = 0
    async for hour, holds in _looked(connection, (h for h in over if h not in known)):
        chosen.append(hour)
        held += holds
        if held == _AT_ONCE or len(chosen) == _MOST:
            break
    return chosen


async def _looked(
    connection: AsyncConnection, wanted: Iterable[int]
) -> AsyncGenerator[tuple[int, bool], None]:
    """Hours in their order, and whether each holds decisions; those that do not take no time."""
    following: int | None = -1
    for hour in wanted:
        if following is not None and following < hour:
            earliest = select(func.min(decisions.c.at)).where(decisions.c.at >= hour)
            following = (await connection.execute(earliest)).scalar()
        yield hour, following is not None and following < hour + HOUR


async def hold(connection: AsyncConnection, wanted: Iterable[int], *, alone: bool) -> None:
    """Wait for hours, and hold them until the transaction ends: to add decisions, or to sum them.

    The process that sums them is `alone`. So each decision is either there by then, or it comes
    later, finds its hour rolled up, and undoes that. Clocks have no say in it. In SQLite, a process
    that writes is alone in any case.
    """
    if connection.dialect.name != "postgresql":
        return
    lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
    # Few locks are kept for many hours. All take theirs in one order, so that none waits for ever.
    for slot in sorted({hour // HOUR % _SLOTS for hour in wanted}):
        await connection.execute(select(lock(_SPACE, slot)))


def hours_of(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """The hours of decisions, whose sums have to be computed again."""
    return sorted({row["at"] // HOUR * HOUR for row in rows})


def gaps(
    since: int | None, until: int | None, whole: Sequence[int]
) -> list[tuple[int | None, int | None]]:
    """The gaps between some hours, before them and after them."""
    found: list[tuple[int | None, int | None]] = []
    start = since
    for hour in whole:
        if start is None or start < hour:
            found.append((start, hour))
        start = hour + HOUR
    if until is None or start is None or start < until:
        found.append((start, until))
    return found


async def stretches(
    connection: AsyncConnection, which: Filter, until: int | None, count: int
) -> list[tuple[int | None, int | None]]:
    """Where the latest decisions of a filter are, by the rolled-up hours.

    Args:
        connection: Connection to the store.
        which: The filter, without a search.
        until: Before this time, in addition to the filter's.
        count: So many decisions are wanted.

    Returns:
        Stretches of time, the latest first, that hold the latest `count` decisions that pass, or
        all.
    """
    since = which.since
    until = min((at for at in (until, which.until) if at is not None), default=None)

    def inside(column: ColumnElement[int]) -> list[ColumnElement[bool]]:
        found = [] if since is None else [column > since - HOUR]
        return found if until is None else [*found, column < until]

    sums = which.sums.c
    # One each, but for the first and the last, of which a part is wanted.
    most = count + 2
    query = select(sums.hour).where(*which.equal(which.sums), *inside(sums.hour))
    query = query.group_by(sums.hour).order_by(sums.hour.desc()).limit(most)
    passing = (await connection.execute(query)).scalars().all()
    if len(passing) == most:
        since = passing[-1]
    known = known_hours(*inside(rolled.c.hour))
    others = (hour for hour in (await connection.execute(known)).scalars() if hour not in passing)
    return gaps(since, until, list(others))[::-1]


async def keep_rolling(engine: AsyncEngine) -> None:
    """Roll up hours as they come to be over, until cancelled."""
    while True:
        try:
            while await unbroken(roll_up(engine, now=time.time_ns() // 1000)):
                await asyncio.sleep(0)
        except (SQLAlchemyError, OSError) as error:
            log.warning("%s", storage_error(error, "hours could not be rolled up"))
        await asyncio.sleep(_PAUSE)
