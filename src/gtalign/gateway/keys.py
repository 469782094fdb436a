"""Make and revoke keys of clients. A key is shown once; the gateway keeps its hash."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AwareDatetime, Field
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.config import Config, Name, load_table
from gtalign.errors import ConfigError
from gtalign.gateway.errors import APIError
from gtalign.gateway.store.changes import changed
from gtalign.gateway.store.database import transaction
from gtalign.gateway.store.record import now
from gtalign.gateway.store.tables import keys
from gtalign.steering import Budget

KeyScope = Literal["chat", "metrics", "read", "admin"]
"""What a key may do: ask for answers; read metrics; read decisions, policies and the dashboard; run
the gateway, which includes the two before."""

SCOPES: Final = get_args(KeyScope)
_INCLUDED: Final = ("metrics", "read")  # in the scope admin
_PREFIX: Final = "gta-"
_SECRET: Final = re.compile(r"gta-[A-Za-z0-9_-]{43}")  # 32 bytes from the system's generator


_Count = Annotated[int, Field(ge=1, le=2**53)]


class KeyLimits(Config):
    """A key's own limits; None takes the limit of the gateway.

    Keys:
        concurrency: Largest number of requests that the gateway answers at once.
        requests_per_minute: Largest number of requests in a minute.
        tokens_per_minute: Largest number of tokens read and written in a minute.
        budget: What it may spend in a month.
        expires: Time from which on it is refused; None for never.
    """

    concurrency: _Count | None = None
    requests_per_minute: _Count | None = None
    tokens_per_minute: _Count | None = None
    budget: Budget = Budget()
    expires: AwareDatetime | None = None


class KeyRequest(Config):
    """A key that an admin wants to make.

    Keys:
        name: Name of the key, for people and records. No other valid key has it.
        scopes: What the key may do.
        policy: Policy of all requests with the key; None lets its group or each request choose.
        group: Group of keys whose policy its requests have; None for none.
        limits: The key's own limits.
    """

    name: Name
    scopes: Annotated[tuple[KeyScope, ...], Field(min_length=1)] = ("chat",)
    policy: str | None = None
    group: str | None = None
    limits: KeyLimits = KeyLimits()


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without its secret.

    Args:
        id: Name of the key in records.
        name: Name of the key for people.
        scopes: What the key may do.
        policy: Policy of all requests with the key; None lets its group or each request choose.
        group: Group of keys whose policy its requests have; None for none.
        limits: The key's own limits.
        created: When the key was made, in microseconds since 1970.
        revoked: When the key was revoked, in the same unit; None if it was not.
    """

    id: str
    name: str
    scopes: frozenset[str]
    policy: str | None = None
    group: str | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)
    created: int = 0
    revoked: int | None = None

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        expires = self.limits.expires
        return expires is not None and datetime.now(UTC) >= expires

    @property
    def good(self) -> bool:
        """Whether it opens anything: it was not revoked and has not expired."""
        return self.revoked is None and not self.expired

    def may(self, scope: KeyScope) -> bool:
        """Whether it has a scope, by itself or with ``admin``."""
        return scope in self.scopes or (scope in _INCLUDED and "admin" in self.scopes)

    def to_json(self) -> dict[str, Any]:
        """The key for an admin to read."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "policy": self.policy,
            "group": self.group,
            "limits": self.limits.model_dump(mode="json"),
            "created": self.created,
            "revoked": self.revoked,
        }


ANYONE: Final = Key(id="", name="", scopes=frozenset(SCOPES))
"""Who asks while there are no keys."""


class Keys:
    """The keys of a store, by the hash of their secrets.

    Secrets are 32 random bytes: they cannot be guessed from a plain SHA-256, and looking one up by
    its hash takes a time that says nothing about it.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._by_hash: dict[str, Key] = {}
        self._changing = asyncio.Lock()

    @classmethod
    async def open(cls, engine: AsyncEngine) -> "Keys":
        """Read the keys of a store."""
        found = cls(engine)
        await found._load()
        return found

    async def reload(self) -> None:
        """Read the keys of the store again, which another process may have changed.

        Raises:
            StorageError: They cannot be read; what is known of them stays good.
        """
        async with self._changing:
            await self._load()

    @asynccontextmanager
    async def _change(self, what: str) -> AsyncGenerator[AsyncConnection, None]:
        """One transaction in which keys are as they are read, whatever other processes do."""
        async with self._changing, transaction(self._engine, what) as connection:
            await changed(connection, "keys")
            await self._read(connection)
            yield connection

    async def _load(self) -> None:
        async with transaction(self._engine, "keys cannot be read") as connection:
            await self._read(connection)

    async def _read(self, connection: AsyncConnection) -> None:
        rows = (await connection.execute(select(keys))).mappings().all()
        self._by_hash = {
            row["hash"]: Key(
                id=row["id"],
                name=row["name"],
                scopes=frozenset(row["scopes"].split()),
                policy=row["policy"],
                group=row["group_name"],
                limits=KeyLimits.model_validate_json(row["limits"]),
                created=row["created"],
                revoked=row["revoked"],
            )
            for row in rows
        }

    @property
    def required(self) -> bool:
        """Whether a key is needed: one was made, and revoking the last opens nothing."""
        return bool(self._by_hash)

    def all(self) -> list[Key]:
        """All keys, revoked ones too, in the order in which they were made."""
        return sorted(self._by_hash.values(), key=lambda key: (key.created, key.id))

    def find(self, secret: str) -> Key | None:
        """The key of a secret; None if it is wrong or revoked, or has expired."""
        if not _SECRET.fullmatch(secret):
            return None
        key = self._by_hash.get(_hash(secret))
        return key if key is not None and key.good else None

    def get(self, id_: str) -> Key | None:
        """The key of an id, revoked or not; None if there is none."""
        return next((key for key in self._by_hash.values() if key.id == id_), None)

    async def create(self, wanted: KeyRequest) -> tuple[Key, str]:
        """Make a key; returns it with its secret, which is kept nowhere.

        Raises:
            ConfigError: A valid key has its name, or its end has passed already; or it is the first
                and may not run the gateway for good: nobody could, then.
            StorageError: It cannot be written.
        """
        secret = _PREFIX + secrets.token_urlsafe(32)
        key = Key(
            id=secrets.token_hex(8),
            name=wanted.name,
            scopes=frozenset(wanted.scopes),
            policy=wanted.policy,
            group=wanted.group,
            limits=wanted.limits,
            created=now(),
        )
        async with self._change("a key could not be written") as connection:
            if any(known.name == key.name and known.good for known in self._by_hash.values()):
                raise ConfigError(
                    f"there is a key {key.name!r} already; give another name, or revoke it"
                )
            if key.expired:
                raise ConfigError(
                    f"limits.expires: {wanted.limits.expires:%Y-%m-%d %H:%M %Z} has passed already"
                )
            if not self.required and "admin" not in wanted.scopes:
                raise ConfigError(
                    "scopes: the first key needs 'admin', or nobody could make others"
                )
            if not self.required and wanted.limits.expires is not None:
                raise ConfigError(
                    "limits.expires: the first key may not expire, or nobody could make others"
                )
            await connection.execute(
                insert(keys).values(
                    id=key.id,
                    name=key.name,
                    hash=_hash(secret),
                    scopes=" ".join(sorted(key.scopes)),
                    policy=key.policy,
                    group_name=key.group,
                    limits=key.limits.model_dump_json(),
                    created=key.created,
                )
            )
        self._by_hash[_hash(secret)] = key
        return key, secret

    async def revoke(self, id_: str) -> Key:
        """Revoke a key; it is refused from the next request on.

        Raises:
            ConfigError: There is none, or it is the last that may run the gateway.
            StorageError: It cannot be written; the key stays good.
        """
        async with self._change("a key could not be revoked") as connection:
            found = {key.id: (hash_, key) for hash_, key in self._by_hash.items()}
            if id_ not in found:
                raise ConfigError(f"there is no key {id_[:32]!r}")
            hash_, key = found[id_]
            if key.revoked is not None:
                return key
            lasting = (k for k in self._by_hash.values() if k.good and k.limits.expires is None)
            if [k for k in lasting if "admin" in k.scopes] == [key]:
                raise ConfigError(
                    f"{key.name!r} is the last key with 'admin' that does not expire: make another"
                    " one first"
                )
            revoked = replace(key, revoked=now())
            statement = update(keys).where(keys.c.id == id_).values(revoked=revoked.revoked)
            await connection.execute(statement)
        self._by_hash[hash_] = revoked
        return revoked


def read_key_request(
    table: Mapping[str, Any], policies: Sequence[str], groups: Collection[str] = ()
) -> KeyRequest:
    """Read what an admin asks for.

    Args:
        table: The object.
        policies: Names of the policies that there are.
        groups: Names of the groups of keys that there are.

    Raises:
        ConfigError: It is wrong; the message names the key of the object.
    """
    wanted = load_table(KeyRequest, table, "key")
    if wanted.policy is not None and wanted.policy not in policies:
        raise ConfigError(
            f"policy: there is no {wanted.policy[:80]!r}; there are {', '.join(policies)}"
        )
    if wanted.group is not None and wanted.group not in groups:
        there = f"there are {', '.join(groups)}" if groups else "the configuration has no groups"
        raise ConfigError(f"group: there is no {wanted.group[:80]!r}; {there}")
    if wanted.group is not None and wanted.policy is not None:
        raise ConfigError("policy, group: give one; the policy of a group is that of its keys")
    return wanted


def lacking(scope: KeyScope) -> APIError:
    """The refusal of a good key that lacks a scope."""
    return APIError(403, f"this key lacks the scope {scope!r}", code="missing_scope")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
