"""What processes on a PostgreSQL share of keys and policies: rows that are locked and saved."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import String

from gtalign.gateway.spent import Spent
from gtalign.gateway.store.tables import uses

CLOCK: Final = func.extract("epoch", func.clock_timestamp())
"""The time of PostgreSQL in seconds, by which all processes go: their own clocks may differ."""

_OWNERS: Final = uses.c.owner == func.any(bindparam("owners", type_=ARRAY(String)))
_LOCK: Final = (
    select(uses, CLOCK.label("now"), cast(func.txid_current(), BigInteger).label("transaction"))
    .where(_OWNERS)
    .order_by(uses.c.owner)  # all lock in one order, so that none waits for ever
    .with_for_update()
)
_READ: Final = select(uses.c.owner, uses.c.month, uses.c.tokens, uses.c.money, uses.c.estimated)
_VALUES: Final = [column.name for column in uses.c if not column.primary_key]
_SAVE: Final = (
    update(uses)
    .where(uses.c.owner == bindparam("_owner"))
    .values({name: bindparam(name) for name in _VALUES})
)


@dataclass(slots=True)
class Row:
    """What is shared of a key or a policy.

    Args:
        owner: Whose it is: see `of_key` and `of_policy`.
        month: The month of what is spent, as 202611.
        spent: What is spent in it.
        requests_left: Requests that were left of a minute's; None if they were never limited.
        tokens_left: Tokens, likewise.
        at: When they were, in seconds by PostgreSQL's clock.
        running: Requests in flight by process.
        now: The time when the row was locked, likewise.
        transaction: The transaction that holds it.
    """

    owner: str
    month: int
    spent: Spent
    requests_left: float | None
    tokens_left: float | None
    at: float
    running: dict[str, int]
    now: float
    transaction: int


def of_key(id_: str) -> str:
    """The owner that a key is."""
    return f"key:{id_}"


def of_policy(name: str) -> str:
    """The owner that a policy is."""
    return f"policy:{name}"


def month_at(seconds: float) -> int:
    """The month (UTC) of a time in seconds since 1970, as 202611."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at.year * 100 + at.month


async def locked(connection: AsyncConnection, owners: Sequence[str]) -> dict[str, Row]:
    """Lock the rows of owners until the transaction ends, and make those that are missing."""
    found = await _locked(connection, owners)
    missing = [owner for owner in sorted(owners) if owner not in found]
    if missing:
        new = {"month": 0, "tokens": 0, "money": 0.0, "estimated": 0, "at": 0.0, "running": "{}"}
        made = insert(uses).on_conflict_do_nothing()
        await connection.execute(made, [{"owner": owner, **new} for owner in missing])
        found |= await _locked(connection, missing)
    return found


async def save(connection: AsyncConnection, rows: Collection[Row]) -> None:
    """Save rows that are locked."""
    if not rows:
        return
    values = [
        {
            "_owner": row.owner,
            "month": row.month,
            "tokens": row.spent.tokens,
            "money": row.spent.money,
            "estimated": row.spent.estimated,
            "requests_left": row.requests_left,
            "tokens_left": row.tokens_left,
            "at": row.at,
            "running": json.dumps({name: n for name, n in row.running.items() if n}),
        }
        for row in rows
    ]
    await connection.execute(_SAVE, values)


async def read_spent(
    connection: AsyncConnection, owners: Sequence[str] | None = None
) -> list[tuple[str, int, Spent]]:
    """What owners have spent, and in which month; of all of them for None. Nothing is locked."""
    query = _READ if owners is None else _READ.where(_OWNERS)
    rows = await connection.execute(query, {} if owners is None else {"owners": list(owners)})
    return [(owner, month, Spent(*spent)) for owner, month, *spent in rows.all()]


async def forget(connection: AsyncConnection, process: str) -> int:
    """Give up the requests in flight of a process; returns their number."""
    c = uses.c
    holding = select(c.owner, c.running).where(c.running.contains(process)).order_by(c.owner)
    held = 0
    for owner, running in (await connection.execute(holding.with_for_update())).all():
        left: dict[str, int] = json.loads(running)
        held += left.pop(process, 0)
        changed = update(uses).where(c.owner == owner).values(running=json.dumps(left))
        await connection.execute(changed)
    return held


async def _locked(connection: AsyncConnection, owners: Sequence[str]) -> dict[str, Row]:
    rows = (await connection.execute(_LOCK, {"owners": list(owners)})).mappings().all()
    return {row["owner"]: _row(row) for row in rows}


def _row(row: Any) -> Row:
    return Row(
        owner=row["owner"],
        month=row["month"],
        spent=Spent(row["tokens"], row["money"], row["estimated"]),
        requests_left=row["requests_left"],
        tokens_left=row["tokens_left"],
        at=row["at"],
        running=json.loads(row["running"]),
        now=float(row["now"]),
        transaction=row["transaction"],
    )
