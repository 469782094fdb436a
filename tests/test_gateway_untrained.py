"""The gateway before a model that was not trained on chains: it observes, steers or passes."""

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_parts import MESSAGES, served
from gtalign.chain import prompt
from gtalign.gateway import shadows
from gtalign.gateway.answers.tap import Tap
from gtalign.gateway.keys import ANYONE
from gtalign.gateway.shadows import Shadows
from gtalign.steering import FakeBackend
from gtalign.steering.guided import NO_CHAIN, OWN, SHADOW
from standins import model, tokens
from standins.engines import LlamaCpp, chat_chunk, usage
from standins.server import RefusedError

OWN_ANSWER = "Go to Zürich by train. When do you leave?"
UNTRAINED: dict[str, Any] = {"instruct": "short"}


class Untrained(LlamaCpp):
    """Writes a chain where it is instructed to, and else plain text.

    Attributes:
        broken: Whether its chains have no matrix.
        failing: Whether it fails at chains.
    """

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.failing = False

    async def completions(self, body: dict[str, Any]) -> Any:
        if self.failing:
            raise RefusedError(500, "out of memory")
        if self.broken:
            return self._plain("<thinking>Hm.</thinking><payoff>none</payoff>")
        return await super().completions(body)

    async def chat(self, body: dict[str, Any]) -> Any:
        if not body.get("stream"):
            return {
                **{"id": "own", "object": "chat.completion", "created": 1, "model": "toy"},
                "choices": [
                    {
                        **{"index": 0, "finish_reason": "stop", "weird": [1]},
                        "message": {"role": "assistant", "content": OWN_ANSWER},
                    }
                ],
                "usage": usage(7, 11),
            }
        return self._said(OWN_ANSWER)

    def _plain(self, text: str) -> Iterator[Any]:
        yield {"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}
        yield "[DONE]"

    def _said(self, text: str) -> Iterator[Any]:
        for word in text.split(" "):
            yield chat_chunk({"content": f"{' ' if word != 'Go' else ''}{word}"}, None)
        yield chat_chunk({}, "stop")
        yield {"choices": [], "usage": usage(7, 11)}
        yield "[DONE]"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"temperature": 0.2, "presence_penalty": 0.5, "stop": ["x"]},
        {"logprobs": True, "top_logprobs": 2},
        {"grammar": 'root ::= "x"', "ignore_eos": True},
        {"messages": [*MESSAGES, {"role": "assistant", "content": "Well"}]},
    ],
)
async def test_what_is_observed_is_the_request_and_the_answer_of_the_engine(
    tmp_path: Path, stream: bool, more: dict[str, Any]
) -> None:
    engine = Untrained()
    async with served(tmp_path, engine, steering={"mode": "observe", **UNTRAINED}) as gateway:
        engine.requests.clear()
        body = {"model": "toy", "messages": MESSAGES, "stream": stream, **more}
        url = f"{gateway.address}/v1/chat/completions"
        async with gateway.http.post(url, json=body) as answer:
            assert answer.headers["x-gtalign-steered"] == "false"
            assert answer.headers["x-gtalign-passed"] == "observe"
            text = (await answer.read()).decode()
        assert [asked for _, asked in engine.requests] == [body]
        if stream:
            assert text.count("data: ") == len(OWN_ANSWER.split(" ")) + 3
        else:
            assert json.loads(text)["choices"][0]["weird"] == [1]
        [record] = await gateway.records()
        assert (record["status"], record["reason"], record["steered"]) == (
            "passed",
            NO_CHAIN,
            False,
        )
        assert (record["decision"]["acted"], record["written_tokens"]) == ("AQ", 11)
        assert record["acted"] is None  # of what is no chain, nobody counts an action
        assert gateway.gateway.metrics.unread.values == {}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_shadow_is_recorded_beside_the_answer(tmp_path: Path, stream: bool) -> None:
    engine = Untrained()
    settings = {"mode": "observe", "shadow": 1.0, **UNTRAINED}
    async with served(tmp_path, engine, steering=settings) as gateway:
        engine.requests.clear()
        answer = await gateway.ask(stream=stream, max_tokens=900)
        if stream:
            text = "".join([c.choices[0].delta.content or "" async for c in answer if c.choices])
        else:
            text = answer.choices[0].message.content
        assert text == OWN_ANSWER
        await gateway.gateway.shadows.settled()
        [record] = await gateway.records()
        assert (record["reason"], record["status"]) == (SHADOW, "passed")
        assert (record["before_action"], record["after_action"]) == ("CQ", "DA")
        acted = record["decision"]["acted"]
        assert (record["steered"], record["flipped"], acted) == (False, True, "AQ")
        assert record["written_tokens"] == 11  # the shadow's are the operator's
        assert record["prompt_tokens"] == 7
        assert gateway.gateway.limits.used(ANYONE) == 18
        names = [phase["name"] for phase in record["decision"]["phases"]]
        assert names == ["passed", "shadow: to the matrix", "shadow: analysis"]
        assert gateway.gateway.metrics.actions.values == {("costly", "CQ", "DA"): 1}
        paths = [path for path, _ in engine.requests]
        assert paths[0] == "/v1/chat/completions"
        assert paths.count("/v1/completions") == 2
        assert prompt(style="short") in str(engine.bodies("/v1/completions")[0]["prompt"])


