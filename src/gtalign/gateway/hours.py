"""Hours of decisions rolled up, so that a month is summed from hundreds of rows, not a million."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Label, case, func, insert, literal, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.gateway.store import storage_error
from gtalign.gateway.tables import GROUPS, decisions, hours, rolled

log = logging.getLogger(__name__)

HOUR: Final = 3600 * 1_000_000
"""Microseconds."""

SETTLED: Final = HOUR
"""So long after its end an hour is rolled up: its answers are complete by then."""

_AT_ONCE: Final = 4  # hours with decisions of one transaction, which holds up the writer
_MOST: Final = 5000  # hours of one transaction
_PAUSE: Final = 60.0  # seconds between looks for hours that are over


def measures() -> list[Label[Any]]:
    """What is summed of decisions, by the names of the columns of `tables.hours`."""
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
        func.sum(c.added_ms).label("added"),
        func.count(c.added_ms).label("timed"),
    ]


async def roll_up(engine: AsyncEngine, *, now: int) -> int:
    """Roll up some of the hours that are over and were not; returns their number.

    Raises:
        SQLAlchemyError: The store cannot be written.
    """
    c = decisions.c
    async with engine.connect() as connection:
        chosen, held = await _chosen(connection, now)
    if not chosen:
        return 0
    groups = [c[name] for name in GROUPS]
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(rolled), [{"hour": hour} for hour in chosen])
            for hour in held:
                summed = select(literal(hour), *groups, *measures()).group_by(*groups)
                inside = summed.where(c.at >= hour, c.at < hour + HOUR)
                columns = ["hour", *GROUPS, *(measure.name for measure in measures())]
                await connection.execute(insert(hours).from_select(columns, inside))
    except IntegrityError:  # another process on the database has just done it
        log.debug("hours were rolled up elsewhere")
    return len(chosen)


async def _chosen(connection: AsyncConnection, now: int) -> tuple[list[int], list[int]]:
    """Hours to roll up next, and those of them that hold decisions; the others take no time."""

    async def next_from(at: int) -> int | None:
        earliest = select(func.min(decisions.c.at)).where(decisions.c.at >= at)
        found: int | None = (await connection.execute(earliest)).scalar()
        return found

    following = await next_from(0)
    if following is None:
        return [], []
    known = set((await connection.execute(select(rolled.c.hour))).scalars())
    chosen: list[int] = []
    held: list[int] = []
    for hour in range(following // HOUR * HOUR, (now - SETTLED) // HOUR * HOUR, HOUR):
        if hour in known:
            continue
        if following is not None and following < hour:
            following = await next_from(hour)
        if following is not None and following < hour + HOUR:
            held.append(hour)
        chosen.append(hour)
        if len(held) == _AT_ONCE or len(chosen) == _MOST:
            break
    return chosen, held


def late(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Hours of rows that come so late that theirs may be rolled up: those have to be done anew."""
    before = time.time_ns() // 1000 - SETTLED
    return sorted({row["at"] // HOUR * HOUR for row in rows if row["at"] < before})


async def keep_rolling(engine: AsyncEngine) -> None:
    """Roll up hours as they come to be over, until cancelled."""
    while True:
        try:
            while await roll_up(engine, now=time.time_ns() // 1000):
                await asyncio.sleep(0)
        except (SQLAlchemyError, OSError) as error:
            log.warning("%s", storage_error(error, "hours could not be rolled up"))
        await asyncio.sleep(_PAUSE)
