"""The processes that share a PostgreSQL, and the end of those that were killed."""

import logging
from collections.abc import Iterable
from secrets import token_hex
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.gateway.store.database import transaction
from gtalign.gateway.store.hours import hold, hours_of
from gtalign.gateway.store.tables import decisions, hours, key_hours, processes, rolled
from gtalign.gateway.store.uses import CLOCK, forget

log = logging.getLogger(__name__)

LOST: Final = 10.0
"""Seconds after which a process that was not heard of counts as killed."""

WHY: Final = "the process ended before the record of the answer was complete"
"""The error of an answer that was lost."""

_WHAT: Final = "the processes on the database cannot be seen"


def new_id() -> str:
    """An id for a process."""
    return token_hex(8)


async def beat(engine: AsyncEngine, id_: str) -> tuple[bool, list[str] | None]:
    """Say that a process is alive.

    Returns:
        Whether the others knew it: if not, they have given up what it held. And the ids of the
        processes that have not been heard of for `LOST` seconds, if this is the one that deals with
        them; else None. It is the one whose id is the least of those that are alive.

    Raises:
        StorageError: The store cannot be reached.
    """
    c = processes.c
    async with transaction(engine, _WHAT) as connection:
        beaten = await connection.execute(update(processes).where(c.id == id_).values(beat=CLOCK))
        if not beaten.rowcount:
            await connection.execute(insert(processes).values(id=id_, beat=CLOCK))
        rows = (await connection.execute(select(c.id, (CLOCK - c.beat) > LOST))).all()
    if id_ != min(other for other, silent in rows if not silent):
        return bool(beaten.rowcount), None
    return bool(beaten.rowcount), [other for other, silent in rows if silent]


async def bury(engine: AsyncEngine, ids: Iterable[str]) -> int:
    """Give up what processes held that are gone, and mark their answers as lost.

    Args:
        engine: The store.
        ids: Their ids. A process that turns out to be alive takes its places again.

    Returns:
        How many of their answers were begun and not ended.

    Raises:
        StorageError: The store cannot be written; nothing was changed.
    """
    marked = 0
    for id_ in ids:
        async with transaction(engine, "a killed process cannot be dealt with") as connection:
            held = await forget(connection, id_)
            lost = await mark_lost(connection, process=id_)
            gone = await connection.execute(delete(processes).where(processes.c.id == id_))
        marked += lost
        if gone.rowcount or lost:
            told = "process %s was killed with %d requests in flight; %d answers are marked as lost"
            log.warning(told, id_, held, lost)
    return marked


async def depart(engine: AsyncEngine, id_: str) -> None:
    """Take a process that ends off the list; it holds nothing any more.

    Raises:
        StorageError: The store cannot be written.
    """
    async with transaction(engine, _WHAT) as connection:
        await forget(connection, id_)
        await connection.execute(delete(processes).where(processes.c.id == id_))


async def mark_lost(
    connection: AsyncConnection, *, process: str | None = None, before: int | None = None
) -> int:
    """Mark answers as lost that were begun and will not end; returns their number.

    Args:
        connection: A transaction.
        process: Those of this process; None for those of any.
        before: Those that were asked for before this time, in microseconds since 1970.
    """
    c = decisions.c
    which = [c.status == "writing"]
    if process is not None:
        which.append(c.process == process)
    if before is not None:
        which.append(c.at < before)
    rows = (await connection.execute(select(c.id, c.at).where(*which))).all()
    if not rows:
        return 0
    ids, over = [id_ for id_, _ in rows], hours_of({"at": at} for _, at in rows)
    await hold(connection, over, alone=False)
    lost = update(decisions).where(c.id.in_(ids), c.status == "writing")
    marked = await connection.execute(lost.values(status="lost", error=WHY))
    for hour in over:  # whose sums are by status
        undone = await connection.execute(delete(rolled).where(rolled.c.hour == hour))
        for sums in (hours, key_hours) if undone.rowcount else ():
            await connection.execute(delete(sums).where(sums.c.hour == hour))
    return int(marked.rowcount)
