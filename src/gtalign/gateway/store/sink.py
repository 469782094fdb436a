"""Write batches of records: each is one transaction, which is on disk when `write` returns."""

import asyncio
import os
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, Protocol

from sqlalchemy import Table, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gtalign.gateway.store.database import BUSY, prepare, storage_error
from gtalign.gateway.store.hours import hold, hours_of
from gtalign.gateway.store.tables import (
    decisions,
    dry_runs,
    hours,
    key_hours,
    rolled,
    texts,
    versions,
)

Rows = Sequence[Mapping[str, Any]]

_WRITTEN: Final = (decisions, texts, dry_runs)
_WHAT: Final = "a decision could not be written"
_SAME: Final = {versions.c.version.name: versions.c.version}  # a write that changes nothing


class Sink(Protocol):
    """Writes batches, one after the other."""

    async def write(self, rows: Rows, kept: Rows, tried: Rows = ()) -> None:
        """Write rows in the place of those of the same id, in one transaction.

        Args:
            rows: Rows of `tables.decisions`, every column.
            kept: Of `tables.texts`, likewise. With neither, it is seen whether one can write, which
                a full disk allows as long as nothing is.

        Raises:
            StorageError: Nothing was written.
        """

    async def aclose(self) -> None:
        """Let go of the database."""


def sink_of(engine: AsyncEngine) -> Sink:
    """The fastest sink for a store."""
    url = engine.url
    plain = url.get_backend_name() == "sqlite" and not url.query
    return FileSink(engine) if plain and url.database else EngineSink(engine)


class EngineSink:
    """Writes through the store's own engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._upserts = {table: _upsert(dialect, table) for table in _WRITTEN}

    async def write(self, rows: Rows, kept: Rows, tried: Rows = ()) -> None:
        """Write a batch."""
        try:
            async with self._engine.begin() as connection:
                if not rows:
                    await connection.execute(update(versions).values(_SAME))
                await hold(connection, hours_of(rows), alone=False)
                for table, batch in zip(_WRITTEN, (rows, kept, tried), strict=True):
                    if batch:
                        await connection.execute(self._upserts[table], [dict(row) for row in batch])
                for hour in hours_of(rows):
                    undone = await connection.execute(delete(rolled).where(rolled.c.hour == hour))
                    for sums in (hours, key_hours) if undone.rowcount else ():
                        await connection.execute(delete(sums).where(sums.c.hour == hour))
        except (SQLAlchemyError, OSError, OverflowError, ValueError) as error:
            raise storage_error(error, _WHAT) from error

    async def aclose(self) -> None:
        """The engine is the store's."""


class FileSink:
    """Writes to a file of SQLite in a thread of its own.

    A transaction is one trip to the thread, where the engine takes one for each statement, and
    each trip costs as much as the statement. The statements are those of the engine.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._path = str(engine.url.database)
        self._busy = float(engine.sync_engine.get_execution_options()[BUSY])
        self._upserts = {table: _compiled(table) for table in _WRITTEN}
        self._connection: sqlite3.Connection | None = None
        self._file = self._on_disk()
        self._thread = ThreadPoolExecutor(1, "audit-writer")

    async def write(self, rows: Rows, kept: Rows, tried: Rows = ()) -> None:
        """Write a batch."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._write, rows, kept, tried)
        except (sqlite3.Error, OSError, OverflowError, ValueError) as error:
            raise storage_error(error, _WHAT) from error

    async def aclose(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _write(self, rows: Rows, kept: Rows, tried: Rows) -> None:
        # SQLite would continue to write to a deleted file, which nobody can read.
        if self._on_disk() != self._file:
            raise FileNotFoundError(f"{self._path} was deleted or replaced: restart the gateway")
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, timeout=self._busy, isolation_level=None)
            prepare(self._connection)
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for table, batch in zip(_WRITTEN, (rows, kept, tried), strict=True):
                statement, names = self._upserts[table]
                connection.executemany(statement, [[row[n] for n in names] for row in batch])
            if not rows:
                connection.execute(f"UPDATE {versions.name} SET version = version")
            for hour in hours_of(rows):
                undone = connection.execute(f"DELETE FROM {rolled.name} WHERE hour = ?", [hour])
                for sums in (hours, key_hours) if undone.rowcount else ():
                    connection.execute(f"DELETE FROM {sums.name} WHERE hour = ?", [hour])
            connection.execute("COMMIT")
        except BaseException:
            self._close()  # which rolls back; the next batch opens it anew
            raise

    def _on_disk(self) -> tuple[int, int]:
        found = os.stat(self._path)
        return found.st_dev, found.st_ino

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _upsert(dialect: Any, table: Table) -> Any:
    statement = dialect.insert(table)
    others = {c.name: statement.excluded[c.name] for c in table.c if not c.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


@cache
def _compiled(table: Table) -> tuple[str, tuple[str, ...]]:
    """An upsert in the words of SQLite, and the columns of its values in their order."""
    compiled = _upsert(sqlite, table).compile(dialect=sqlite.dialect())
    return str(compiled), tuple(compiled.positiontup)
