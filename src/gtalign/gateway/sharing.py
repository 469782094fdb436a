"""Limits, quotas and budgets that all processes on a PostgreSQL have in common.

A row of the store holds what is shared of a key or a policy (`store.uses`). The process that locks
it knows all of it, so that all processes together let in what one would. Requests that come at the
same time share a transaction, as records do: a lock, a change and a commit, however many they are.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.errors import StorageError
from gtalign.gateway.batch import Batch, Entry, Taken
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import Key
from gtalign.gateway.limits import Limits, LimitState, Place
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.database import BUSY, storage_error, transaction
from gtalign.gateway.store.processes import depart
from gtalign.gateway.store.uses import locked, of_key, of_policy, read_spent, save

log = logging.getLogger(__name__)

_WHAT: Final = "limits that are shared cannot be counted"
_MOST: Final = 512  # requests that one transaction lets in
_RETRY: Final = 0.2  # seconds until what could not be counted is tried again
# A crash of PostgreSQL may undo less than a second of it, which is counted again from the records.
_LOOSE: Final = text("SET synchronous_commit = off")
_OUTCOME: Final = text("SELECT txid_status(:transaction)")


class SharedLimits(Limits):
    """Limits that hold over all processes on a PostgreSQL.

    Args:
        config: Configuration of the gateway.
        engine: The store.
        process: Id of this process.
        exact: The policies whose budgets are looked up for each request.
    """

    def __init__(
        self,
        config: GatewayConfig,
        engine: AsyncEngine,
        process: str,
        exact: Callable[[], Collection[str]],
    ) -> None:
        super().__init__(config.limits, today=self._date)
        self.leads = False
        self._engine = engine
        self._process = process
        self._exact = exact
        self._passes = config.audit.when_down == "pass"
        self._patience = float(engine.sync_engine.get_execution_options()[BUSY])
        self._ahead = 0.0  # seconds by which PostgreSQL's clock is ahead of ours
        self._next = Batch()
        self._entries: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._closing = self._down = False
        self._connection: AsyncConnection | None = None
        self._transaction: int | None = None  # that is being committed
        self._doubtful: tuple[int, Batch] | None = None  # nobody said whether it was committed
        self._task = asyncio.create_task(self._run(), name="shared-limits")

    async def _enter(self, key: Key) -> Place:
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._use(key)
        self._entries.append(Entry(key, let_in))
        self._wake.set()
        try:
            await let_in
        except StorageError:
            if not self._passes:
                raise
            await super()._enter(key)  # by what this process knows
        except asyncio.CancelledError:
            if not let_in.cancelled() and let_in.exception() is None:  # it was let in just now
                self._left(key)
            raise

        async def leave() -> None:
            self._left(key)
            await self.flush()

        return Place(leave)

    def _left(self, key: Key) -> None:
        self._uses[key.id].running -= 1
        self._next.changed.add(of_key(key.id))
        self._wake.set()

    async def flush(self) -> None:
        """Wait until all so far is counted, or cannot be just now."""
        if self._task.done():
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.waiting.append(done)
        self._wake.set()
        await done

    def spend(self, key: Key, spent: Spent, policy: str = "") -> None:
        """Count what an answer took, for its key and for its policy."""
        super().spend(key, spent, policy)
        taken = self._next.taken
        taken.setdefault(of_key(key.id), []).append(Taken(key, spent))
        taken.setdefault(of_policy(policy), []).append(Taken(None, spent))
        self._wake.set()

    def remember(self, key_id: str, spent: Spent) -> None:
        """Raise what a key has spent in this month to what the store holds of it."""
        super().remember(key_id, spent)
        self._next.least[of_key(key_id)] = spent
        self._wake.set()

    def remember_policy(self, name: str, spent: Spent) -> None:
        """Raise what was spent under a policy in this month to what the store holds of it."""
        super().remember_policy(name, spent)
        self._next.least[of_policy(name)] = spent
        self._wake.set()

    async def look(self) -> None:
        """See what all processes have spent, of every key and policy.

        Raises:
            StorageError: The store cannot be read.
        """
        async with transaction(self._engine, _WHAT) as connection:
            self._see(await read_spent(connection))

    def tell_again(self) -> None:
        """Tell the others of all requests in flight here, which they have given up."""
        self._next.changed |= {of_key(name) for name, use in self._uses.items() if use.running}
        self._wake.set()

    async def aclose(self) -> None:
        """Count what is left, and take this process off the list of those that share."""
        self._closing = True
        self._wake.set()
        await self._task
        with suppress(StorageError):  # the others find out by themselves
            await depart(self._engine, self._process)

    async def _run(self) -> None:
        try:
            while not self._closing or self._wake.is_set():
                await self._wake.wait()
                self._wake.clear()
                if not await self._commit(self._gathered()):
                    if self._closing:
                        return
                    await asyncio.sleep(_RETRY)
        finally:
            for entry in self._entries:
                _end(entry.let_in, StorageError("the audit store is closed"))
            for done in self._next.waiting:
                _end(done)
            await self._disconnect()

    def _gathered(self) -> Batch:
        """What the next transaction does."""
        batch, self._next = self._next, Batch()
        size = min(len(self._entries), _MOST)
        batch.entries = [self._entries.popleft() for _ in range(size)]
        if self._entries:
            self._wake.set()
        return batch

    async def _commit(self, batch: Batch) -> bool:
        """Do what a batch says, and tell those who wait; returns whether it could be done."""
        told: list[APIError | None] = []
        try:
            if batch.owners or self._doubtful is not None:
                async with asyncio.timeout(self._patience):
                    told = await self._counted(batch)
        except (SQLAlchemyError, OSError) as error:
            await self._failed(batch, error)
            return False
        if self._down:
            log.warning("limits that are shared can be counted again")
        self._down = False
        for entry, refusal in zip(batch.entries, told, strict=True):
            if refusal is None:
                self._uses[entry.key.id].running += 1
                if entry.let_in.done():  # its client has left
                    self._left(entry.key)
            _end(entry.let_in, refusal)
        for done in batch.waiting:
            _end(done)
        return True

    async def _failed(self, batch: Batch, error: Exception) -> None:
        failure = storage_error(error, _WHAT)
        if not self._down:
            log.error("%s", failure)
        self._down = True
        if self._transaction is not None:
            self._doubtful, self._transaction = (self._transaction, batch), None
        else:
            self._next.take_over(batch)
        self._wake.set()
        await self._disconnect()
        for entry in batch.entries:
            _end(entry.let_in, failure)
        for done in batch.waiting:
            _end(done)

    async def _counted(self, batch: Batch) -> list[APIError | None]:
        """Do what a batch says in one transaction; returns for each request why it is refused."""
        connection = await self._connected()
        await self._settle_doubt(connection, batch)
        async with connection.begin():
            rows = await locked(connection, batch.owners)
            told = batch.apply(rows, self.settings, self._process, self._running)
            await save(connection, rows.values())
            exact = [of_policy(name) for name in self._exact()] if batch.entries else []
            seen = await read_spent(connection, exact) if exact else []
            self._transaction = next((row.transaction for row in rows.values()), None)
        self._transaction = None
        for row in rows.values():
            self._ahead = row.now - time.time()
        self._see([(row.owner, row.month, row.spent) for row in rows.values()] + seen)
        return told

    async def _settle_doubt(self, connection: AsyncConnection, batch: Batch) -> None:
        """Do again what the connection broke off amid a commit, unless it was committed.

        Raises:
            OSError: It is being committed still.
        """
        if self._doubtful is None:
            return
        transaction, before = self._doubtful
        async with connection.begin():
            outcome = (await connection.execute(_OUTCOME, {"transaction": transaction})).scalar()
        if outcome == "in progress":
            raise OSError("a transaction before this has not ended")
        self._doubtful = None
        if outcome == "committed":
            before.taken.clear()
        batch.take_over(before)

    def _running(self, owner: str) -> int:
        use = self._uses.get(owner.removeprefix("key:"))
        return 0 if use is None else use.running

    def _see(self, seen: Iterable[tuple[str, int, Spent]]) -> None:
        """Take what all have spent in the place of what this process knows."""
        for owner, month, spent in seen:
            kind, _, name = owner.partition(":")
            uses = self._uses if kind == "key" else self._policies
            for taken in self._next.taken.get(owner, ()):
                spent += taken.spent
            uses.setdefault(name, LimitState()).spent[divmod(month, 100)] = spent

    def _date(self) -> date:
        return datetime.fromtimestamp(time.time() + self._ahead, UTC).date()

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._engine.connect()
            async with self._connection.begin():
                await self._connection.execute(_LOOSE)
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, OSError):
                await connection.invalidate()
                await connection.close()


def _end(future: "asyncio.Future[None]", error: Exception | None = None) -> None:
    """Let those go on who wait, unless they have left."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
