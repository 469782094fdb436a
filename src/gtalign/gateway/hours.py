"""Hours of decisions rolled up, so that a month is summed from hundreds of rows, not a million."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Label, case, func, insert, literal, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gtalign.gateway.store import storage_error
from gtalign.gateway.tables import GROUPS, decisions, hours, rolled

log = logging.getLogger(__name__)

HOUR: Final = 3600 * 1_000_000
"""Microseconds."""

SETTLED: Final = HOUR
"""So long after its end an hour is rolled up: its answers are complete by then."""

_AT_ONCE: Final = 4  # hours of one transaction, which holds up the writer
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
    async with engine.connect() as connection:
        first = (await connection.execute(select(func.min(decisions.c.at)))).scalar()
        known = set((await connection.execute(select(rolled.c.hour))).scalars())
    if first is None:
        return 0
    over = range(first // HOUR * HOUR, (now - SETTLED) // HOUR * HOUR, HOUR)
    chosen = [hour for hour in over if hour not in known][:_AT_ONCE]
    if not chosen:
        return 0
    c = decisions.c
    groups = [c[name] for name in GROUPS]
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(rolled), [{"hour": hour} for hour in chosen])
            for hour in chosen:
                summed = select(literal(hour), *groups, *measures()).group_by(*groups)
                inside = summed.where(c.at >= hour, c.at < hour + HOUR)
                columns = ["hour", *GROUPS, *(measure.name for measure in measures())]
                await connection.execute(insert(hours).from_select(columns, inside))
    except IntegrityError:  # another process on the database has just done it
        log.debug("hours were rolled up elsewhere")
    return len(chosen)


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
