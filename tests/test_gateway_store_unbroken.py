"""Work on the store that a cancelled task does not break off."""

import asyncio

import pytest

from gtalign.gateway.store.database import unbroken


async def test_a_cancelled_task_waits_for_the_work_that_it_has_begun() -> None:
    begun, go, done = asyncio.Event(), asyncio.Event(), []

    async def work() -> int:
        begun.set()
        await go.wait()
        done.append(1)
        return 7

    async def waits() -> int:
        return await unbroken(work())

    task = asyncio.create_task(waits())
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1]


async def test_results_and_errors_come_through() -> None:
    async def fails() -> None:
        raise OSError("gone")

    async def gives() -> int:
        return 3

    assert await unbroken(gives()) == 3
    with pytest.raises(OSError, match="gone"):
        await unbroken(fails())


async def test_an_error_of_work_that_nobody_waits_for_any_longer_is_let_go() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def fails() -> None:
        begun.set()
        await go.wait()
        raise OSError("gone")

    task = asyncio.create_task(unbroken(fails()))
    await begun.wait()
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