async def test_a_model_in_this_process_is_observed_and_shadowed_too(tmp_path: Path) -> None:
    def script(messages: Any, begun: str) -> str:
        if messages[0]["role"] != "system":
            return OWN_ANSWER
        return model.continuation(messages[-1]["content"], begun)

    settings = {"mode": "observe", "shadow": 1.0, **UNTRAINED}
    async with served(tmp_path, FakeBackend(script), steering=settings) as gateway:
        stream = await gateway.ask(stream=True, max_tokens=900)
        deltas = [c.choices[0].delta.content or "" async for c in stream]
        assert "".join(deltas) == OWN_ANSWER
        assert len([delta for delta in deltas if delta]) > 3
        await gateway.gateway.shadows.settled()
        [record] = await gateway.records()
        acted = record["decision"]["acted"]
        assert (record["status"], record["reason"], acted) == ("done", SHADOW, "AQ")
        assert record["after_action"] == "DA"
        times = record["total_ms"]
        assert times is not None


async def test_a_shadow_that_fails_leaves_the_answer_and_says_so(tmp_path: Path) -> None:
    engine = Untrained()
    settings = {"mode": "observe", "shadow": 1.0, **UNTRAINED}
    async with served(tmp_path, engine, steering=settings) as gateway:
        engine.failing = True
        answer = await gateway.ask(max_tokens=900)
        assert answer.choices[0].message.content == OWN_ANSWER
        await gateway.gateway.shadows.settled()
        [record] = await gateway.records()
        assert record["status"] == "passed"
        assert record["reason"].startswith("no chain: it was asked for, but that failed")


async def test_the_instruction_is_told_as_its_own_number(tmp_path: Path) -> None:
    for instruct, style in (("short", "short"), ("full", "full"), ("none", None)):
        folder = tmp_path / instruct
        async with served(folder, LlamaCpp(), steering={"instruct": instruct}) as gateway:
            whole = await gateway.ask()
            options = {"include_usage": True}
            chunks = [c async for c in await gateway.ask(stream=True, stream_options=options)]
            for found in (whole.usage, chunks[-1].usage):
                details = found.prompt_tokens_details.model_dump()
                assert details["cached_tokens"] == 8  # as the engine says
                if style is None:
                    assert "instruction_tokens" not in details
                    continue
                count = len(tokens.encode(prompt(style=style)))
                assert details["instruction_tokens"] == count
                assert found.prompt_tokens > count
            several = await gateway.ask(n=2)
            details = several.usage.prompt_tokens_details.model_dump()
            assert ("instruction_tokens" in details) == (style is not None)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_passed_is_the_engine_s_own_and_marked(
    tmp_path: Path, stream: bool
) -> None:
    engine = Untrained()
    async with served(tmp_path, engine, steering=UNTRAINED) as gateway:
        engine.broken = True
        engine.requests.clear()
        asked: dict[str, Any] = {"max_tokens": 900, "temperature": 0.5, "stream": stream}
        if stream:
            asked["stream_options"] = {"include_usage": True}
            chunks = [chunk async for chunk in await gateway.ask(**asked)]
            deltas = [c.choices[0].delta.content or "" for c in chunks if c.choices]
            text, told, found = "".join(deltas), chunks[-2].gtalign, chunks[-1].usage
        else:
            raw = await gateway.client.chat.completions.with_raw_response.create(
                model="toy", messages=MESSAGES, **asked
            )
            assert raw.headers["x-gtalign-passed"] == "no chain"
            assert raw.headers["x-gtalign-steered"] == "false"
            answer: Any = raw.parse()
            text, told = answer.choices[0].message.content, answer.gtalign
            found = answer.usage
        assert text == OWN_ANSWER
        assert (told["steered"], told["passed"]) == (False, "no chain")
        [own] = engine.bodies("/v1/chat/completions")
        assert own["messages"] == MESSAGES
        assert (own["temperature"], own["max_tokens"]) == (0.5, 900)
        assert not {"top_p", "top_k", "seed", "grammar", "min_p"} & own.keys()
        [record] = await gateway.records()
        assert (record["status"], record["steered"]) == ("done", False)
        assert record["reason"].endswith(OWN)
        *failed, last = (phase["tokens"] for phase in record["decision"]["phases"])
        assert found.completion_tokens_details.failed_chain_tokens == sum(failed) > 0
        assert found.completion_tokens == sum(failed) + last


