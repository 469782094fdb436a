"""The policies of a gateway: those of its configuration, and later changes."""

import asyncio
import json
import logging
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.config import load_table, shown
from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, GameForm
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.store.changes import changed
from gtalign.gateway.store.database import transaction
from gtalign.gateway.store.record import now
from gtalign.gateway.store.tables import keys, policies
from gtalign.steering import Policy, load_policy

log = logging.getLogger(__name__)

LONGEST: Final = 65_536
"""Most bytes of a policy as text."""

_NAMED: Final = 8  # keys, in a message
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_DEEP: Final = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){16}")  # keys with dots


def read_policies(
    sources: Sequence[str], forms: Sequence[GameForm] = (USER_LLM,)
) -> dict[str, Policy]:
    """Read policies from files and from those that ship, by name.

    Args:
        sources: Files, or names of policies that ship.
        forms: The games of the models; a policy has to fit one of them.

    Raises:
        ConfigError: A file is wrong, or two have one name.
    """
    found: dict[str, Policy] = {}
    for source in sources:
        policy = load_policy(source)
        _check(policy, forms)
        if policy.name in found:
            raise ConfigError(f"policies: two are named {policy.name!r}")
        found[policy.name] = policy
    return found


class Policies:
    """Policies by name, in memory; every version is in the store.

    A policy that came from a file is replaced by what the file says now when the gateway starts;
    one that was changed through the admin interface is not.

    Attributes:
        default: Name of the one in force where none is asked for.
        forms: The games of the models; a policy has to fit one of them.
    """

    forms: Sequence[GameForm] = (USER_LLM,)

    def __init__(self, engine: AsyncEngine, default: str) -> None:
        self.default = default
        self._engine = engine
        self._active: dict[str, Policy] = {}
        self._changing = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        engine: AsyncEngine,
        sources: Sequence[str],
        default: str | None,
        forms: Sequence[GameForm] = (USER_LLM,),
    ) -> "Policies":
        """Read the policies of the store and of files.

        Args:
            engine: The store.
            sources: Files, or names of policies that ship.
            default: Name of the default; None for the first source.
            forms: The games of the models.

        Raises:
            ConfigError: A file is wrong, two have one name, or there is no such default.
        """
        given = read_policies(sources, forms)
        found = cls(engine, "")
        found.forms = forms
        await found.reload()
        await found.renew(given, default)
        return found

    def check_default(self, given: Mapping[str, Policy], default: str | None) -> str:
        """The name of the default that a configuration asks for.

        Args:
            given: The policies that the configuration names, of which the first is the default ...
            default: ... unless it names another one.

        Raises:
            ConfigError: There is no such policy.
        """
        if default is not None and default not in given and default not in self._active:
            known = ", ".join(sorted({*given, *self._active}))
            raise ConfigError(
                f"default_policy: there is no policy {default[:80]!r}; there are {known}"
            )
        return default or next(iter(given))

    def check_named(self, config: GatewayConfig, given: Mapping[str, Policy] | None = None) -> None:
        """Check that there are the policies that groups and dry runs name.

        Args:
            config: The configuration.
            given: Its policies, if they are not in force yet.

        Raises:
            ConfigError: One is missing; the message names it.
        """
        known = {*self._active, *(given or ())}
        named = [(f"dry_runs.{name}", name) for name in config.dry_runs]
        for group, settings in config.groups.items():
            named.append((f"groups.{group}.policy", settings.policy))
            named += [(f"groups.{group}.others", name) for name in settings.others if name != "*"]
        for place, name in named:
            if name not in known:
                there = ", ".join(sorted(known))
                raise ConfigError(f"{place}: there is no policy {name[:80]!r}; there are {there}")

    async def renew(self, given: Mapping[str, Policy], default: str | None) -> None:
        """Take policies of a configuration, and its default.

        Raises:
            ConfigError: There is no such default.
            StorageError: They cannot be written.
        """
        default = self.check_default(given, default)
        stored = await self._read()
        for name, policy in given.items():
            if name in stored and stored[name]["hash"] == policy.hash:
                continue
            if name in stored and stored[name]["origin"] != "file":
                log.warning("policy %r was changed since; its file is not used", name)
                continue
            await self._store(policy, "file")
        self.default = default

    async def reload(self) -> None:
        """Read the policies of the store again, which another process may have changed.

        The default stays even if it was removed elsewhere: requests without a policy need one.

        Raises:
            StorageError: They cannot be read; those before stay in force.
        """
        async with self._changing:
            stored = {name: _policy(row) for name, row in (await self._read()).items()}
            if self.default:
                stored.setdefault(self.default, self._active[self.default])
            self._active = stored

    def names(self) -> tuple[str, ...]:
        """Names of those that can be asked for."""
        return tuple(sorted(self._active))

    def budgeted(self) -> list[str]:
        """Names of those with a budget."""
        return [name for name, policy in self._active.items() if policy.budget is not None]

    def get(self, name: str) -> Policy:
        """The policy of a name.

        Raises:
            ConfigError: There is none.
        """
        policy = self._active.get(name)
        if policy is None:
            raise ConfigError(self._unknown(name))
        return policy

    async def put(self, policy: Policy) -> None:
        """Add a policy, or replace the one of its name.

        Raises:
            ConfigError: It does not fit the game, or its name cannot stand in an address.
            StorageError: It cannot be written; the one before stays in force.
        """
        _check(policy, self.forms)
        await self._store(policy, "admin")

    async def remove(self, name: str, config: GatewayConfig | None = None) -> None:
        """Take a policy out of use; what it decided stays on record.

        Args:
            name: Its name.
            config: The configuration, whose groups and dry runs may name it.

        Raises:
            ConfigError: There is none of that name, it is the default, a group or a dry run of the
                configuration names it, or good keys are bound to it, which would get no answers.
            StorageError: It cannot be written.
        """
        self.get(name)
        if name == self.default:
            raise ConfigError(f"{name!r} is the default policy, so it has to stay")
        if config is not None:
            using = [f"the group {g}" for g, own in config.groups.items() if own.policy == name]
            using += ["a dry run"] if name in config.dry_runs else []
            if using:
                raise ConfigError(f"{name!r} is the policy of {', '.join(using)}")
        async with self._changing:
            async with transaction(self._engine, "a policy could not be removed") as connection:
                await changed(connection, "policies")
                bound = await _bound(connection, name)
                if bound:
                    raise ConfigError(
                        f"{name!r} is the policy of the keys {bound}: revoke them first"
                    )
                await connection.execute(
                    update(policies).where(policies.c.name == name).values(active=False)
                )
            self._active.pop(name, None)

    async def version(self, hash_: str) -> Policy | None:
        """The policy that a record's hash names, whether in use or not."""
        async with transaction(self._engine, "policies cannot be read") as connection:
            body = (
                await connection.execute(
                    select(policies.c.body).where(policies.c.hash == hash_).limit(1)
                )
            ).scalar()
        return None if body is None else Policy.model_validate_json(body)

    async def _read(self) -> dict[str, Mapping[str, Any]]:
        async with transaction(self._engine, "policies cannot be read") as connection:
            rows = await connection.execute(select(policies).where(policies.c.active))
            return {row["name"]: dict(row) for row in rows.mappings()}

    async def _store(self, policy: Policy, origin: str) -> None:
        async with self._changing:
            await self._write(policy, origin)
            self._active[policy.name] = policy

    async def _write(self, policy: Policy, origin: str) -> None:
        async with transaction(self._engine, "a policy could not be written") as connection:
            await changed(connection, "policies")
            await connection.execute(
                update(policies).where(policies.c.name == policy.name).values(active=False)
            )
            await connection.execute(
                insert(policies).values(
                    name=policy.name,
                    hash=policy.hash,
                    body=json.dumps(policy.content()),
                    origin=origin,
                    created=now(),
                    active=True,
                )
            )

    def _unknown(self, name: str) -> str:
        return f"there is no policy {name[:80]!r}; there are {', '.join(self.names())}"


