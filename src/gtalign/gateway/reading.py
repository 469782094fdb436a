"""Reading the audit store: pages of decisions, one decision, sums, and exports."""

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from gtalign.chain import parse
from gtalign.data import Transcript
from gtalign.errors import ChainError, DataError
from gtalign.gateway.store import transaction
from gtalign.gateway.tables import decisions, texts

MOST: Final = 500
"""Most decisions of one page."""

COLUMNS: Final = tuple(column for column in decisions.c if column.name != "decision")
"""What a page shows of a decision."""

_CURSOR: Final = re.compile(r"([0-9]{1,18})-([A-Za-z0-9-]{1,80})")
_EXPORTED: Final = 1000  # rows of one query of an export
_WHAT: Final = "decisions cannot be read"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which decisions are meant; None leaves a condition out.

    Args:
        since: From this time on, in microseconds since 1970.
        until: Before this time.
        key_id: Of this key.
        policy: Under this policy's name.
        policy_hash: Under this version of a policy.
        status: That stand like this.
        mode: Steered in this mode.
        before: Whose choice before the edit was this action.
        after: Whose choice after it was this action.
        acted: Whose response carried this action out.
        flipped: Whose choice the edit moved, or did not.
        steered: That were steered, or were not.
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
    search: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions of a query."""
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
        }
        found = [
            column == getattr(self, name)
            for name, column in columns.items()
            if getattr(self, name) is not None
        ]
        if self.since is not None:
            found.append(c.at >= self.since)
        if self.until is not None:
            found.append(c.at < self.until)
        if self.search:
            told = (c.id, c.request_id, c.model, c.reason, c.error)
            kept = select(texts.c.id).where(
                or_(
                    texts.c.prompt.contains(self.search, autoescape=True),
                    texts.c.answer.contains(self.search, autoescape=True),
                )
            )
            found.append(
                or_(
                    *(column.contains(self.search, autoescape=True) for column in told),
                    c.id.in_(kept),
                )
            )
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """Some decisions, the latest first.

    Args:
        rows: Their columns, as `COLUMNS` names them.
        next: Where the next page begins; None at the end.
    """

    rows: Sequence[Mapping[str, Any]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Sums over decisions.

    Args:
        answers: Number of answers by status.
        actions: Number of decisions by policy, action before the edit and action after it.
        flips: Number of flips by policy.
        acted: Number of responses by the action that they carried out.
        user_payoff: Mean of the user's payoff in the cells chosen, of the edited matrices.
        llm_payoff: Of the LLM's.
        saved_tokens: Expected to be written less because of flips.
        saved_money: In currency units, likewise.
        prompt_tokens: Tokens read.
        written_tokens: Tokens written.
        added_ms: Mean time that the gateway added.
    """

    answers: Mapping[str, int]
    actions: Mapping[tuple[str, str, str], int]
    flips: Mapping[str, int]
    acted: Mapping[str, int]
    user_payoff: float | None
    llm_payoff: float | None
    saved_tokens: float
    saved_money: float
    prompt_tokens: int
    written_tokens: int
    added_ms: float | None


