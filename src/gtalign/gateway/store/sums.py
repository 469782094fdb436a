"""Sums over decisions: from hourly sums where they exist, and from the decisions elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gtalign.gateway.store import obedience
from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.hours import HOUR, gaps, known_hours, measures
from gtalign.gateway.store.obedience import Obedience
from gtalign.gateway.store.tables import decisions, rolled


@dataclass(frozen=True, slots=True)
class Overview:
    """Sums over decisions.

    Args:
        answers: Number of answers by status.
        actions: Number of decisions by policy, action before the edit and action after it.
        flips: Number of flips by policy.
        obedience: Flips of steered answers by policy, and whether their responses obeyed.
        acted: Number of responses by the action that they carried out.
        user_payoff: Mean of the user's payoff in the cells chosen, of the edited matrices.
        llm_payoff: Of the LLM's.
        saved_tokens: Expected to be written less because of flips.
        saved_money: Expected money saved, in currency units.
        prompt_tokens: Tokens read in answers that counted them; None if none did.
        written_tokens: Tokens written, likewise.
        read_known: In how many answers the tokens read were counted.
        written_known: In how many the tokens written were.
        money: The price of the answers under their policies, in currency units.
        estimated: In how many answers the price, or the tokens that budgets count, are estimated.
        added_ms: Mean time that the gateway added.
    """

    answers: Mapping[str, int]
    actions: Mapping[tuple[str, str, str], int]
    flips: Mapping[str, int]
    obedience: Mapping[str, Obedience]
    acted: Mapping[str, int]
    user_payoff: float | None
    llm_payoff: float | None
    saved_tokens: float
    saved_money: float
    prompt_tokens: int | None
    written_tokens: int | None
    read_known: int
    written_known: int
    money: float
    estimated: int
    added_ms: float | None


async def overview(connection: AsyncConnection, which: Filter) -> Overview:
    """Sum up the decisions of a filter."""
    rows: list[Mapping[str, Any]] = []
    flips: list[Mapping[str, Any]] = []
    for table, where in await parts(connection, which):
        rows += await _sums(connection, table, where)
        found = await connection.execute(obedience.query(table).where(*where))
        flips += found.mappings().all()
    return _merged(rows, obedience.by_policy(flips))


async def parts(
    connection: AsyncConnection, which: Filter, *, whole: bool = True
) -> list[tuple[Table, list[ColumnElement[bool]]]]:
    """Where the sums of a filter come from: tables, each with the conditions on its rows.

    Args:
        connection: Connection to the store.
        which: The filter.
        whole: Whether hours that are rolled up may be taken as wholes.
    """
    found: list[tuple[Table, list[ColumnElement[bool]]]] = []
    rest: Sequence[tuple[int | None, int | None]] = [(which.since, which.until)]
    if whole and not which.search:
        inside, sums = _inside(rolled, which), which.sums
        known = list((await connection.execute(known_hours(*inside))).scalars())
        rest = gaps(which.since, which.until, known)
        where = [*_inside(sums, which), *which.equal(sums)]
        count = select(func.count()).select_from(rolled).where(*inside)
        if (await connection.execute(count)).scalar() != len(known):  # an earlier gtalign's too
            where.append(sums.c.hour.in_(known_hours(*inside)))
        found.append((sums, where))
    for since, until in rest:
        where = [*which.equal(decisions), *which.searched()]
        where += [] if since is None else [decisions.c.at >= since]
        where += [] if until is None else [decisions.c.at < until]
        found.append((decisions, where))
    return found


def _inside(table: Table, which: Filter) -> list[ColumnElement[bool]]:
    """The whole hours of a filter's time."""
    found = [] if which.since is None else [table.c.hour >= which.since]
    return found if which.until is None else [*found, table.c.hour <= which.until - HOUR]


async def _sums(
    connection: AsyncConnection, table: Table, where: Sequence[ColumnElement[bool]]
) -> Sequence[Mapping[str, Any]]:
    c = table.c
    groups = (c.status, c.policy, c.before_action, c.after_action, c.acted)
    if table is decisions:
        summed = [*measures(), func.sum(case((c.flipped, 1), else_=0)).label("flips")]
    else:
        summed = [func.sum(c[measure.name]).label(measure.name) for measure in measures()]
        summed.append(func.sum(case((c.flipped, c.n), else_=0)).label("flips"))
    query = select(*groups, *summed).where(and_(True, *where)).group_by(*groups)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _merged(rows: Sequence[Mapping[str, Any]], obeyed: Mapping[str, Obedience]) -> Overview:
    def total(name: str) -> float:
        return float(sum(row[name] or 0 for row in rows))

    def counts(name: str, amount: str = "n") -> dict[Any, int]:
        found: dict[Any, int] = {}
        for row in rows:
            if row[name] is not None:
                found[row[name]] = found.get(row[name], 0) + int(row[amount] or 0)
        return found

    actions: dict[tuple[str, str, str], int] = {}
    for row in rows:
        if row["before_action"] is not None:
            group = (row["policy"], row["before_action"], row["after_action"])
            actions[group] = actions.get(group, 0) + int(row["n"])
    paid, timed = total("paid"), total("timed")
    return Overview(
        answers=counts("status"),
        actions=actions,
        flips=counts("policy", "flips"),
        obedience=obeyed,
        acted=counts("acted"),
        user_payoff=total("user") / paid if paid else None,
        llm_payoff=total("llm") / paid if paid else None,
        saved_tokens=total("saved_tokens"),
        saved_money=total("saved_money"),
        prompt_tokens=int(total("prompt")) if total("read_known") else None,
        written_tokens=int(total("written")) if total("written_known") else None,
        read_known=int(total("read_known")),
        written_known=int(total("written_known")),
        money=total("money"),
        estimated=int(total("estimated")),
        added_ms=total("added") / timed if timed else None,
    )
