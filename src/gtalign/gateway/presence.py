"""A process among those that share limits: it shows that it is alive, and buries the others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gtalign.errors import StorageError
from gtalign.gateway.sharing import SharedLimits
from gtalign.gateway.store.database import unbroken
from gtalign.gateway.store.processes import beat, bury

log = logging.getLogger(__name__)

BEAT: Final = 2.0
"""Seconds between two signs of life."""


async def keep_present(
    engine: AsyncEngine,
    process: str,
    limits: SharedLimits,
    killed: Iterable[str],
    recount: Callable[[], Awaitable[None]],
) -> None:
    """Show that a process is alive, and give up what killed ones held, until cancelled.

    Args:
        engine: The store.
        process: Id of this process.
        limits: Its limits.
        killed: Ids of processes that are known to have ended so.
        recount: Counts again what is spent, once answers were lost.
    """
    dead, down = set(killed), False
    while True:
        try:
            known, silent = await unbroken(beat(engine, process))
            limits.leads = silent is not None
            if not known:  # it is new, or the others have given it up
                limits.tell_again()
            if await unbroken(bury(engine, dead | set(silent or ()))):
                await recount()
            dead.clear()
            down = False
        except StorageError as error:
            if not down:
                log.warning("%s", error)
            down = True
        await asyncio.sleep(BEAT)
