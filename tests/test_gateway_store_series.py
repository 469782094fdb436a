"""Sums over time: what the slots say is what the decisions say, rolled up or not."""

import asyncio
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gtalign.gateway.store import spread
from gtalign.gateway.store.hours import HOUR, roll_up
from gtalign.gateway.store.obedience import Obedience
from gtalign.gateway.store.reader import Filter, Overview, Reader
from gtalign.gateway.store.series import MOST, WIDTHS, width_of
from gtalign.gateway.store.writer import AuditWriter, Record
from postgres_cluster import cluster, programs
from store_parts import decided, record, stored

POSTGRES = programs()
MINUTE, DAY = HOUR // 60, 24 * HOUR
KNOWN = ("at", "status", "policy", "flipped", "prompt_tokens", "written_tokens", "added_ms")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql", marks=pytest.mark.skipif(POSTGRES is None, reason="no PostgreSQL here")
        ),
    ]
)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        yield str(tmp_path / "audit.db")
        return
    assert POSTGRES is not None
    with cluster(POSTGRES) as server:
        yield server.url("postgres")


OBEDIENCE: list[dict[str, Any]] = [
    {"obeyed": True, "retry": None},
    {"obeyed": True, "retry": "second"},
    {"obeyed": False, "retry": None},
    {"obeyed": False, "retry": "first"},
    {"obeyed": None, "retry": None},
]


def obedience_of(held: list[dict[str, Any]]) -> dict[str, Obedience]:
    """What `Slot.obedience` has to be, counted one by one."""
    found: dict[str, Obedience] = {}
    for row in held:
        if row["flipped"] and row["steered"] and row["status"] == "done":
            name = {True: "obeyed", False: "disobeyed", None: "unknown"}[row["obeyed"]]
            own = found.get(row["policy"], Obedience())
            own = replace(own, **{name: getattr(own, name) + 1})
            mended = own.mended + (row["retry"] == "second")
            found[row["policy"]] = replace(own, mended=mended)
    return found


async def rows(count: int, seed: int, span: int = 3 * DAY) -> list[dict[str, Any]]:
    drawn = random.Random(seed)
    sample = dict(record(await decided(), "x").row)
    return [
        sample
        | {
            "id": f"a-{number:04}",
            "at": drawn.randrange(span),
            "status": drawn.choice(("done", "done", "failed", "gone")),
            "policy": drawn.choice("pq"),
            "after_action": drawn.choice(("DA", "CQ", None)),
            "flipped": drawn.random() < 0.3,
            "steered": drawn.random() < 0.8,
            **drawn.choice(OBEDIENCE),
            "prompt_tokens": drawn.choice((None, 10, 100)),
            "written_tokens": drawn.choice((None, 7, 70)),
            "added_ms": drawn.choice((None, 0.1, 0.9, 3.0, 700.0, 1e6)),
        }
        for number in range(count)
    ]


async def put(engine: Any, found: list[dict[str, Any]]) -> None:
    writer = AuditWriter(engine)
    await asyncio.gather(*(writer.put(Record(row)) for row in found))
    await writer.close()


async def rolled_up(engine: Any, now: int) -> None:
    while await roll_up(engine, now=now):
        pass


def total(held: list[dict[str, Any]], name: str) -> int | None:
    """The sum of what was counted; unknown, not 0, if nothing was."""
    known = [row[name] for row in held if row[name] is not None]
    return sum(known) if known or not held else None


