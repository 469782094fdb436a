"""One answer on its way: what its text passes, and what is kept of it, step by step."""

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import MESSAGES, Held, Served, scripted, served
from gtalign.errors import UpstreamError
from gtalign.gateway.answers import wire
from gtalign.gateway.answers.answer import Answer
from gtalign.gateway.answers.request import read_chat, read_completion
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.answers.view import Piece
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import ANYONE
from gtalign.steering import Ask, FakeBackend
from standins import model
from standins.engines import VLLM

ASK = Ask(({"role": "user", "content": "Where to?"},))


def terms(gateway: Served, id_: str = "a") -> Terms:
    policy = gateway.gateway.policies.get("costly")
    return Terms(id_, "r", ANYONE, policy, "response", "toy", gateway.gateway.models.first)


def answer(gateway: Served, *, stream: bool = True) -> Answer:
    return Answer(gateway.gateway, terms(gateway), ASK, stream=stream)


class Traced(FakeBackend):
    """Remembers which generators the text that it writes passes next, from the inside out."""

    def __init__(self) -> None:
        super().__init__(lambda messages, begun: model.continuation("x", begun))
        self.passed: set[tuple[str, ...]] = set()

    def open(self, messages: Any, sampling: Any) -> Any:
        draft = super().open(messages, sampling)
        write = draft.write

        async def traced(**options: Any) -> AsyncGenerator[str, None]:
            async with aclosing(write(**options)) as slices:
                async for slice_ in slices:
                    self.passed.add(tuple(generators()))
                    yield slice_

        draft.write = traced  # type: ignore[method-assign]
        return draft


def generators() -> list[str]:
    """The asynchronous generators that wait for the caller's next value."""
    found, frame = [], sys._getframe(2)
    while frame.f_back is not None:
        if frame.f_code.co_flags & inspect.CO_ASYNC_GENERATOR:
            found.append(frame.f_code.co_qualname)
        frame = frame.f_back
    return found


@pytest.mark.parametrize("mode", ["advise", "enforce", "observe"])
async def test_text_passes_four_generators_and_each_does_something(
    tmp_path: Path, mode: str
) -> None:
    engine = Traced()
    async with served(tmp_path, engine, steering={"mode": mode}) as gateway:
        async for _ in await gateway.ask(stream=True):
            pass
    ways = ("Manuscript.write", "Session.events", "Answer.pieces", "Chat._events")
    assert engine.passed == {ways}