def read_policy(name: str, table: Mapping[str, Any]) -> Policy:
    """Read the policy that an admin sends.

    Raises:
        ConfigError: It is wrong; the message names the key.
    """
    if table.get("name", name) != name:
        raise ConfigError(f"name: the address says {name!r}, the policy {shown(table['name'])}")
    return load_table(Policy, {**table, "name": name}, f"policy {name!r}")


def policy_of_text(text: str, forms: Sequence[GameForm] = (USER_LLM,)) -> Policy:
    """Read the policy that a person has written, as TOML.

    Args:
        text: The TOML.
        forms: The games of the models; the policy has to fit one of them.

    Raises:
        ConfigError: It is too long or no TOML, which the message says where, or a key is wrong,
            which it names.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > LONGEST:
        raise ConfigError(f"a policy has {LONGEST:,} bytes at most, and this has {size:,}")
    policy = load_table(Policy, read_toml(text), "policy")
    _check(policy, forms)
    return policy


def read_toml(text: str) -> dict[str, Any]:
    """Read the TOML of a policy.

    Raises:
        ConfigError: It is none, which the message says where, or nested too deeply.
    """
    try:
        if _DEEP.search(text):  # which would take seconds to read
            raise RecursionError
        return tomllib.loads(text + "\n")  # errors name lines
    except RecursionError:
        raise ConfigError("this is nested too deeply for a policy") from None
    except ValueError as error:  # also a number of more digits than Python reads
        raise ConfigError(f"not valid TOML: {error}") from None


async def _bound(connection: AsyncConnection, name: str) -> str:
    """Names of the good keys that are bound to a policy, of many the first; empty if none is."""
    good = select(keys.c.name).where(keys.c.policy == name, keys.c.revoked.is_(None))
    names = (await connection.execute(good.order_by(keys.c.created, keys.c.id))).scalars().all()
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more


def _policy(row: Mapping[str, Any]) -> Policy:
    return Policy.model_validate_json(row["body"])


def _check(policy: Policy, forms: Sequence[GameForm]) -> None:
    if not any(policy.fits(form) for form in forms):
        policy.check(forms[0])
    if not _NAME.fullmatch(policy.name):
        raise ConfigError(
            f"name: {policy.name!r}: use only letters, digits, '.', '_' and '-', because the name"
            " becomes part of addresses and models' names"
        )
