"""Opening the audit store: its database, its tables, and their version."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event, insert, inspect, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gtalign.errors import ConfigError, StorageError
from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.tables import (
    SIEVE,
    changes,
    hours,
    key_hours,
    metadata,
    rolled,
    versions,
)

log = logging.getLogger(__name__)

Migration = Callable[[AsyncConnection], Awaitable[None]]


async def _first(connection: AsyncConnection) -> None:
    await connection.run_sync(metadata.create_all)


async def _second(connection: AsyncConnection) -> None:
    """Look through decisions by one index of all filters, roll up hours, count changes."""

    def change(sync: Connection) -> None:
        for table in (changes, hours, rolled):
            table.create(sync, checkfirst=True)
        SIEVE.create(sync, checkfirst=True)

    await connection.run_sync(change)
    await connection.exec_driver_sql("DROP INDEX IF EXISTS decisions_at")
    # The first migration may have made the table, or an earlier attempt, which was not undone.
    there = set((await connection.execute(select(changes.c.what))).scalars())
    for what in {"keys", "policies"} - there:
        await connection.execute(insert(changes).values(what=what, count=0))


async def _third(connection: AsyncConnection) -> None:
    """Roll hours up by everything that decisions are filtered by: all of them anew."""

    def change(sync: Connection) -> None:
        for table in (rolled, hours, key_hours):  # the first says what the others hold
            table.drop(sync, checkfirst=True)
        for table in (hours, key_hours, rolled):
            table.create(sync)

    await connection.run_sync(change)


MIGRATIONS: Final[tuple[Migration, ...]] = (_first, _second, _third)
"""What brings the tables from each version to the next. Only ever appended to. The first makes what
`tables` describes now, so that the others find what they bring there already in a new store."""

_DRIVERS: Final = {
    "sqlite": ("sqlite+aiosqlite://", "serve"),
    "postgresql": ("postgresql+asyncpg://", "serve,postgres"),
}
"""How the address of each kind of database begins, and the extras that it takes."""

BUSY: Final = "busy_seconds"
"""Execution option of SQLite's engine: how long to wait for a database that is locked."""

_LOCK: Final = 0x677461_6C69676E  # a number that nothing else locks in PostgreSQL
_AGAIN: Final = 0.01  # seconds
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")


class StoreError(StorageError):
    """The audit store failed.

    Args:
        what: What could not be done.
        reason: Of the database, without a statement and its values.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"the audit store: {what}: {reason}")
        self.what = what


async def open_store(
    settings: AuditSettings, migrations: Sequence[Migration] = MIGRATIONS
) -> AsyncEngine:
    """Open the database, and bring its tables up to this version.

    Raises:
        ConfigError: The database is of no known kind, or was written by a later version.
        StorageError: It cannot be opened.
    """
    engine = _engine(settings)
    try:
        await _connected(engine, settings.busy_seconds)
        async with engine.begin() as connection:
            version = await _version(connection, len(migrations), settings.database)
        if version < len(migrations):
            async with engine.begin() as connection:
                await _migrate(connection, migrations, settings.database)
    except (SQLAlchemyError, OSError) as error:
        await engine.dispose()
        raise storage_error(error, f"{_shown(settings.database)} cannot be opened") from error
    except BaseException:
        await engine.dispose()
        raise
    return engine


@asynccontextmanager
async def transaction(engine: AsyncEngine, what: str) -> AsyncGenerator[AsyncConnection, None]:
    """One transaction; what fails in it says what could not be done.

    Raises:
        StorageError: The database refused or was not there.
    """
    try:
        async with engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, OSError) as error:
        raise storage_error(error, what) from error


@asynccontextmanager
async def snapshot(engine: AsyncEngine, what: str) -> AsyncGenerator[AsyncConnection, None]:
    """One transaction that reads the store as it is when it begins to.

    Raises:
        StorageError: The database refused or was not there.
    """
    lite = engine.dialect.name == "sqlite"
    begin = "BEGIN" if lite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    async with transaction(engine, what) as connection:
        await connection.exec_driver_sql(begin)
        yield connection


def storage_error(error: Exception, what: str) -> StoreError:
    """The error of a database in our words: its reason without the statement and its values."""
    reason = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return StoreError(what, f"{type(reason).__name__}: {reason}")


def prepare(connection: Any) -> None:
    """Set up a new connection to a file of SQLite."""
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _engine(settings: AuditSettings) -> AsyncEngine:
    address = settings.database
    if "://" not in address:
        Path(address).parent.mkdir(parents=True, exist_ok=True)
        address = f"sqlite+aiosqlite:///{address}"
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:  # the second of a port that is no number
        raise ConfigError(f"audit.database: no address of a database: {error}") from error
    kind = url.get_backend_name()
    lite = kind == "sqlite"
    if kind not in _DRIVERS:
        known = ", ".join(begin for begin, _ in _DRIVERS.values())
        raise ConfigError(f"audit.database: {kind} is not known; {known} are")
    try:
        engine = create_async_engine(
            url,
            connect_args={"timeout": settings.busy_seconds} if lite else {},
            execution_options={BUSY: settings.busy_seconds},
            pool_pre_ping=not lite,
        )
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        begin, extras = _DRIVERS[kind]
        raise ConfigError(
            f"audit.database: {error}; {kind} is reached by {begin}..., with gtalign[{extras}]"
            " installed"
        ) from error
    if lite:

        @event.listens_for(engine.sync_engine, "connect")
        def connected(connection: Any, record: object) -> None:
            prepare(connection)

    return engine


async def _connected(engine: AsyncEngine, seconds: float) -> None:
    """Connect for the first time.

    The first process to open a file of SQLite changes its journal, and one that does so at the same
    time is refused without a wait.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while True:
        try:
            async with engine.connect():
                return
        except OperationalError as error:
            busy = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            if not busy or clock() > end:
                raise
        await asyncio.sleep(_AGAIN)


async def _version(connection: AsyncConnection, latest: int, database: str) -> int:
    """The version of the tables that are there; 0 if there are none."""
    known = await connection.run_sync(lambda sync: inspect(sync).has_table(versions.name))
    version = 0
    if known:
        # Without a row, an earlier gtalign, whose tables were committed one by one, was ended then.
        version = int((await connection.execute(select(versions.c.version))).scalar() or 0)
    if version > latest:
        raise ConfigError(
            f"{_shown(database)} has version {version}; this gtalign knows {latest}:"
            " install a later one"
        )
    return version


async def _migrate(
    connection: AsyncConnection, migrations: Sequence[Migration], database: str
) -> None:
    """Bring the tables up, alone and at once: other processes may start at the same time."""
    lite = connection.dialect.name == "sqlite"
    alone = "BEGIN IMMEDIATE" if lite else f"SELECT pg_advisory_xact_lock({_LOCK})"
    await connection.exec_driver_sql(alone)
    version = await _version(connection, len(migrations), database)
    for number, migration in enumerate(migrations[version:], version + 1):
        await migration(connection)
        log.info("%s brought to version %d", _shown(database), number)
    if version == 0:
        await connection.execute(insert(versions).values(version=len(migrations)))
    elif version < len(migrations):
        await connection.execute(update(versions).values(version=len(migrations)))


def _shown(database: str) -> str:
    """The database for messages: a URL without its password."""
    if "://" not in database:
        return database
    return make_url(database).render_as_string(hide_password=True)
