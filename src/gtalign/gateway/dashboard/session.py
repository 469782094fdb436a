"""Sessions of signed-in people, in the store: every process on it knows them, and a restart ends
none. Time, signing out or a revoked key ends one.

The store holds the hash of a session's id, which only the cookie of a browser has. What forms and
sign-ins are signed with follows from the cookie, so processes need no secret in common.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import Key, Keys
from gtalign.gateway.oidc import OIDCSettings
from gtalign.gateway.store.database import transaction
from gtalign.gateway.store.record import now
from gtalign.gateway.store.tables import keys as key_table
from gtalign.gateway.store.tables import sessions, sign_ins

SESSIONS: Final = 10_000
"""Most people who are signed in at once; beyond that, the session that ends first ends at once."""

VOUCHED: Final = "oidc-"
"""How the ids of people begin for whom an identity provider vouches."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes from the system's generator
_SECOND: Final = 1_000_000  # microseconds


def new_id() -> str:
    """A cookie's value that nobody can guess."""
    return secrets.token_urlsafe(32)


def is_id(value: str | None) -> bool:
    """Whether a cookie's value looks like one of `new_id`."""
    return value is not None and _ID.fullmatch(value) is not None


def signed(id_: str, text: str) -> str:
    """A signature of a text for the owner of a cookie, in 64 hexadecimal digits.

    It follows from the cookie's value: nothing is kept for visitors who have not signed in, every
    process takes what another one has signed, and nobody without the cookie can compute it.
    """
    return hmac.new(id_.encode("utf-8", "replace"), text.encode(), "sha256").hexdigest()


def token(id_: str) -> str:
    """The token of a form; it shows that the owner of this cookie got the page from here."""
    return signed(id_, "form")


def matches(id_: str, given: str) -> bool:
    """Whether a token belongs to a cookie."""
    return hmac.compare_digest(token(id_).encode(), given.encode("utf-8", "replace"))


class Sessions:
    """The sessions of all gateways on a store.

    Args:
        engine: The store.
        keys: Of the gateway: a session lasts as long as its key is good.
        seconds: After which a session ends.
        oidc: The identity provider. A session that it vouched for holds only as long as these
            settings, and so the lists of people in them, are the same.
        clock: Microseconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        keys: Keys,
        seconds: float,
        oidc: OIDCSettings | None = None,
        clock: Callable[[], int] = now,
    ) -> None:
        self.seconds = seconds
        self._engine = engine
        self._keys = keys
        self._vouching = None if oidc is None else _hash(oidc.model_dump_json())
        self._clock = clock

    async def begin(self, key: Key) -> str:
        """Begin a session; returns its id, for a cookie.

        Args:
            key: A key of the gateway, or that of a person for whom an identity provider vouches.

        Raises:
            StorageError: It cannot be written.
        """
        id_, at = new_id(), self._clock()
        row = {
            "hash": _hash(id_),
            "key_id": key.id,
            "name": key.name,
            "scopes": " ".join(sorted(key.scopes)),
            "vouching": self._vouching if key.id.startswith(VOUCHED) else None,
            "until": at + int(self.seconds * _SECOND),
        }
        latest = select(sessions.c.hash).order_by(sessions.c.until.desc()).limit(SESSIONS)
        async with transaction(self._engine, "a session could not be written") as connection:
            await connection.execute(delete(sessions).where(sessions.c.until <= at))
            await connection.execute(insert(sessions).values(row))
            if (
                await connection.execute(select(func.count(sessions.c.hash)))
            ).scalar_one() > SESSIONS:
                await connection.execute(delete(sessions).where(sessions.c.hash.not_in(latest)))
        return id_

    async def find(self, id_: str) -> Key | None:
        """The key that a session was begun with; None if there is no such session any more.

        Raises:
            StorageError: The store cannot be read.
        """
        wanted = (
            select(sessions, key_table.c.revoked)
            .outerjoin(key_table, key_table.c.id == sessions.c.key_id)
            .where(sessions.c.hash == _hash(id_), sessions.c.until > self._clock())
        )
        async with transaction(self._engine, "sessions cannot be read") as connection:
            row = (await connection.execute(wanted)).mappings().first()
        if row is None or row["revoked"] is not None:
            return None
        key: Key | None
        if row["key_id"].startswith(VOUCHED):
            own = self._vouching is not None and row["vouching"] == self._vouching
            key = Key(row["key_id"], row["name"], frozenset(row["scopes"].split())) if own else None
        else:
            key = self._keys.get(row["key_id"])
            if key is None:  # another process made it a moment ago
                await self._keys.reload()
                key = self._keys.get(row["key_id"])
        return key if key is not None and key.good and key.may("read") else None

    async def end(self, id_: str) -> None:
        """End a session, if there is one.

        Raises:
            StorageError: It cannot be ended.
        """
        async with transaction(self._engine, "a session could not be ended") as connection:
            await connection.execute(delete(sessions).where(sessions.c.hash == _hash(id_)))

    async def end_all(self) -> None:
        """End all sessions.

        Raises:
            StorageError: They cannot be ended.
        """
        async with transaction(self._engine, "sessions could not be ended") as connection:
            await connection.execute(delete(sessions))

    async def redeem(self, state: str, seconds: float) -> None:
        """Note that a sign-in with an identity provider has come back, which it does once.

        Args:
            state: Its state, which is good.
            seconds: After which the state is good no more.

        Raises:
            APIError: It has come back before (403).
            StorageError: It cannot be noted.
        """
        at = self._clock()
        row = {"hash": _hash(state), "until": at + int(seconds * _SECOND)}
        async with transaction(self._engine, "a sign-in could not be noted") as connection:
            await connection.execute(delete(sign_ins).where(sign_ins.c.until <= at))
            try:
                async with connection.begin_nested():
                    await connection.execute(insert(sign_ins).values(row))
            except IntegrityError:
                raise APIError(
                    403, "this sign-in failed: it was used before, begin it again"
                ) from None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