@pytest.mark.parametrize("show", ["response", "reasoning", "raw"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_answers_at_once_is_on_record_as_done(
    tmp_path: Path, show: str, stream: bool
) -> None:
    """No record that was begun before may come behind the last one."""
    async with served(tmp_path, steering={"mode": "observe"}, show=show) as gateway:
        found = await gateway.ask(stream=stream)
        if stream:
            async for _ in found:
                pass
        await gateway.ask(max_tokens=1)
        cut, whole = await gateway.records()
    assert (whole["status"], whole["finish"], whole["acted"]) == ("done", "stop", "CQ")
    assert (cut["status"], cut["finish"]) == ("done", "length")


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_reader_that_leaves_closes_the_engine_s_answer(tmp_path: Path, after: int) -> None:
    """However far it came: the engine stops at once, and the record says so."""
    closed = 0

    class Endless(FakeBackend):
        def open(self, messages: Any, sampling: Any) -> Any:
            draft = super().open(messages, sampling)
            write = draft.write

            async def watched(**options: Any) -> AsyncGenerator[str, None]:
                nonlocal closed
                try:
                    async with aclosing(write(**options)) as slices:
                        async for slice_ in slices:
                            yield slice_
                except GeneratorExit:
                    closed += 1
                    raise

            draft.write = watched  # type: ignore[method-assign]
            return draft

    engine = Endless(lambda messages, begun: model.continuation("x", begun), size=1)
    async with served(tmp_path, engine) as gateway:
        async with aclosing(answer(gateway).pieces()) as pieces:
            async for _ in pieces:
                if not after:
                    break
                after -= 1
        assert closed == 1
        [record] = await gateway.records()
        assert (record["status"], record["error"], record["finish"]) == ("gone", None, None)
        assert record["first_ms"] is not None


async def test_an_answer_that_was_never_begun_leaves_no_record(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        await answer(gateway).pieces().aclose()
        assert await gateway.records() == []


async def test_time_waited_for_an_engine_that_fails_is_not_the_gateway_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0

    def clock() -> float:
        return now

    class Late(FakeBackend):
        def open(self, messages: Any, sampling: Any) -> Any:
            draft = super().open(messages, sampling)

            async def late(**options: Any) -> AsyncGenerator[str, None]:
                nonlocal now
                now += 30.0
                raise UpstreamError("engine", "broke")
                yield ""

            draft.write = late  # type: ignore[method-assign]
            return draft

    engine = Late(lambda messages, begun: "")
    async with served(tmp_path, engine, upstream={"retries": 2}) as gateway:
        for module in ("steering.stopwatch", "gateway.answers.answer", "gateway.answers.account"):
            monkeypatch.setattr(f"gtalign.{module}.perf_counter", clock)
        with pytest.raises(UpstreamError):
            async for _ in answer(gateway).pieces():
                pass
        [record] = await gateway.records()
    assert (record["status"], record["total_ms"]) == (
        "failed",
        90_000.0,
    )  # it was asked three times
    assert record["added_ms"] == 0.0


async def test_an_answer_counts_what_every_attempt_wrote(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        found = answer(gateway, stream=False)
        async for _ in found.pieces():
            pass
        usage = found.usage()
        assert gateway.gateway.limits.used(ANYONE) == usage["total_tokens"] > 0
        counted = gateway.gateway.metrics.tokens.values
        assert counted == {
            ("read",): usage["prompt_tokens"],
            ("written",): usage["completion_tokens"],
        }


async def test_a_whole_answer_has_no_time_to_its_first_text(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        await gateway.ask()
        async for _ in await gateway.ask(stream=True):
            pass
        streamed, whole = await gateway.records()
        assert whole["first_ms"] is None
        assert 0 < streamed["first_ms"] <= streamed["total_ms"]
        assert sum(gateway.gateway.metrics.first.counts) == 1
        assert sum(gateway.gateway.metrics.seconds.counts) == 2


async def test_choices_are_numbered_and_the_first_has_the_request_s_id(tmp_path: Path) -> None:
    async with served(tmp_path, scripted()) as gateway:
        found = await gateway.ask(n=3)
        ids = {record["id"] for record in await gateway.records()}
    assert ids == {found.id, f"{found.id}-1", f"{found.id}-2"}
    assert [told["decision"] for told in found.gtalign] == [
        *(found.id, f"{found.id}-1", f"{found.id}-2")
    ]
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


async def test_several_choices_end_together_when_their_client_leaves(tmp_path: Path) -> None:
    engine = Held()
    async with served(tmp_path, engine) as gateway:
        asking = asyncio.create_task(
            gateway.post({"model": "toy", "messages": MESSAGES, "n": 2}),
        )
        await engine.reached.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        while {record["status"] for record in await gateway.records()} != {"gone"}:
            await asyncio.sleep(0)
        assert len(await gateway.records()) == 2
        assert gateway.gateway.limits.running == 0


def test_headers_say_what_was_decided() -> None:
    about = {"steered": True, "recorded": False, "before": None, "after": "DA", "added_ms": 0.25}
    assert wire.headers(about) == {
        "x-gtalign-steered": "true",
        "x-gtalign-recorded": "false",
        "x-gtalign-before": "none",
        "x-gtalign-after": "DA",
        "x-gtalign-added-ms": "0.25",
    }
    assert wire.headers({"recorded": True, "added_ms": 1}) == {
        "x-gtalign-recorded": "true",
        "x-gtalign-added-ms": "1",
    }


def test_a_whole_answer_with_a_lone_surrogate_is_json_all_the_same() -> None:
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    body = wire.completion(
        "i",
        7,
        "m",
        messages=[wire.message([Piece("reasoning", "why"), Piece("content", "a\ud800")])],
        finishes=[("stop", None)],
        usages=[usage],
        abouts=[{"decision": "i"}],
    )
    found = json.loads(body)
    assert found["choices"][0]["message"] == {
        "role": "assistant",
        "content": "a\ud800",
        "reasoning_content": "why",
        "refusal": None,
    }
    assert (found["usage"], found["gtalign"]) == (usage, {"decision": "i"})


def test_a_plain_completion_is_passed_through() -> None:
    raw = b'{"model": "toy", "prompt": "x", "stream": true, "n": 2}'
    found = read_completion(raw, max_tokens=9, choices=2)
    assert (found.passes, found.stream, found.messages) == ("completions", True, ())
    assert found.body["prompt"] == "x"
    with pytest.raises(APIError, match="'n' has to be a whole number from 1 to 1"):
        read_completion(raw, max_tokens=9, choices=1)
    with pytest.raises(APIError, match="'model' has to be"):
        read_completion(b'{"model": "a\\nb"}', max_tokens=9, choices=1)
    assert read_completion(b"{}", max_tokens=9, choices=1).model == ""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"tools": [{}]}, "tools"),
        ({"response_format": {"type": "structural_tag"}}, "response_format"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"response_format": {"type": "text"}, "tools": []}, None),
    ],
)
def test_why_a_chat_is_passed_through(more: dict[str, Any], why: str | None) -> None:
    raw = json.dumps({"model": "toy", "messages": MESSAGES, **more}).encode()
    found = read_chat(raw, max_tokens=9, choices=1)
    assert found.passes == why
    assert bool(found.messages) == (why is None)


class Named(VLLM):
    """Says who it is in each event, as servers do whose settings may change."""

    fingerprint: object = "b7-abc"

    def _stream(self, *given: Any, **more: Any) -> Iterator[Any]:
        for found in super()._stream(*given, **more):
            done = found == "[DONE]"
            yield found if done else {**found, "system_fingerprint": self.fingerprint}


async def test_a_steered_answer_names_the_engine_s_settings(tmp_path: Path) -> None:
    engine = Named()
    async with served(tmp_path, engine) as gateway:
        for known in ("b7-abc", "b8-def"):
            engine.fingerprint = known
            chunks = [chunk async for chunk in await gateway.ask(stream=True)]
            assert {chunk.system_fingerprint for chunk in chunks} == {known}
            answer = await gateway.ask()
            assert (answer.system_fingerprint, answer.gtalign["steered"]) == (known, True)


@pytest.mark.parametrize("odd", [None, 7, "", "x" * 201, "b\n7"])
async def test_a_name_that_is_none_is_left_out(tmp_path: Path, odd: object) -> None:
    engine = Named()
    engine.fingerprint = odd
    async with served(tmp_path, engine) as gateway:
        answer = await gateway.ask()
        assert "system_fingerprint" not in answer.model_fields_set
