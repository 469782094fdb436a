"""Waiting within a time, which costs no timer where nothing is waited for."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from gtalign.steering.http.waiting import within


async def there(value: Any = 3) -> Any:
    return value


async def later(value: Any = 4) -> Any:
    for _ in range(3):
        await asyncio.sleep(0)
    return value


async def failing(after: int) -> Any:
    for _ in range(after):
        await asyncio.sleep(0)
    raise KeyError("wrong")


@pytest.fixture
def no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seconds: float | None) -> Any:
        raise AssertionError("a timer was set")

    monkeypatch.setattr(asyncio, "timeout", refuse)


async def done() -> Awaitable[Any]:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(5)
    return future


@pytest.mark.usefixtures("no_timer")
async def test_what_is_there_sets_no_timer() -> None:
    assert await within(1.0, there()) == 3
    assert await within(0.0, await done()) == 5
    with pytest.raises(KeyError, match="wrong"):
        await within(1.0, failing(0))
    with pytest.raises(AssertionError, match="timer"):
        await within(1.0, later())


@pytest.mark.parametrize("seconds", [None, 60.0])
async def test_what_comes_later_is_waited_for(seconds: float | None) -> None:
    assert await within(seconds, later()) == 4
    assert await within(seconds, asyncio.create_task(later("task"))) == "task"
    with pytest.raises(KeyError, match="wrong"):
        await within(seconds, failing(2))


async def test_what_takes_too_long_is_cancelled() -> None:
    ended = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # it may still tidy up
            ended.append("tidy")

    with pytest.raises(TimeoutError):
        await within(0.0, forever())
    assert ended == ["tidy"]


async def test_whoever_waits_can_be_cancelled() -> None:
    begun, told = asyncio.Event(), []

    async def forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            told.append(error.args)
            raise

    waiting = asyncio.create_task(within(60.0, forever()))
    await begun.wait()
    waiting.cancel("the reader left")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told == [("the reader left",)]


async def test_it_may_swallow_a_cancellation() -> None:
    begun = asyncio.Event()

    async def stubborn() -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return 7

    waiting = asyncio.create_task(within(None, stubborn()))
    await begun.wait()
    waiting.cancel()
    assert await waiting == 7
