"""A cache of replies in one SQLite file that processes share: no request is sent twice.

The key of a reply is a hash of all that determines it: address, model, messages, parameters and
the number of the sample. The random code of the fence is left out of the hash.
"""

import contextlib
import errno
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from gtalign.endpoints.reply import Reply
from gtalign.endpoints.usage import Usage
from gtalign.errors import DataError, StorageError

_OURS: Final = 0x47544A43  # application_id of the file, "GTJC"
_VERSION: Final = 2
_BUSY_SECONDS: Final = 60.0
_EXISTS: Final = "SELECT count(*) FROM sqlite_master"
_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
_CREATE: Final = (
    "CREATE TABLE replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL,"
    " source TEXT NOT NULL DEFAULT '') WITHOUT ROWID"
)
_ADD_SOURCE: Final = "ALTER TABLE replies ADD COLUMN source TEXT NOT NULL DEFAULT ''"
# A key that no request has: the entry is counted and never found.
_FORGET: Final = "UPDATE replies SET key = key || '#' || hex(randomblob(8)) WHERE key = ?"
_COUNTS: Final = tuple(field.name for field in fields(Usage))
_SUMS: Final = ", ".join(f"sum(json_extract(reply, '$.usage.{name}'))" for name in _COUNTS)


def cache_key(facts: Mapping[str, Any]) -> str:
    """Return the key of a request from everything that determines its reply, JSON-serialisable."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """Replies by key.

    A reply is in the file when `put` returns and stays there if the process is killed. Reads and
    writes are short and block: one of them never stops half-way because a task is cancelled. The
    file is opened on first use, in each process anew.

    Args:
        file: Where; it is created with its folders if it is not there.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def get(self, key: str) -> Reply | None:
        """Return the reply under a key, or None.

        Raises:
            StorageError: The file is corrupt, not ours, or cannot be read.
        """
        rows = self._execute("SELECT reply FROM replies WHERE key = ?", key)
        if not rows:
            return None
        try:
            return Reply.from_text(rows[0][0])
        except DataError as error:
            raise StorageError(f"cache {self.file}: entry {key}: {error}") from error

    def put(self, key: str, reply: Reply, source: str = "") -> None:
        """Keep a reply, and who gave it. The first one under a key stays.

        Raises:
            StorageError: The file is corrupt, not ours, or cannot be written.
        """
        put = "INSERT OR IGNORE INTO replies VALUES (?, ?, ?)"
        self._execute(put, key, reply.to_text(), source)

    def forget(self, key: str) -> None:
        """Have the next request under a key sent again; what its reply took still counts.

        Raises:
            StorageError: The file is corrupt, not ours, or cannot be written.
        """
        self._execute(_FORGET, key)

    def usage(self, source: str) -> Usage:
        """The requests and tokens of all replies of a source, counted when they were made.

        Raises:
            StorageError: The file is corrupt, not ours, or cannot be read.
        """
        [counts] = self._execute(f"SELECT {_SUMS} FROM replies WHERE source = ?", source)
        return Usage(*(count or 0 for count in counts))  # nothing adds up to NULL

    def __len__(self) -> int:
        [(count,)] = self._execute("SELECT count(*) FROM replies")
        return int(count)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def _execute(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with self._lock:
            try:
                return self._open().execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise self._refuse(error) from error

    def _open(self) -> sqlite3.Connection:
        # A connection must not be carried over a fork.
        if self._connection is None or self._process != os.getpid():
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(
                    error.errno, error.strerror or "cannot be made", str(self.file.parent)
                ) from error
            connection = sqlite3.connect(
                self.file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection, self._process = connection, os.getpid()
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the table in a new file; refuse one that holds something else."""
        connection.execute("BEGIN IMMEDIATE")
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == _OURS
        if not ours:
            if connection.execute(_EXISTS).fetchone()[0]:
                raise StorageError(
                    f"cache {self.file}: a database of another program; name another file"
                )
            connection.execute(_CREATE)
            connection.execute(f"PRAGMA application_id = {_OURS}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 1:
            connection.execute(_ADD_SOURCE)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            version = _VERSION
        if version != _VERSION:
            raise StorageError(
                f"cache {self.file}: it has version {version}, and this release reads version"
                f" {_VERSION}; name another file"
            )
        connection.execute("COMMIT")
        # Readers never wait for a writer, and a commit is one append. The mode is the file's: where
        # another process is in the way just now, that one has set it or the next to open it will.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    def _refuse(self, error: sqlite3.Error) -> StorageError:
        if getattr(error, "sqlite_errorcode", None) in _FULL:
            return StorageError(
                errno.ENOSPC, f"no room left ({error}); the replies in it are kept", str(self.file)
            )
        if isinstance(error, sqlite3.OperationalError):
            return StorageError(f"cache {self.file}: cannot be read or written: {error}")
        return StorageError(
            f"cache {self.file}: corrupt ({error}); move it away to ask for the replies again"
        )
