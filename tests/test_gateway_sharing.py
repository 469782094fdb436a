"""Two gateways over one PostgreSQL let in what one would, and deal with one that was killed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway_parts import MESSAGES, Held, Served, scripted, served
from gtalign.errors import StorageError
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import ANYONE, Key, KeyLimits
from gtalign.gateway.limits import BudgetError
from gtalign.gateway.model_settings import UpstreamSettings
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.sharing import SharedLimits
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.processes import LOST, beat, bury
from gtalign.gateway.store.tables import processes, uses
from gtalign.steering import Budget
from postgres_cluster import Cluster, database, needs_postgres, server
from store_parts import stored

__all__ = ["database", "server"]
pytestmark = needs_postgres


def key_with(**limits: Any) -> Key:
    return Key("k", "k", frozenset({"chat"}), limits=KeyLimits(**limits))


@asynccontextmanager
async def sharing(
    engine: AsyncEngine, names: str = "ab", **settings: Any
) -> AsyncGenerator[list[SharedLimits], None]:
    """The limits of so many processes, in this one."""
    config = GatewayConfig(upstream=UpstreamSettings(address="none"), **settings)
    async with AsyncExitStack() as stack:
        found = []
        for name in names:
            limits = SharedLimits(config, engine, name * 16, lambda: ["ours"])
            stack.push_async_callback(limits.aclose)
            await beat(engine, name * 16)
            found.append(limits)
        yield found


async def refused(limits: SharedLimits, key: Key) -> APIError:
    with pytest.raises(APIError) as caught:
        async with limits.admitted(key):
            pass
    return caught.value


async def test_requests_in_flight_are_limited_over_processes(database: str) -> None:
    key = key_with(concurrency=7)
    async with stored(database) as engine, sharing(engine, "abc") as sides:
        answered = [0, 0]  # with a refusal, with a place
        over = asyncio.Event()

        async def ask(number: int) -> None:
            try:
                async with sides[number % 3].admitted(key):
                    answered[1] += 1
                    await over.wait()
            except APIError as error:
                assert error.code == "concurrency"
                answered[0] += 1
                if answered[0] == 53:
                    over.set()

        await asyncio.gather(*(ask(number) for number in range(60)))
        assert answered == [53, 7]
        for side in sides:  # all places were given back, whoever had them
            async with AsyncExitStack() as stack:
                for _ in range(7):
                    await stack.enter_async_context(side.admitted(key))
                assert (await refused(sides[0], key)).code == "concurrency"


async def test_requests_and_tokens_of_a_minute_are_limited_over_processes(database: str) -> None:
    key = key_with(requests_per_minute=5)
    tokens = replace(key_with(tokens_per_minute=100), id="t")
    async with stored(database) as engine, sharing(engine) as (one, two):
        for side in (one, two, one, two, one):
            async with side.admitted(key):
                pass
        for side in (one, two):
            error = await refused(side, key)
            assert error.code == "requests_per_minute" and 0 < (error.wait or 0) <= 12
        async with one.admitted(tokens):
            one.spend(tokens, Spent(350), "ours")
        assert 0 < ((await refused(two, tokens)).wait or 0) <= 150
        # A minute later, by the clock of the database.
        async with engine.begin() as connection:
            await connection.execute(update(uses).values(at=uses.c.at - 60))
        async with two.admitted(key), one.admitted(key):
            pass
        assert (await refused(one, tokens)).code == "tokens_per_minute"


async def test_a_budget_is_that_of_all_processes(database: str) -> None:
    key, other = key_with(budget=Budget(tokens=100)), replace(key_with(), id="o")
    async with stored(database) as engine, sharing(engine) as sides:
        served = 0
        while True:
            side = sides[served % 2]
            try:
                async with side.admitted(key):
                    served += 1
                    side.spend(key, Spent(9, 0.25), "ours")
            except BudgetError:
                break
        assert served == 12  # as one process: the last begins below the budget
        assert all([(await refused(side, key)).code == "insufficient_quota" for side in sides])
        for side in sides:  # and all see what was spent under a policy, once they let one in
            async with side.admitted(other):
                assert side.spent_under("ours") == Spent(108, 3.0)
        assert {side.used(key) for side in sides} == {108}
        async with engine.begin() as connection:  # in another month
            await connection.execute(update(uses).values(month=202001))
        async with sides[0].admitted(key):
            assert sides[0].used(key) == 0


async def test_many_answers_are_counted_exactly(database: str) -> None:
    keys = [replace(ANYONE, id=f"{number:x}") for number in range(3)]
    async with stored(database) as engine, sharing(engine, "abcd") as sides:

        async def answer(number: int) -> None:
            key, side = keys[number % 3], sides[number % 4]
            async with side.admitted(key) as place:
                side.spend(key, Spent(number, 0.5, number % 2), f"p{number % 2}")
                await place.leave()
                await place.leave()  # once counts

        await asyncio.gather(*(answer(number) for number in range(300)))
        for side in sides:
            await side.look()
            for n, key in enumerate(keys):
                mine = range(n, 300, 3)
                assert side.spent(key) == Spent(sum(mine), 50.0, sum(m % 2 for m in mine))
            assert side.spent_under("p1") == Spent(sum(range(1, 300, 2)), 75.0, 150)
        async with engine.connect() as connection:
            assert set((await connection.execute(select(uses.c.running))).scalars()) == {"{}"}


async def test_the_records_raise_what_is_spent_and_never_lower_it(database: str) -> None:
    key = key_with()
    async with stored(database) as engine, sharing(engine) as (one, two):
        one.spend(key, Spent(50, 1.0), "ours")
        one.remember(key.id, Spent(70, 0.5))
        one.remember_policy("ours", Spent(10, 0.1))
        await one.flush()
        await two.look()
        assert two.spent(key) == Spent(70, 1.0)
        assert two.spent_under("ours") == Spent(50, 1.0)


async def test_whoever_leaves_before_being_let_in_takes_no_place(database: str) -> None:
    key = key_with(concurrency=1)
    async with stored(database) as engine, sharing(engine) as (one, two):

        async def ask() -> None:
            async with one.admitted(key):
                raise AssertionError("its client had left")

        for turns in range(12):  # at another instant each time
            task = asyncio.create_task(ask())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await one.flush()
            async with two.admitted(key):
                pass
        assert one.running == 0


@pytest.mark.parametrize("when_down", ["fail", "pass"])
async def test_while_the_database_is_down(server: Cluster, database: str, when_down: str) -> None:
    key = key_with(concurrency=1)
    audit = {"database": database, "when_down": when_down}
    async with stored(database) as engine, sharing(engine, audit=audit) as (one, two):
        async with one.admitted(key):
            pass
        server.stop()
        try:
            if when_down == "fail":
                with pytest.raises(StorageError, match="cannot be counted"):
                    async with one.admitted(key):
                        pass
            else:
                async with one.admitted(key):  # by what this process knows
                    assert (await refused(one, key)).code == "concurrency"
            one.spend(key, Spent(11), "ours")
        finally:
            server.start()
        while one._down or one._next.owners:
            await asyncio.sleep(0)
        async with two.admitted(key):  # no place is lost, and nothing that was spent
            assert two.used(key) == 11


@pytest.mark.parametrize("committed", [True, False])
async def test_what_a_broken_connection_leaves_in_doubt_counts_once(
    database: str, committed: bool
) -> None:
    key, armed = key_with(concurrency=1), True
    async with stored(database) as engine, sharing(engine) as (one, two):
        one.spend(key, Spent(10), "ours")
        await one.flush()

        @event.listens_for(engine.sync_engine, "commit")
        def broken(connection: Any) -> None:
            nonlocal armed
            if armed:
                armed = False
                if committed:
                    connection.connection.commit()
                raise ConnectionResetError("nobody knows whether it was committed")

        one.spend(key, Spent(5), "ours")
        with pytest.raises(StorageError, match="nobody knows"):
            async with one.admitted(key):
                pass
        while one._down or one._next.owners:
            await asyncio.sleep(0)
        async with two.admitted(key):
            assert two.used(key) == 15 and two.spent_under("ours") == Spent(15)


async def test_a_process_that_was_killed_gives_up_its_places(database: str) -> None:
    key = key_with(concurrency=2)
    async with stored(database) as engine, sharing(engine, "ab") as (one, two):
        async with AsyncExitStack() as held:
            await held.enter_async_context(one.admitted(key))
            await held.enter_async_context(one.admitted(key))
            assert (await refused(two, key)).code == "concurrency"
            assert await beat(engine, "b" * 16) == (True, None)  # it does not deal with others
            late = update(processes).where(processes.c.id == "a" * 16)
            async with engine.begin() as connection:
                await connection.execute(late.values(beat=processes.c.beat - LOST - 1))
            known, silent = await beat(engine, "b" * 16)
            assert known and silent == ["a" * 16]
            assert await bury(engine, silent) == 0
            async with two.admitted(key), two.admitted(key):
                pass
            # It was not killed, only held up: it learns of it, and has its places again.
            known, _ = await beat(engine, "a" * 16)
            assert not known
            one.tell_again()
            await one.flush()
            assert (await refused(two, key)).code == "concurrency"
        async with two.admitted(key), two.admitted(key):
            pass


@asynccontextmanager
async def pair(folder: Path, database: str, **settings: Any) -> AsyncGenerator[list[Served], None]:
    """Two whole gateways over one database, which a client asks in turn."""
    audit = {"database": database, "watch_seconds": 0.01}
    async with AsyncExitStack() as stack:
        sides = []
        for name in "ab":
            own = dict(settings)
            backend = own.pop("backends", {}).get(name, scripted())
            one = served(folder / name, backend, audit=audit, **own)
            sides.append(await stack.enter_async_context(one))
        yield sides


@pytest.mark.parametrize("stream", [False, True])
async def test_a_budget_ends_at_the_same_answer_as_in_one_process(
    database: str, tmp_path: Path, stream: bool
) -> None:
    async with pair(tmp_path, database) as sides:
        await sides[0].key(name="root")
        budget = {"budget": {"tokens": 400}, "concurrency": 1}
        _, secret = await sides[0].key(name="app", limits=budget)
        for side in sides:
            await side.gateway.keys.reload()
        spent, answers = 0, 0
        while spent < 400:  # each asks at the other gateway as soon as the one before has ended
            client = sides[answers % 2].client.with_options(api_key=secret)
            options: Any = {"stream_options": {"include_usage": True}} if stream else {}
            answer = await client.chat.completions.create(
                model="toy", messages=MESSAGES, stream=stream, **options
            )
            if stream:
                usage = [chunk.usage async for chunk in answer if chunk.usage][-1]
            else:
                usage = answer.usage
            spent, answers = spent + usage.total_tokens, answers + 1
        for side in sides:
            with pytest.raises(openai.RateLimitError, match="spent its tokens"):
                client = side.client.with_options(api_key=secret)
                await client.chat.completions.create(model="toy", messages=MESSAGES)
        assert {row["process"] for row in await sides[0].records()} == {
            side.gateway.process for side in sides
        }
        assert answers > 2


async def test_a_revoked_key_and_a_policy_hold_everywhere(database: str, tmp_path: Path) -> None:
    async with pair(tmp_path, database) as (one, two):
        await one.key(name="root")
        key, secret = await one.key(name="app", scopes=["chat"])
        client = two.client.with_options(api_key=secret)
        while two.gateway.keys.get(key.id) is None:
            await asyncio.sleep(0)
        asked: Any = {"model": "toy", "messages": MESSAGES}
        assert (await client.chat.completions.create(**asked)).gtalign["policy"] == "costly"
        policies = one.gateway.policies
        await policies.put(policies.get("costly").model_copy(update={"payer": "nobody"}))
        while two.gateway.policies.get("costly").payer != "nobody":
            await asyncio.sleep(0)
        await one.gateway.keys.revoke(key.id)
        while (known := two.gateway.keys.get(key.id)) is not None and known.good:
            await asyncio.sleep(0)
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(**asked)


async def test_answers_of_a_killed_process_are_lost_and_count(
    database: str, tmp_path: Path
) -> None:
    backend = Held()
    async with pair(tmp_path, database, backends={"a": backend}) as (one, two):
        asking = asyncio.create_task(one.ask(stream=True))
        await backend.reached.wait()
        [begun] = await one.records()
        assert begun["status"] == "writing" and begun["process"] == one.gateway.process
        assert await bury(two.gateway.store, [str(begun["process"])]) == 1
        [lost] = await two.records()
        assert lost["status"] == "lost" and "process ended" in lost["error"]
        month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        unknown = await two.gateway.reader.open(int(month.timestamp() * 1e6), before=0)
        assert [one.answers for one in unknown] == [1]
        assert await bury(two.gateway.store, [str(begun["process"])]) == 0
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
