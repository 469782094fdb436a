"""Flips by whether the response obeyed: of finished, steered answers whose choice was moved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, case, func, select

from gtalign.gateway.store.tables import decisions


@dataclass(frozen=True, slots=True)
class Obedience:
    """Numbers of flips.

    Args:
        obeyed: Whose response carries out the chosen action.
        disobeyed: Whose response carries out another one.
        unknown: Where nobody can tell.
        mended: How many of those that obeyed did so in a second writing.
    """

    obeyed: int = 0
    disobeyed: int = 0
    unknown: int = 0
    mended: int = 0

    @property
    def flips(self) -> int:
        """All of them."""
        return self.obeyed + self.disobeyed + self.unknown

    @property
    def read(self) -> int:
        """Those of which one can tell."""
        return self.obeyed + self.disobeyed


def query(table: Table, *by: ColumnElement[Any]) -> Select[Any]:
    """A query for the sums of `Obedience`, by policy and perhaps more.

    Args:
        table: `tables.decisions`, or their hourly sums.
        by: What else they are grouped by, the first under the name ``by``.
    """
    c = table.c
    live = table is decisions
    one: Any = 1 if live else c.n
    sums: dict[str, Any] = {
        "obeyed": case((c.obeyed.is_(True), one), else_=0),
        "disobeyed": case((c.obeyed.is_(False), one), else_=0),
        "unknown": case((c.obeyed.is_(None), one), else_=0),
        "mended": mended(c) if live else c.mended,
    }
    found = select(*(key.label("by") for key in by), c.policy)
    found = found.add_columns(*(func.sum(amount).label(name) for name, amount in sums.items()))
    return found.where(c.flipped, c.steered, c.status == "done").group_by(*by, c.policy)


def mended(columns: Any) -> ColumnElement[int]:
    """1 for a decision whose second writing obeyed, and else 0."""
    return case((columns.retry == "second", 1), else_=0)


def by_policy(rows: Iterable[Mapping[str, Any]]) -> dict[str, Obedience]:
    """Add up rows with the sums of `query`, by their ``policy``; those without flips are left
    out."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        own = sums.setdefault(row["policy"], [0] * 4)
        for place, name in enumerate(("obeyed", "disobeyed", "unknown", "mended")):
            own[place] += int(row[name] or 0)
    found = {policy: Obedience(*own) for policy, own in sorted(sums.items())}
    return {policy: own for policy, own in found.items() if own.flips}
