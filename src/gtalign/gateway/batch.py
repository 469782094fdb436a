"""Requests that are let in, and answers that are counted, in one transaction over shared rows."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import Key
from gtalign.gateway.limits import Bucket, LimitState, Month, request_rate, token_rate
from gtalign.gateway.settings import LimitSettings
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.uses import Row, month_at, of_key


@dataclass(slots=True)
class Entry:
    """A request that waits to be let in.

    Args:
        key: Its key.
        let_in: Done once it is, or is refused.
    """

    key: Key
    let_in: "asyncio.Future[None]"


@dataclass(frozen=True, slots=True)
class Taken:
    """What an answer took.

    Args:
        key: Of this key; None where it is counted for a policy.
        spent: What it took.
    """

    key: Key | None
    spent: Spent


@dataclass
class Batch:
    """What one transaction does.

    Args:
        entries: Requests that wait to be let in.
        taken: What answers took, by owner.
        least: What owners have spent at the least, as the records say.
        changed: Owners of which this process has another number of requests in flight.
        waiting: Done once all this is counted.
    """

    entries: list[Entry] = field(default_factory=list)
    taken: dict[str, list[Taken]] = field(default_factory=dict)
    least: dict[str, Spent] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    waiting: list["asyncio.Future[None]"] = field(default_factory=list)

    @property
    def owners(self) -> list[str]:
        """Whose rows it locks."""
        entering = {of_key(entry.key.id) for entry in self.entries}
        return sorted(entering | self.changed | self.taken.keys() | self.least.keys())

    def take_over(self, other: "Batch") -> None:
        """Do also what an earlier one could not, but for letting in."""
        self.changed |= {*other.changed, *(of_key(entry.key.id) for entry in other.entries)}
        self.least = other.least | self.least
        for owner, many in other.taken.items():
            self.taken[owner] = many + self.taken.get(owner, [])

    def apply(
        self,
        rows: Mapping[str, Row],
        settings: LimitSettings,
        process: str,
        running: Callable[[str], int],
    ) -> list[APIError | None]:
        """Change rows that are locked; returns for each request why it is refused, or None.

        Args:
            rows: The rows by owner.
            settings: Limits of the gateway.
            process: This process.
            running: Requests in flight here of an owner.
        """
        uses = {owner: _use(row, process, running(owner)) for owner, row in rows.items()}
        for owner, many in self.taken.items():
            for taken in many:
                if taken.key is not None:
                    _fill(uses[owner], rows[owner], taken.key, settings)
                uses[owner].spend(taken.spent, _month(rows[owner]), rows[owner].now)
        for owner, least in self.least.items():
            spent = uses[owner].spent
            spent[_month(rows[owner])] = least.most(spent[_month(rows[owner])])
        told: list[APIError | None] = []
        for entry in self.entries:
            owner = of_key(entry.key.id)
            use, row = uses[owner], rows[owner]
            _fill(use, row, entry.key, settings)
            try:
                use.enter(entry.key, settings, _month(row), row.now)
            except APIError as refusal:
                told.append(refusal)
            else:
                row.running[process] += 1
                told.append(None)
        for owner, row in rows.items():
            _keep(uses[owner], row)
        return told


def _use(row: Row, process: str, running: int) -> LimitState:
    """What an owner takes; `running` requests are of this process."""
    month = month_at(row.now)
    if row.month != month:
        row.month, row.spent = month, Spent()
    row.running[process] = running
    return LimitState(sum(row.running.values()), {_month(row): row.spent})


def _fill(use: LimitState, row: Row, key: Key, settings: LimitSettings) -> None:
    """Give a key what is left to it of this minute."""
    rate = request_rate(key, settings)
    if rate is not None and use.requests is None:
        use.requests = Bucket(rate, min(row.at, row.now), row.requests_left)
    rate = token_rate(key, settings)
    if rate is not None and use.tokens is None:
        use.tokens = Bucket(rate, min(row.at, row.now), row.tokens_left)


def _keep(use: LimitState, row: Row) -> None:
    """Note in a row what was taken."""
    row.spent = use.spent[_month(row)]
    if use.requests is not None:
        use.requests.wait(0.0, row.now)
        row.requests_left, row.at = use.requests.left, row.now
    if use.tokens is not None:
        use.tokens.wait(0.0, row.now)
        row.tokens_left, row.at = use.tokens.left, row.now


def _month(row: Row) -> Month:
    return divmod(row.month, 100)
