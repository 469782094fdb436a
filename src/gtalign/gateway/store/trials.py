"""Sums over dry runs: what policies would have chosen that were tried on live answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.tables import dry_runs

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class DryRun:
    """One policy that was tried.

    Args:
        policy: Its name.
        tried: Number of answers that it was tried on.
        counts: Number of answers by action under the policy in force, and action under this one.
        live_money: Price of the answers under the policies in force, in currency units.
        money: Their price under this one.
        examples: Some answers with another action, the latest first: ``id``, ``at``, ``live``,
            ``live_action`` and ``action``.
    """

    policy: str
    tried: int
    counts: Mapping[tuple[str, str], int]
    live_money: float
    money: float
    examples: tuple[Mapping[str, Any], ...]

    @property
    def compared(self) -> int:
        """How many answers have both actions."""
        return sum(self.counts.values())

    @property
    def differing(self) -> int:
        """How many of these have two different ones."""
        return sum(n for (live, tried), n in self.counts.items() if live != tried)

    def to_json(self) -> dict[str, Any]:
        """The object that the admin interface shows."""
        return {
            "policy": self.policy,
            "tried": self.tried,
            "compared": self.compared,
            "differing": self.differing,
            "live_money": self.live_money,
            "money": self.money,
            "actions": [
                {"live": live, "tried": tried, "count": n}
                for (live, tried), n in self.counts.items()
            ],
        }


async def trials(connection: AsyncConnection, which: Filter) -> list[DryRun]:
    """The dry runs in the period of a filter, by policy."""
    c = dry_runs.c
    where: list[ColumnElement[bool]] = []
    where += [] if which.since is None else [c.at >= which.since]
    where += [] if which.until is None else [c.at < which.until]
    groups = (c.policy, c.live_action, c.action)
    sums = (
        func.count().label("n"),
        func.sum(c.live_money).label("live"),
        func.sum(c.money).label("own"),
    )
    query = select(*groups, *sums).where(*where).group_by(*groups)
    by_policy: dict[str, list[Any]] = {}
    for row in await connection.execute(query):
        by_policy.setdefault(row.policy, []).append(row)
    found = []
    for policy, rows in sorted(by_policy.items()):
        shown = (c.id, c.at, c.live, c.live_action, c.action)
        latest = select(*shown).where(*where, c.policy == policy, c.differs.is_(True))
        latest = latest.order_by(c.at.desc(), c.id.desc()).limit(_SHOWN)
        examples = (await connection.execute(latest)).mappings().all()
        both = {(r.live_action, r.action): r.n for r in rows if r.live_action and r.action}
        found.append(
            DryRun(
                policy,
                tried=sum(row.n for row in rows),
                counts=both,
                live_money=sum(row.live or 0.0 for row in rows),
                money=sum(row.own or 0.0 for row in rows),
                examples=tuple(dict(row) for row in examples),
            )
        )
    return found


async def tried_on(connection: AsyncConnection, id_: str) -> list[dict[str, Any]]:
    """What was tried on one answer: rows of `tables.dry_runs`."""
    query = select(dry_runs).where(dry_runs.c.id == id_).order_by(dry_runs.c.policy)
    return [dict(row) for row in (await connection.execute(query)).mappings()]
