"""How long the writer of an answer is waited for, by a clock of the test's own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from gtalign.errors import UpstreamError
from gtalign.steering import Ask, FakeBackend, Session, Steering, SteeringSettings, load_policy
from gtalign.steering.stopwatch import Stopwatch
from gtalign.tasks import Message

ASK = Ask((Message(role="user", content="Which?"),))
POLICY = load_policy("subscription")
OBSERVE = SteeringSettings(mode="observe", instruct="none")


class Clock:
    """A clock that stands still unless somebody takes time."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("gtalign.steering.stopwatch.perf_counter", found)
    return found


def slow(clock: Clock, *slices: str | UpstreamError, seconds: float = 2.0) -> FakeBackend:
    """A backend that takes its time for each slice, and for finding that there is no more."""
    backend = FakeBackend(lambda messages, begun: slices)
    begin = backend.open

    def opened(messages: Any, sampling: Any) -> Any:
        draft = begin(messages, sampling)
        write = draft.write

        async def late(**options: Any) -> AsyncGenerator[str, None]:
            async with aclosing(write(**options)) as written:
                try:
                    async for slice_ in written:
                        clock.now += seconds
                        yield slice_
                finally:
                    clock.now += seconds

        draft.write = late  # type: ignore[method-assign]
        return draft

    backend.open = opened  # type: ignore[method-assign]
    return backend


def watched(backend: FakeBackend) -> tuple[Session, Stopwatch]:
    watch = Stopwatch()
    return Session(Steering(backend, POLICY, OBSERVE), ASK, watch=watch), watch


async def test_only_waiting_for_text_counts(clock: Clock) -> None:
    session, watch = watched(slow(clock, "<thinking>", "a", "b"))
    assert (watch.waited, watch.begun, watch.stretches) == (0.0, False, [])
    async for _ in session.events():
        clock.now += 50.0  # its reader takes its time
        assert watch.begun
    assert watch.waited == 3 * 2.0 + 2.0
    [(began, ended)] = watch.stretches
    assert began == 100.0
    assert ended - began > watch.waited


async def test_what_was_waited_for_in_vain_counts_as_well(clock: Clock) -> None:
    session, watch = watched(slow(clock, UpstreamError("engine", "broke")))
    with pytest.raises(UpstreamError):
        async for _ in session.events():
            pass
    assert (watch.waited, watch.begun) == (2.0, False)
    assert watch.stretches == [(100.0, 102.0)]


async def test_a_reader_that_leaves_was_not_waiting(clock: Clock) -> None:
    session, watch = watched(slow(clock, "<thinking>", "a", "b"))
    async with aclosing(session.events()) as events:
        async for _ in events:
            clock.now += 50.0
            break
    assert watch.waited == 2.0
    assert len(watch.stretches) == 1


async def test_a_cancelled_wait_counts_up_to_then(clock: Clock) -> None:
    waiting = asyncio.Event()
    backend = slow(clock, "<thinking>")
    begin = backend.open

    def opened(messages: Any, sampling: Any) -> Any:
        draft = begin(messages, sampling)

        async def stuck(**options: Any) -> AsyncGenerator[str, None]:
            waiting.set()
            await asyncio.Event().wait()
            yield ""

        draft.write = stuck  # type: ignore[method-assign]
        return draft

    backend.open = opened  # type: ignore[method-assign]
    session, watch = watched(backend)

    async def read() -> None:
        async with aclosing(session.events()) as events:
            async for _ in events:
                pass

    reading = asyncio.create_task(read())
    await waiting.wait()
    clock.now += 7.0
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert watch.waited == 7.0


async def test_one_watch_times_every_stretch_of_an_answer(clock: Clock) -> None:
    backend = slow(clock, "<thinking>a</thinking><payoff>no matrix</payoff>")
    watch = Stopwatch()
    steering = Steering(backend, POLICY, SteeringSettings(instruct="none"))
    session = Session(steering, ASK, watch=watch)
    async for _ in session.events():
        pass
    assert len(watch.stretches) == len(session.phases) >= 2
    assert watch.stretches == sorted(watch.stretches)