async def test_failing_where_that_is_configured(tmp_path: Path) -> None:
    settings = {"on_malformed": "fail", **UNTRAINED}
    engine = Untrained()
    async with served(tmp_path, engine, steering=settings) as gateway:
        engine.broken = True
        status, _, told = await gateway.post(
            {"model": "toy", "messages": MESSAGES, "max_tokens": 900}
        )
        assert (status, "no chain" in told["error"]["message"]) == (502, True)


async def test_shadows_take_turns_and_wait_for_a_busy_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "_PAUSE", 0.0)
    looks = iter([True, True, False, False, False])
    done: list[int] = []
    running = 0

    def work(number: int) -> Any:
        async def run() -> None:
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(0)
            running -= 1
            done.append(number)

        return run

    one = Shadows(lambda: next(looks), most=3)
    for number in range(5):
        one.begin(work(number))
    await one.settled()
    assert done == [0, 1, 2]
    never = Shadows(lambda: True)
    never.begin(work(9))
    await asyncio.sleep(0)
    await never.aclose()
    assert done == [0, 1, 2]


async def test_shadows_end_with_the_gateway(tmp_path: Path) -> None:
    engine = Untrained()
    settings = {"mode": "observe", "shadow": 1.0, **UNTRAINED}
    async with served(tmp_path, engine, steering=settings) as gateway:

        async def silent(body: dict[str, Any]) -> Any:
            await asyncio.Event().wait()

        engine.completions = silent  # type: ignore[method-assign]
        await gateway.ask(max_tokens=900)
        [record] = await gateway.records()
        assert record["reason"] == NO_CHAIN


PARTS: list[Any] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]},
    {"choices": [{"index": 0, "delta": {"content": "Zü"}}]},
    {"choices": [{"index": 1, "delta": {"content": "other"}}]},
    {"choices": [{"index": 0, "delta": {"content": "rich"}}, {"index": 1, "delta": {}}]},
    {"choices": [], "usage": {}},
]
EVENTS = b"".join(b"data: " + json.dumps(part).encode() + b"\n\n" for part in PARTS)
EVENTS += b"data: [DONE]\n\n"


@given(st.lists(st.integers(0, len(EVENTS)), max_size=8))
def test_a_tap_reads_events_however_they_are_sliced(cuts: list[int]) -> None:
    tap = Tap("text/event-stream")
    places = [0, *sorted(cuts), len(EVENTS)]
    for start, end in pairwise(places):
        tap.feed(EVENTS[start:end])
    assert tap.text == "Zürich"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("application/json", b'{"choices": [{"message": {"content": "x"}}]}', "x"),
        ("application/json", b'{"choices": [{"message": {"content": null}}]}', ""),
        ("application/json", b'{"choices": []}', ""),
        ("application/json", b'{"choices": [{"message"', None),
        ("application/json", b'{"answer": 1}', None),
        ("application/json", b"[1]", None),
        ("application/json", b'{"choices": 3}', None),
        ("application/json", b" " * (1 << 21), None),
        ("text/event-stream", b"data: {}\n\n", None),
        ("text/event-stream", b"data: x\n\n", None),
        ("text/event-stream", b"data: " + b"x" * (1 << 21), None),
    ],
)
def test_a_tap_says_when_it_cannot_read(kind: str, body: bytes, text: str | None) -> None:
    tap = Tap(kind)
    for start in range(0, len(body), 1 << 16):
        tap.feed(body[start : start + (1 << 16)])
    assert tap.text == text


@pytest.mark.parametrize(
    ("choices", "text", "written"),
    [
        ([{"message": {"content": "ab"}}, {"index": 1, "message": {"content": "c"}}], "ab", "abc"),
        ([{"text": "ab"}, {"index": 1, "text": "c"}], "", "abc"),
        ([{"message": {"content": "b", "reasoning_content": "a"}}], "b", "ab"),
        (
            [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}],
            "",
            "f{}",
        ),
        ([{"message": {"content": "a", "tool_calls": 3}}], "a", None),
        ([{"message": {"content": "a", "tool_calls": ["x"]}}], "a", None),
    ],
)
def test_a_tap_counts_all_that_the_model_wrote(
    choices: Any, text: str, written: str | None
) -> None:
    tap = Tap("application/json")
    tap.feed(json.dumps({"choices": choices}).encode())
    assert (tap.text, tap.written) == (text, written)
