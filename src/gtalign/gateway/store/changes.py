"""Watch for changes that other processes on the same database make to keys and policies."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.errors import StorageError
from gtalign.gateway.store.database import transaction, unbroken
from gtalign.gateway.store.tables import changes

log = logging.getLogger(__name__)

What = Literal["keys", "policies"]
Reload = Callable[[], Awaitable[None]]

_WHAT: Final = "changes of keys and policies cannot be seen"


async def changed(connection: AsyncConnection, what: What) -> None:
    """Count a change, in the transaction that makes it.

    Done first, it keeps other processes from changing any before the transaction ends: what is read
    after it stays as it is until then.
    """
    counted = update(changes).where(changes.c.what == what)
    await connection.execute(counted.values(count=changes.c.count + 1))


async def watch(engine: AsyncEngine, reloads: Mapping[What, Reload], seconds: float) -> None:
    """Look for changes every so many seconds, and read anew what was changed, until cancelled.

    While the store cannot be read, what is known stays good.
    """
    known: dict[str, int] = {}
    down = False
    while True:
        try:
            await unbroken(_look(engine, reloads, known))
            down = False
        except (StorageError, LookupError, ValueError) as error:  # or what is there is no key
            if not down:
                ours = isinstance(error, StorageError)
                log.warning("%s", error if ours else f"{_WHAT}: {error!r}")
            down = True
        await asyncio.sleep(seconds)


async def _look(engine: AsyncEngine, reloads: Mapping[What, Reload], known: dict[str, int]) -> None:
    async with transaction(engine, _WHAT) as connection:
        rows = (await connection.execute(select(changes.c.what, changes.c.count))).all()
    found = {what: count for what, count in rows}
    for what, reload in reloads.items():
        if found.get(what) != known.get(what, -1):  # at first, all is read again
            await reload()
            known[what] = found[what]
