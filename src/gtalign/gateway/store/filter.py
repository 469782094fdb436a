"""Filters of decisions, and the queries that apply them."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, case, or_, select

from gtalign.gateway.store.tables import decisions, hours, key_hours, texts

_INDEXED: Final = ("key_id", "policy", "status", "acted", "flipped")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which decisions are meant; None leaves a condition out.

    Args:
        since: Only decisions from this time on, in microseconds since 1970.
        until: Before this time.
        key_id: Only decisions of this key.
        policy: Only decisions under the policy of this name.
        policy_hash: Only decisions under this version of a policy.
        status: That stand like this.
        mode: Steered in this mode.
        before: Whose choice before the edit was this action.
        after: Whose choice after it was this action.
        acted: Whose response carried this action out.
        flipped: Whose choice the edit moved, or did not.
        steered: That were steered, or were not.
        obeyed: Whose response carried out the chosen action, or did not.
        search: Whose id, request, model, reason, error or kept texts hold this text.
    """

    since: int | None = None
    until: int | None = None
    key_id: str | None = None
    policy: str | None = None
    policy_hash: str | None = None
    status: str | None = None
    mode: str | None = None
    before: str | None = None
    after: str | None = None
    acted: str | None = None
    flipped: bool | None = None
    steered: bool | None = None
    obeyed: bool | None = None
    search: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions of a query."""
        return [*self._times(), *self.equal(decisions), *self.searched()]

    def equal(self, table: Table) -> list[ColumnElement[bool]]:
        """The conditions but for times and `search`, of a table with these columns."""
        return [table.c[column.name] == value for column, value in self._equal()]

    @property
    def sums(self) -> Table:
        """The rolled-up hours that tell what is meant, but for a search."""
        return hours if self.key_id is None else key_hours

    @property
    def sifts(self) -> bool:
        """Whether `sieve` looks at one decision after the other, none of which may pass."""
        equal = self._equal()
        return len(equal) > 1 or (len(equal) == 1 and equal[0][0].name not in _INDEXED)

    def sieve(self) -> list[ColumnElement[bool]]:
        """The conditions but for `search`, so that they are seen through the index that fits best.

        A single one is that of its own column. Several are kept from the planner, which might look
        up row after row by one of them, and take minutes where none of a million passes the other:
        `tables.SIEVE` holds all of them.
        """
        equal = self._equal()
        if len(equal) == 1 and not self.sifts:
            return [*self._times(), equal[0][0] == equal[0][1]]
        opaque = (case((column == value, 1), else_=0) == 1 for column, value in equal)
        return [*self._times(), *opaque]

    def searched(self) -> list[ColumnElement[bool]]:
        """The condition of `search`, if there is one."""
        if not self.search:
            return []
        c = decisions.c
        kept = select(texts.c.id).where(
            texts.c.id == c.id,
            or_(
                texts.c.prompt.contains(self.search, autoescape=True),
                texts.c.answer.contains(self.search, autoescape=True),
                texts.c.unserved.contains(self.search, autoescape=True),
            ),
        )
        told = (c.id, c.request_id, c.model, c.reason, c.error)
        found = (column.contains(self.search, autoescape=True) for column in told)
        return [or_(*found, kept.exists())]

    def _times(self) -> list[ColumnElement[bool]]:
        found = []
        if self.since is not None:
            found.append(decisions.c.at >= self.since)
        if self.until is not None:
            found.append(decisions.c.at < self.until)
        return found

    def _equal(self) -> list[tuple[Column[Any], Any]]:
        c = decisions.c
        columns = {
            "key_id": c.key_id,
            "policy": c.policy,
            "policy_hash": c.policy_hash,
            "status": c.status,
            "mode": c.mode,
            "before": c.before_action,
            "after": c.after_action,
            "acted": c.acted,
            "flipped": c.flipped,
            "steered": c.steered,
            "obeyed": c.obeyed,
        }
        given = ((column, getattr(self, name)) for name, column in columns.items())
        return [(column, value) for column, value in given if value is not None]
