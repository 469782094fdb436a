"""Read the audit store: pages of decisions, one decision, sums, and exports."""

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, case, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gtalign.errors import DataError
from gtalign.game.file import form_from_json
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.database import snapshot, transaction
from gtalign.gateway.store.filter import Filter as Filter
from gtalign.gateway.store.hours import stretches
from gtalign.gateway.store.series import Series as Series
from gtalign.gateway.store.series import series
from gtalign.gateway.store.sums import Overview as Overview
from gtalign.gateway.store.sums import overview
from gtalign.gateway.store.tables import decisions, texts
from gtalign.gateway.store.trials import DryRun, trials, tried_on
from gtalign.transcripts import Transcript

MOST: Final = 500
"""Most decisions of one page."""

COLUMNS: Final = tuple(column for column in decisions.c if column.name != "decision")
"""The columns of a decision that a page shows."""

TEXTS: Final = ("prompt", "answer", "unserved")
"""The columns of `tables.texts` that hold texts."""

SEARCHED: Final = 5_000
"""Decisions that are searched for a text for one page."""

_CURSOR: Final = re.compile(r"([0-9]{1,18})-([A-Za-z0-9-]{1,80})")
_EXPORTED: Final = 1000  # rows of one query of an export
_AT_ONCE: Final = 4 << 20  # characters of texts that are read at a time, or one decision's
_WHAT: Final = "decisions cannot be read"


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """Some decisions, the latest first.

    Args:
        rows: Their columns, as `COLUMNS` names them. A page of a search may hold few or none where
            others follow.
        next: Where the next page begins; None at the end.
    """

    rows: Sequence[Mapping[str, Any]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Open:
    """Answers of one key under one version of a policy, without a record of what they have spent.

    Args:
        key_id: The key.
        policy: The policy.
        policy_hash: The version of it.
        answers: How many.
        read: Tokens that were read, over the answers that counted them.
        read_known: In how many they are.
        written: Tokens that were written, likewise.
        written_known: In how many these are known.
    """

    key_id: str
    policy: str
    policy_hash: str
    answers: int
    read: int
    read_known: int
    written: int
    written_known: int


class Reader:
    """Reads the audit store."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(
        self, which: Filter, *, limit: int = 50, cursor: str | None = None, columns: Any = COLUMNS
    ) -> DecisionPage:
        """A page of decisions, the latest first; found by index, however many there are.

        A text is searched for in `SEARCHED` decisions for one page, and the next page continues
        behind them; an id is found wherever it is.

        Args:
            which: Which decisions.
            limit: Most of them, up to `MOST`.
            cursor: `DecisionPage.next` of the page before.
            columns: Columns to read.

        Raises:
            DataError: The cursor is none.
            StorageError: The store cannot be read.
        """
        c = decisions.c
        limit = max(1, min(limit, MOST if columns is COLUMNS else _EXPORTED))
        query = select(c.at, c.id).where(*which.sieve()).order_by(c.at.desc(), c.id.desc())
        until = None
        if cursor:
            query = query.where(tuple_(c.at, c.id) < tuple_(*_read(cursor)))
            until = _read(cursor)[0] + 1
        async with snapshot(self._engine, _WHAT) as connection:
            last = None
            where: Sequence[tuple[int | None, int | None]] = [(None, None)]
            if which.search:
                named = query.where(c.id == which.search)
                if (await connection.execute(named)).first() is not None:
                    query = named
                else:
                    query, last = await self._searching(connection, query, which)
            elif which.sifts:
                where = await stretches(connection, which, until, limit + 1)
            found = await self._found(connection, query, where, limit + 1)
            more = len(found) > limit
            rows = await self._rows(connection, [row.id for row in found[:limit]], columns)
        if more:
            last = found[limit - 1]
        return DecisionPage(rows, None if last is None else f"{last.at}-{last.id}")

    async def decision(self, id_: str) -> dict[str, Any] | None:
        """One decision with everything that is known of it; None if there is none.

        ``decision`` is the object that `Decision.from_json` reads; ``prompt``, ``answer`` and
        ``unserved`` (the writing that is not the answer) are None where texts are not kept.
        ``dry_runs`` lists the policies that were tried on it.
        """
        query = (
            select(decisions, texts.c.prompt, texts.c.answer, texts.c.unserved)
            .outerjoin(texts, texts.c.id == decisions.c.id)
            .where(decisions.c.id == id_)
        )
        async with transaction(self._engine, _WHAT) as connection:
            row = (await connection.execute(query)).mappings().first()
            tried = await tried_on(connection, id_)
        return None if row is None else {**_whole(dict(row)), "dry_runs": tried}

    async def overview(self, which: Filter) -> Overview:
        """Sums over decisions; whole hours of long ago come from `tables.hours`, or `key_hours`."""
        async with snapshot(self._engine, _WHAT) as connection:
            return await overview(connection, which)

    async def series(self, which: Filter, *, now: int) -> Series:
        """The sums of `overview` over time, up to `now` in microseconds since 1970."""
        async with snapshot(self._engine, _WHAT) as connection:
            return await series(connection, which, now=now)

    async def trials(self, which: Filter) -> list[DryRun]:
        """The dry runs in the period of a filter, by policy."""
        async with snapshot(self._engine, _WHAT) as connection:
            return await trials(connection, which)

    async def spent(self, since: int) -> list[tuple[str, str, Spent]]:
        """What answers since a time have spent: key, policy, and the sums of those that ended."""
        c = decisions.c
        sums = (
            *(func.sum(c.spent_tokens), func.sum(c.spent_money)),
            func.sum(case((c.estimated, 1), else_=0)),
        )
        groups = (c.key_id, c.policy)
        query = select(*groups, *sums).where(c.at >= since, c.spent_tokens.is_not(None))
        async with transaction(self._engine, _WHAT) as connection:
            rows = (await connection.execute(query.group_by(*groups))).all()
        return [
            (key, policy, Spent(int(tokens), float(money or 0.0), int(estimated)))
            for key, policy, tokens, money, estimated in rows
        ]

    async def open(self, since: int, *, before: int) -> list[Open]:
        """Answers since a time of which it is not on record what they have spent.

        Args:
            since: The time, in microseconds since 1970.
            before: Answers that are still being written count if they were asked for before this.
        """
        c = decisions.c
        groups = (c.key_id, c.policy, c.policy_hash)
        sums = [func.count().label("answers")]
        for name, column in (("read", c.prompt_tokens), ("written", c.written_tokens)):
            sums.append(func.coalesce(func.sum(column), 0).label(name))
            sums.append(func.count(column).label(f"{name}_known"))
        query = select(*groups, *sums).where(
            c.at >= since,
            c.spent_tokens.is_(None),
            or_(c.status != "writing", c.at < before),
            # What failed before the engine took it has taken nothing.
            or_(
                c.status.not_in(("failed", "gone")),
                c.prompt_tokens.is_not(None),
                c.written_tokens.is_not(None),
            ),
        )
        async with transaction(self._engine, _WHAT) as connection:
            rows = (await connection.execute(query.group_by(*groups))).all()
        return [Open(*row[:3], *map(int, row[3:])) for row in rows]

    async def all(self, which: Filter) -> AsyncGenerator[dict[str, Any], None]:
        """Every decision as `decision` returns it, the latest first."""
        cursor = None
        while True:
            columns = tuple(decisions.c)
            page = await self.page(which, limit=_EXPORTED, cursor=cursor, columns=columns)
            async for row in self._with_texts(page.rows):
                yield _whole(row)
            cursor = page.next
            if cursor is None:
                return

    async def _with_texts(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The rows with their texts, which are large: some are in memory at a time."""
        c = texts.c
        lengths = (func.coalesce(func.length(c[name]), 0) for name in TEXTS)
        size = sum(lengths, literal(0))
        query = select(c.id, size).where(c.id.in_([row["id"] for row in rows]))
        async with transaction(self._engine, _WHAT) as connection:
            sizes = {id_: size for id_, size in await connection.execute(query)}
        start = 0
        while start < len(rows):
            end, held = start, 0
            while end < len(rows) and (end == start or held < _AT_ONCE):
                held += sizes.get(rows[end]["id"], 0)
                end += 1
            ids = [row["id"] for row in rows[start:end] if row["id"] in sizes]
            kept = select(c.id, *(c[name] for name in TEXTS)).where(c.id.in_(ids))
            found = {}
            if ids:
                async with transaction(self._engine, _WHAT) as connection:
                    found = {own["id"]: own for own in (await connection.execute(kept)).mappings()}
            for row in rows[start:end]:
                yield {**row, **dict.fromkeys(TEXTS), **found.get(row["id"], {})}
            start = end

    async def _found(
        self,
        connection: AsyncConnection,
        query: Select[Any],
        where: Sequence[tuple[int | None, int | None]],
        most: int,
    ) -> list[Any]:
        """The first rows of a query in some stretches of time, one after the other."""
        at = decisions.c.at
        found: list[Any] = []
        for since, until in where:
            inside = [] if since is None else [at >= since]
            inside += [] if until is None else [at < until]
            part = query.where(*inside).limit(most - len(found))
            found += (await connection.execute(part)).all()
            if len(found) == most:
                break
        return found

    async def _searching(
        self, connection: AsyncConnection, query: Select[Any], which: Filter
    ) -> tuple[Select[Any], Any]:
        """The query held to what is searched for one page, and the last row of that, if any."""
        c = decisions.c
        last = (await connection.execute(query.offset(SEARCHED - 1).limit(1))).first()
        query = query.where(*which.searched())
        if last is not None:
            query = query.where(tuple_(c.at, c.id) >= tuple_(last.at, last.id))
        return query, last

    async def _rows(
        self, connection: AsyncConnection, ids: Sequence[str], columns: Any
    ) -> list[dict[str, Any]]:
        c = decisions.c
        query = select(*columns).where(c.id.in_(ids)).order_by(c.at.desc(), c.id.desc())
        return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def prompts(self, ids: Sequence[str], longest: int) -> dict[str, Any]:
        """Messages of those of some decisions whose texts are kept, by id.

        Args:
            ids: Ids of the decisions, up to `MOST`.
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
        query = (
            select(c.id, c.at, c.policy, c.decision)
            .where(*which.conditions(), c.after_action.is_not(None))
            .order_by(c.at.desc(), c.id.desc())
            .limit(limit)
        )
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
    form = record["decision"].get("form")
    return Transcript(
        id=record["id"],
        task="",
        completion=answer,
        model=record["model"],
        prompt=tuple(prompt),
        tokens={"total": record["written_tokens"]} if record["written_tokens"] is not None else {},
        unscored="not judged",
        extra={"policy": record["policy"], "key_id": record["key_id"]},
        decision=record["decision"],
        game="" if form is None else form_from_json(form).identity,
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
        raise DataError("cursor: this is not the 'next' of an earlier page")
    return int(found[1]), found[2]
