"""A backend that writes once what several answers ask alike."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from gateway_parts import Held
from gtalign.errors import UpstreamError
from gtalign.gateway.dashboard.shared import SharedBackend
from gtalign.steering import FakeBackend, Sampling

ASKED: Any = ({"role": "user", "content": "x"},)
SEED = Sampling(seed=3)


async def said(draft: Any, **options: Any) -> str:
    async with aclosing(draft.write(max_tokens=90, **options)) as slices:
        return "".join([slice_ async for slice_ in slices])


def counting() -> FakeBackend:
    return FakeBackend(lambda messages, begun: f"<{len(begun)}>abcdefgh")


async def test_alike_writes_are_one_write_at_the_same_time_and_later() -> None:
    engine = counting()
    shared = SharedBackend(engine)
    one, two, late = (shared.open(ASKED, SEED) for _ in range(3))
    first, second = await asyncio.gather(said(one, stop="c"), said(two, stop="c"))
    assert first == second == await said(late, stop="c") == "<0>abc"
    assert len(engine.writes) == 1
    assert one.report is not None and one.report.finish == "stop"
    assert one.report == two.report == late.report
    assert one.text == two.text == "<0>abc"
    assert (shared.name, shared.can_resume, shared.grammar) == ("fake", True, None)
    await shared.aclose()


@pytest.mark.parametrize(
    ("asked", "sampling", "options"),
    [
        (({"role": "user", "content": "y"},), SEED, {}),
        (ASKED, Sampling(seed=4), {}),
        (ASKED, Sampling(seed=3, extra={"min_p": 0.1}), {}),
        (ASKED, SEED, {"stop": "d"}),
        (ASKED, SEED, {"grammar": "root ::= x"}),
        (ASKED, SEED, {"sampling": Sampling(seed=3, temperature=0.5)}),
    ],
)
async def test_what_differs_is_written_apart(asked: Any, sampling: Any, options: Any) -> None:
    engine = counting()
    shared = SharedBackend(engine)
    await said(shared.open(ASKED, SEED))
    await said(shared.open(asked, sampling), **options)
    assert len(engine.writes) == 2


async def test_each_continues_from_its_own_text_after_what_they_share() -> None:
    engine = counting()
    shared = SharedBackend(engine)
    one, two = shared.open(ASKED, SEED), shared.open(ASKED, SEED)
    await asyncio.gather(said(one, stop="c"), said(two, stop="c"))
    one.rewrite("12345")
    two.rewrite("1234567890")
    told = await asyncio.gather(said(one), said(two))
    assert [text[:4] for text in told] == ["<5>a", "<10>"]
    assert (one.text[:7], two.text[:12]) == ("12345<5", "1234567890<1")
    assert [write.text for write in engine.writes] == ["", "12345", "1234567890"]


async def test_a_failure_reaches_every_reader_and_is_not_repeated_to_the_next() -> None:
    broken, calls = UpstreamError("e", "it broke"), 0

    def script(messages: Any, begun: str) -> Any:
        nonlocal calls
        calls += 1
        return ["ab", broken] if calls == 1 else "abc"

    shared = SharedBackend(FakeBackend(script))
    one, two = shared.open(ASKED, SEED), shared.open(ASKED, SEED)
    told = await asyncio.gather(said(one), said(two), return_exceptions=True)
    assert told == [broken, broken] and (one.text, two.text) == ("ab", "ab")
    assert await said(shared.open(ASKED, SEED)) == "abc"


async def test_it_is_written_on_until_the_last_reader_has_left() -> None:
    engine = Held()
    shared = SharedBackend(engine)
    drafts = [shared.open(ASKED, SEED) for _ in range(2)]
    for draft in drafts:
        draft.rewrite("<thinking>")  # behind which the engine waits
    reading = [asyncio.create_task(said(draft)) for draft in drafts]
    await engine.reached.wait()
    reading[0].cancel()
    await asyncio.wait(reading[:1])
    assert not engine.closed.is_set()
    reading[1].cancel()
    await engine.closed.wait()
    assert len(shared.writes) == 1


async def test_an_engine_that_cannot_continue_a_text_writes_each_answer() -> None:
    engine = FakeBackend(lambda messages, begun: "abc", can_resume=False)
    shared = SharedBackend(engine)
    drafts = [shared.open(ASKED, SEED) for _ in range(2)]
    assert await asyncio.gather(*map(said, drafts)) == ["abc", "abc"]
    assert len(engine.writes) == 2
