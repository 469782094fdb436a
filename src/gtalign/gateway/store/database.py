"""The database of the audit store: open it, run transactions, and explain its failures."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gtalign.errors import ConfigError, StoreError
from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.tables import changes, metadata, versions

T = TypeVar("T")

log = logging.getLogger(__name__)

VERSION: Final = 8
"""Of the tables."""


_DRIVERS: Final = {
    "sqlite": ("sqlite+aiosqlite://", "serve"),
    "postgresql": ("postgresql+asyncpg://", "serve,postgres"),
}
"""How the address of each kind of database begins, and the extras that it takes."""

BUSY: Final = "busy_seconds"
"""Execution option of SQLite's engine: how long to wait for a database that is locked."""

CONNECTIONS: Final = 15
"""Most connections to PostgreSQL that one process opens."""

_KEPT: Final = 5  # of them stay open
_LOCK: Final = 0x677461_6C69676E  # a number that nothing else locks in PostgreSQL
_AGAIN: Final = 0.01  # seconds
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")


async def open_store(settings: AuditSettings) -> AsyncEngine:
    """Open the database, and make its tables if there are none.

    Raises:
        ConfigError: The database is of no known kind, or holds tables of another version.
        StorageError: It cannot be opened.
    """
    engine = _engine(settings)
    try:
        await _connected(engine, settings.busy_seconds)
        async with engine.begin() as connection:
            version = await _version(connection, settings.database)
        if version is None:
            async with engine.begin() as connection:
                await _make(connection, settings.database)
    except (SQLAlchemyError, OSError) as error:
        await engine.dispose()
        raise storage_error(error, f"{_shown(settings.database)} cannot be opened") from error
    except BaseException:
        await engine.dispose()
        raise
    return engine


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Do work on the store to its end, even if the task that waits for it is cancelled meanwhile.

    A statement that is broken off leaves the driver's thread with a result that nobody takes, and
    when the gateway stops, the loop that it belongs to may be closed by then.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


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
    pool: dict[str, Any] = {"connect_args": {"timeout": settings.busy_seconds}}
    if not lite:
        pool = {"pool_pre_ping": True, "pool_size": _KEPT, "max_overflow": CONNECTIONS - _KEPT}
    try:
        engine = create_async_engine(url, execution_options={BUSY: settings.busy_seconds}, **pool)
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


async def _version(connection: AsyncConnection, database: str) -> int | None:
    """The version of the tables; None if there are none, or not all.

    Raises:
        ConfigError: They are of another version than those of this gtalign.
    """
    if not await connection.run_sync(lambda sync: inspect(sync).has_table(versions.name)):
        return None
    version = (await connection.execute(select(versions.c.version))).scalar()
    if version is None:  # whoever made them did not come to the end
        return None
    if version > VERSION:
        raise ConfigError(
            f"{_shown(database)} has version {version}; this gtalign knows {VERSION}:"
            " install a later one"
        )
    if version < VERSION:
        raise ConfigError(
            f"{_shown(database)} has version {version}, which no release of gtalign wrote; this one"
            f" knows {VERSION}: move it away, or name another database"
        )
    return int(version)


async def _make(connection: AsyncConnection, database: str) -> None:
    """Make the tables, alone and at once, for other processes may start at the same time."""
    lite = connection.dialect.name == "sqlite"
    alone = "BEGIN IMMEDIATE" if lite else f"SELECT pg_advisory_xact_lock({_LOCK})"
    await connection.exec_driver_sql(alone)
    if await _version(connection, database) is not None:
        return  # another process has made them
    await connection.run_sync(metadata.create_all)
    counted = set((await connection.execute(select(changes.c.what))).scalars())
    for what in {"keys", "policies"} - counted:
        await connection.execute(insert(changes).values(what=what, count=0))
    await connection.execute(insert(versions).values(version=VERSION))
    log.info("made the tables of %s, version %d", _shown(database), VERSION)


def _shown(database: str) -> str:
    """The database for messages: a URL without its password."""
    if "://" not in database:
        return database
    return make_url(database).render_as_string(hide_password=True)