class Reader:
    """Reads the audit store."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(
        self, which: Filter, *, limit: int = 50, cursor: str | None = None, columns: Any = COLUMNS
    ) -> Page:
        """A page of decisions, the latest first; found by index, however many there are.

        Args:
            which: Which decisions.
            limit: Most of them, up to `MOST`.
            cursor: `Page.next` of the page before.
            columns: What is read of them.

        Raises:
            DataError: The cursor is none.
            StorageError: The store cannot be read.
        """
        limit = max(1, min(limit, MOST if columns is COLUMNS else _EXPORTED))
        query = self._select(which, columns).limit(limit + 1)
        if cursor:
            query = query.where(tuple_(decisions.c.at, decisions.c.id) < tuple_(*_read(cursor)))
        async with transaction(self._engine, _WHAT) as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(rows, f"{rows[-1]['at']}-{rows[-1]['id']}" if more else None)

    async def decision(self, id_: str) -> dict[str, Any] | None:
        """One decision with everything that is known of it; None if there is none.

        ``decision`` is the object that `Decision.from_json` reads; ``prompt`` and ``answer`` are
        None where texts are not kept.
        """
        query = (
            select(decisions, texts.c.prompt, texts.c.answer)
            .outerjoin(texts, texts.c.id == decisions.c.id)
            .where(decisions.c.id == id_)
        )
        async with transaction(self._engine, _WHAT) as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _whole(dict(row))

    async def overview(self, which: Filter) -> Overview:
        """Sums over decisions."""
        c = decisions.c
        where = and_(*which.conditions()) if which.conditions() else c.id.is_not(None)
        groups = (c.status, c.policy, c.before_action, c.after_action, c.acted)
        measured = (
            func.count().label("n"),
            func.sum(case((c.flipped, 1), else_=0)).label("flips"),
            func.sum(c.user_payoff).label("user"),
            func.sum(c.llm_payoff).label("llm"),
            func.count(c.user_payoff).label("paid"),
            func.sum(case((c.steered, c.saved_tokens), else_=0)).label("saved_tokens"),
            func.sum(case((c.steered, c.saved_money), else_=0)).label("saved_money"),
            func.sum(c.prompt_tokens).label("prompt"),
            func.sum(c.written_tokens).label("written"),
            func.sum(c.added_ms).label("added"),
            func.count(c.added_ms).label("timed"),
        )
        async with transaction(self._engine, _WHAT) as connection:
            query = select(*groups, *measured).where(where).group_by(*groups)
            rows = (await connection.execute(query)).mappings().all()

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
                actions[group] = actions.get(group, 0) + row["n"]
        paid, timed = total("paid"), total("timed")
        return Overview(
            answers=counts("status"),
            actions=actions,
            flips=counts("policy", "flips"),
            acted=counts("acted"),
            user_payoff=total("user") / paid if paid else None,
            llm_payoff=total("llm") / paid if paid else None,
            saved_tokens=total("saved_tokens"),
            saved_money=total("saved_money"),
            prompt_tokens=int(total("prompt")),
            written_tokens=int(total("written")),
            added_ms=total("added") / timed if timed else None,
        )

    async def tokens(self, since: int) -> dict[str, int]:
        """Tokens read and written by key, of answers since a time."""
        c = decisions.c
        spent = func.sum(func.coalesce(c.prompt_tokens, 0) + func.coalesce(c.written_tokens, 0))
        query = select(c.key_id, spent).where(c.at >= since).group_by(c.key_id)
        async with transaction(self._engine, _WHAT) as connection:
            return {key: int(total or 0) for key, total in await connection.execute(query)}

    async def all(self, which: Filter) -> AsyncGenerator[dict[str, Any], None]:
        """Every decision as `decision` returns it, the latest first."""
        cursor = None
        while True:
            columns = (*decisions.c, texts.c.prompt, texts.c.answer)
            page = await self.page(which, limit=_EXPORTED, cursor=cursor, columns=columns)
            for row in page.rows:
                yield _whole(row)
            cursor = page.next
            if cursor is None:
                return

    def _select(self, which: Filter, columns: Any) -> Select[Any]:
        query = select(*columns).where(*which.conditions())
        if texts.c.prompt in set(columns):
            query = query.select_from(decisions.outerjoin(texts, texts.c.id == decisions.c.id))
        return query.order_by(decisions.c.at.desc(), decisions.c.id.desc())

    async def prompts(self, ids: Sequence[str], longest: int) -> dict[str, Any]:
        """Messages of those of some decisions whose texts are kept, by id.

        Args:
            ids: Of the decisions, up to `MOST`.
            longest: Most characters of a prompt's JSON; longer ones are left out.
        """
        c = texts.c
        query = select(c.id, c.prompt).where(c.id.in_(ids), func.length(c.prompt) <= longest)
        async with transaction(self._engine, _WHAT) as connection:
            return {id_: json.loads(prompt) for id_, prompt in await connection.execute(query)}

    async def latest(self, key_ids: Sequence[str]) -> dict[str, int]:
        """When keys were last answered, in microseconds since 1970, by id; found by index."""
        c = decisions.c
        found = {}
        async with transaction(self._engine, _WHAT) as connection:
            for id_ in key_ids:
                at = (
                    await connection.execute(select(func.max(c.at)).where(c.key_id == id_))
                ).scalar()
                if at is not None:
                    found[id_] = int(at)
        return found

    async def chosen(self, which: Filter, limit: int) -> list[dict[str, Any]]:
        """The latest decisions that made a choice: ``id``, ``at``, ``policy`` and ``decision``.

        The last is still JSON: it takes longer to read than to fetch, which is for the caller.
        """
        c = decisions.c
        query = self._select(which, (c.id, c.at, c.policy, c.decision)).limit(limit)
        query = query.where(c.after_action.is_not(None))
        async with transaction(self._engine, _WHAT) as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def transcript_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """A decision whose texts are kept, as the object of one line of transcripts.

    Raises:
        DataError: Its texts are not kept.
    """
    prompt, answer = record["prompt"], record["answer"]
    if prompt is None or answer is None:
        raise DataError(f"{record['id']}: its prompt and answer are not kept")
    chain, problem = None, None
    try:
        chain = parse(answer, tolerant=True).to_json()
    except ChainError as error:
        problem = str(error)
    return Transcript(
        id=record["id"],
        task="",
        completion=answer,
        model=record["model"],
        prompt=tuple(prompt),
        chain=chain,
        chain_error=problem,
        tokens={"total": record["written_tokens"]} if record["written_tokens"] is not None else {},
        unscored="not judged",
        extra={"policy": record["policy"], "key_id": record["key_id"]},
        decision=record["decision"],
    ).to_json()


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(row)
    found["decision"] = json.loads(found["decision"])
    if found.get("prompt") is not None:
        found["prompt"] = json.loads(found["prompt"])
    return found


def _read(cursor: str) -> tuple[int, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise DataError("cursor: this is not what a page gave as its next")
    return int(found[1]), found[2]