@pytest.mark.parametrize("seed", range(3))
async def test_every_slot_sums_its_own_decisions(where: str, seed: int) -> None:
    made = await rows(150, seed)
    async with stored(where) as engine:
        await put(engine, made[20:])
        await rolled_up(engine, random.Random(seed).randrange(4) * DAY)
        await put(engine, made[:20])  # some of them late
        reader = Reader(engine)
        for which in (
            Filter(),
            Filter(policy="q"),
            Filter(since=HOUR // 2, until=2 * DAY + 7),
            Filter(since=5 * HOUR + 1, until=6 * HOUR + 90 * MINUTE),
            Filter(since=DAY, until=DAY + 10),
            Filter(search="a-00"),
        ):
            found = await reader.series(which, now=3 * DAY)
            until = 3 * DAY if which.until is None else which.until
            passing = [
                row
                for row in made
                if (which.since or 0) <= row["at"] < until
                and which.policy in (None, row["policy"])
                and (which.search or "") in row["id"]
            ]
            begins = [slot.at for slot in found.slots]
            assert all(at % found.width == 0 for at in begins) and len(begins) <= MOST
            assert begins == list(range(begins[0], begins[-1] + 1, found.width))
            for slot in found.slots:
                own = [row for row in passing if slot.at <= row["at"] < slot.at + found.width]
                assert slot.answers == len(own)
                assert slot.failed == sum(row["status"] == "failed" for row in own)
                assert slot.decided == sum(row["after_action"] is not None for row in own)
                assert slot.flips == sum(row["flipped"] for row in own)
                assert slot.prompt_tokens == total(own, "prompt_tokens")
                assert slot.written_tokens == total(own, "written_tokens")
                assert slot.obedience == obedience_of(own)
                times = [row["added_ms"] for row in own if row["added_ms"] is not None]
                counts = [float(sum(t <= bound for t in times)) for bound in spread.BOUNDS]
                assert slot.added_p50 == spread.percentile(counts, 0.5)
                assert slot.added_p95 == spread.percentile(counts, 0.95)
            assert sum(slot.answers for slot in found.slots) == len(passing)
            over = await reader.overview(replace(which, until=until))
            assert over.obedience == obedience_of(passing)
            known = sum(row["prompt_tokens"] is not None for row in passing)
            tokens = total(passing, "prompt_tokens") if passing else None
            assert (over.read_known, over.prompt_tokens) == (known, tokens)
            times = [row["added_ms"] for row in passing if row["added_ms"] is not None]
            counts = [float(sum(t <= bound for t in times)) for bound in spread.BOUNDS]
            assert found.added_p95 == spread.percentile(counts, 0.95)


async def test_nothing_on_record_has_no_slots(tmp_path: Path) -> None:
    async with stored(tmp_path) as engine:
        reader = Reader(engine)
        assert (await reader.series(Filter(), now=DAY)).slots == ()
        assert (await reader.series(Filter(since=9, until=9), now=DAY)).slots == ()
        quiet = await reader.series(Filter(since=0, until=HOUR), now=DAY)
        assert len(quiet.slots) == 12 and {slot.answers for slot in quiet.slots} == {0}


@pytest.mark.parametrize("span", [1, HOUR, 3 * HOUR, DAY, 30 * DAY, 400 * DAY, 10**17])
def test_any_span_has_a_number_of_slots_that_a_chart_can_show(span: int) -> None:
    width = width_of(span)
    assert span / width <= MOST - 1
    assert width == WIDTHS[0] or width % HOUR == 0


def alike(one: Overview, two: Overview) -> bool:
    """Whether two sums of the same decisions agree, in whichever order they were added."""
    other = asdict(two)
    return all(
        value == (pytest.approx(other[name]) if isinstance(value, float) else other[name])
        for name, value in asdict(one).items()
    )


async def test_hours_that_an_earlier_gateway_sums_meanwhile_are_summed_again(
    tmp_path: Path,
) -> None:
    """It may still run on the same database: it writes and reads what it knows."""
    made = await rows(40, 2, HOUR)
    async with stored(tmp_path) as engine:
        await put(engine, made)
        await rolled_up(engine, 5 * HOUR)
        before = await Reader(engine).overview(Filter())
        async with engine.begin() as connection:
            empty = ", ".join(f"{name} = NULL" for name in spread.NAMES)
            for table in ("hours", "key_hours"):
                await connection.execute(text(f"UPDATE {table} SET {empty}"))
            await connection.execute(text("UPDATE rolled SET sums = NULL"))
        reader = Reader(engine)
        assert alike(await reader.overview(Filter()), before)
        await rolled_up(engine, 5 * HOUR)
        assert await reader.overview(Filter()) == before
        assert (await reader.series(Filter(), now=3 * DAY)).added_p50 is not None
