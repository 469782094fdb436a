"""The one writer of decisions: records that arrive at the same time share a transaction."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gtalign.errors import StorageError
from gtalign.gateway.store.database import storage_error
from gtalign.gateway.store.expiry import WallTime
from gtalign.gateway.store.sink import sink_of
from gtalign.gateway.store.tables import texts

log = logging.getLogger(__name__)

RETRY: Final = 1.0
"""Seconds between attempts while the store is down."""

CLEANING: Final = 60.0
"""Seconds between deletions of texts whose time is over."""

KEPT: Final = 20_000
"""Most records that wait for a store that is down; later ones are dropped and counted."""


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one answer; a later record of the same id takes its place.

    Args:
        row: Row of `tables.decisions`, every column.
        texts: Rows of `tables.texts`, where texts are kept.
        dry_runs: Rows of `tables.dry_runs`.
    """

    row: Mapping[str, Any]
    texts: Mapping[str, Any] | None = None
    dry_runs: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class _Waiting:
    record: Record
    written: asyncio.Future[None]
    keep: bool


class AuditWriter:
    """Writes records in the order in which they come, in batches.

    While one transaction is committed, the records that come in the meantime gather for the next:
    the busier it is, the larger they are, and none waits for a clock.

    Args:
        engine: The store.
        batch: Most records of one transaction.
        retry: Seconds between attempts while the store is down.

    Attributes:
        down: Why the store cannot be written; None while it can.
        written: Records that were committed.
        dropped: Records that were lost while the store was down.
    """

    def __init__(self, engine: AsyncEngine, *, batch: int = 512, retry: float = RETRY) -> None:
        self.down: str | None = None
        self.written = 0
        self.dropped = 0
        self._engine = engine
        self._batch = batch
        self._retry = retry
        self._queue: deque[_Waiting] = deque()
        self._writing: list[_Waiting] = []
        self._kept: dict[str, Record] = {}  # what waits for the store to come back, by id
        self._wake = asyncio.Event()
        self._closing = False
        self._cleaned = 0.0
        self._wall = WallTime()
        self._sink = sink_of(engine)
        self._task = asyncio.create_task(self._run(), name="audit-writer")

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._writing) + len(self._queue) + len(self._kept)

    def put(self, record: Record, *, keep: bool = False) -> "asyncio.Future[None]":
        """Hand over a record; the future is done when it is committed.

        Args:
            record: Record to write.
            keep: Try again later if the store is down: the answer is out, and its record must not
                be lost. The future fails all the same.

        The future raises StorageError if the record was not written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whether anyone waits for it or not, a failure is logged here, not by the event loop.
        written.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._task.done():
            written.set_exception(StorageError("the audit store is closed"))
            return written
        self._queue.append(_Waiting(record, written, keep))
        self._wake.set()
        return written

    async def settled(self) -> None:
        """Wait until every record handed over so far was written, or could not be."""
        pending = [waiting.written for waiting in (*self._writing, *self._queue)]
        await asyncio.gather(*pending, return_exceptions=True)

    async def close(self) -> None:
        """Write what is left, and end."""
        self._closing = True
        self._wake.set()
        await self._task
        if self._kept:
            self.dropped += len(self._kept)
            log.error(
                "audit store: %d records could not be written: %s", len(self._kept), self.down
            )

    async def _run(self) -> None:
        try:
            await self._serve()
        finally:  # nobody waits for a writer that is gone
            for waiting in self._queue:
                if not waiting.written.done():
                    waiting.written.set_exception(StorageError("the audit store is closed"))
            self._queue.clear()
            await self._sink.aclose()

    async def _serve(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._retry if self.down else CLEANING):
                    await self._wake.wait()
            except TimeoutError:
                pass  # time to look after the store
            self._wake.clear()
            while self._queue:
                await self._write_next()
            if self._kept or self.down:
                await self._recover()
            await self._clean()
            if self._closing and not self._queue and (self.down or not self._kept):
                return

    async def _write_next(self) -> None:
        size = min(len(self._queue), self._batch)
        batch = self._writing = [self._queue.popleft() for _ in range(size)]
        # What waits for the store is older than what has come since.
        for waiting in batch:
            self._kept.pop(str(waiting.record.row["id"]), None)
        latest = {str(waiting.record.row["id"]): waiting.record for waiting in batch}
        try:
            await self._commit(list(latest.values()))
        except StorageError as error:
            self._failed(batch, error)
            return
        finally:
            self._writing = []
        self.written += len(batch)
        self._up()
        for waiting in batch:
            if not waiting.written.done():
                waiting.written.set_result(None)

    def _failed(self, batch: Sequence[_Waiting], error: StorageError) -> None:
        if self.down is None:
            log.error("decisions cannot be written: %s", error)
        self.down = str(error)
        for waiting in batch:
            if waiting.keep and len(self._kept) < KEPT:
                self._kept[str(waiting.record.row["id"])] = waiting.record
            elif waiting.keep:
                self.dropped += 1
            if not waiting.written.done():
                waiting.written.set_exception(StorageError(str(error)))

    async def _recover(self) -> None:
        """See whether the store is back, and write what has waited for it."""
        kept = list(self._kept.items())[: self._batch]
        try:
            await self._commit([record for _, record in kept])
        except StorageError as error:
            self.down = str(error)
            return
        for name, record in kept:
            if self._kept.get(name) is record:
                del self._kept[name]
        self.written += len(kept)
        self._up()
        if self._kept:
            self._wake.set()

    def _up(self) -> None:
        if self.down is not None:
            log.warning("decisions can be written again")
        self.down = None

    async def _commit(self, records: Sequence[Record]) -> None:
        rows = [record.row for record in records]
        kept = [record.texts for record in records if record.texts is not None]
        tried = [row for record in records for row in record.dry_runs]
        await self._sink.write(rows, kept, tried)

    async def _clean(self) -> None:
        """Delete the texts whose time is over."""
        now, over = time.monotonic(), self._wall()
        if self.down or self._closing or now - self._cleaned < CLEANING:
            return
        self._cleaned = now
        try:
            async with self._engine.begin() as connection:
                gone = await connection.execute(delete(texts).where(texts.c.until < over))
        except (SQLAlchemyError, OSError) as error:
            log.warning("%s", storage_error(error, "old texts could not be deleted"))
            return
        if gone.rowcount:
            log.info(
                "deleted the texts of %d answers, which were kept for audit.text_days",
                gone.rowcount,
            )
