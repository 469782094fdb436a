"""Chat completions of the gateway, asked for by the real client."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_parts import MESSAGES, PASSED_SCHEMA, Held, scripted, served
from gtalign.chain import parse
from gtalign.errors import UpstreamError
from gtalign.gateway.keys import ANYONE
from gtalign.steering import Decision, FakeBackend
from standins import model
from standins.engines import VLLM, LlamaCpp, SGLang
from standins.server import RefusedError
from standins.services import Service


async def test_a_whole_answer_is_steered_and_on_record(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        raw = await gateway.client.chat.completions.with_raw_response.create(
            model="toy", messages=MESSAGES
        )
        answer = raw.parse()
        assert answer.choices[0].message.content == model.RESPONSES["DA"]
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.total_tokens > answer.usage.completion_tokens > 0
        headers = raw.headers
        assert headers["x-gtalign-decision"] == answer.id
        assert headers["x-gtalign-policy"] == "costly"
        assert (headers["x-gtalign-before"], headers["x-gtalign-after"]) == ("CQ", "DA")
        assert headers["x-gtalign-steered"] == headers["x-gtalign-recorded"] == "true"
        assert float(headers["x-gtalign-added-ms"]) > 0
        [record] = await gateway.records()
        assert record["id"] == answer.id
        assert (record["status"], record["flipped"], record["obeyed"]) == ("done", True, True)
        assert record["policy_hash"] == headers["x-gtalign-policy-hash"]
        assert (record["prompt"], record["answer"]) == (None, None)
        decision = Decision.from_json(record["decision"])
        assert decision.id == answer.id
        assert decision.steered and decision.edited is not None
        assert record["saved_tokens"] > 0 and record["saved_money"] > 0


async def test_a_stream_is_one_answer(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        stream = await gateway.ask(stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
        assert len({chunk.id for chunk in chunks}) == 1
        *written, usage = chunks
        assert usage.choices == [] and usage.usage.total_tokens > 0
        deltas = [chunk.choices[0].delta for chunk in written]
        assert [delta.role for delta in deltas].count("assistant") == 1
        assert "".join(delta.content or "" for delta in deltas) == model.RESPONSES["DA"]
        assert len(written) > 4
        assert [c.choices[0].finish_reason for c in written if c.choices[0].finish_reason] == [
            "stop"
        ]
        assert written[-1].gtalign["flipped"] is True
        [record] = await gateway.records()
        assert (record["id"], record["status"], record["stream"]) == (usage.id, "done", True)
        assert record["first_ms"] <= record["total_ms"]
        assert (await gateway.ask(stream=True)).response.headers["x-gtalign-decision"]


def test_the_synchronous_client(tmp_path: Path) -> None:
    async def serve() -> None:
        async with served(tmp_path) as gateway:

            def ask() -> None:
                url = f"{gateway.address}/v1"
                with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
                    assert {m.id for m in client.models.list()} == {
                        *("toy", "toy:costly", "toy:subscription")
                    }
                    whole = client.chat.completions.create(model="toy", messages=MESSAGES)
                    assert whole.choices[0].message.content == model.RESPONSES["DA"]
                    stream = client.chat.completions.create(
                        model="toy:subscription", messages=MESSAGES, stream=True
                    )
                    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
                    assert text == model.RESPONSES["CQ"]

            await asyncio.to_thread(ask)

    asyncio.run(serve())


@pytest.mark.parametrize("stream", [False, True])
async def test_the_chain_is_shown_where_it_is_asked_for(tmp_path: Path, stream: bool) -> None:
    async def text(gateway: Any, show: str) -> tuple[str, str]:
        headers = {"X-GTAlign-Show": show}
        answer = await gateway.ask(stream=stream, extra_headers=headers)
        if not stream:
            message = answer.choices[0].message
            return message.content, getattr(message, "reasoning_content", "")
        deltas = [chunk.choices[0].delta async for chunk in answer]
        return (
            "".join(delta.content or "" for delta in deltas),
            "".join(getattr(delta, "reasoning_content", "") for delta in deltas),
        )

    async with served(tmp_path) as gateway:
        assert await text(gateway, "response") == (model.RESPONSES["DA"], "")
        content, reasoning = await text(gateway, "reasoning")
        chain = parse(f"{reasoning}<response>{content}</response>")
        raw, nothing = await text(gateway, "raw")
        assert nothing == ""
        assert parse(raw).payoff == chain.payoff
        assert (parse(raw).thinking, parse(raw).analyze) == (chain.thinking, chain.analyze)
        edited = (await gateway.records())[0]["decision"]["edited"]
        assert chain.payoff.to_json() == edited


async def test_the_policy_is_picked_by_header_or_suffix(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        header = {"X-GTAlign-Policy": "subscription"}
        for name, headers in (("toy:subscription", {}), ("toy", header)):
            answer = await gateway.ask(model=name, extra_headers=headers)
            assert answer.choices[0].message.content == model.RESPONSES["CQ"]
            assert answer.gtalign["policy"] == "subscription"
        with pytest.raises(openai.NotFoundError, match="there are costly, subscription"):
            await gateway.ask(model="toy:nothing")
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await gateway.ask(model="gpt")
        with pytest.raises(openai.BadRequestError, match="asks for"):
            await gateway.ask(model="toy:costly", extra_headers=header)
        with pytest.raises(openai.BadRequestError, match="Show"):
            await gateway.ask(extra_headers={"X-GTAlign-Show": "all"})


async def test_several_answers_have_records_of_their_own(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        answer = await gateway.ask(n=3, seed=1)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        ids = [about["decision"] for about in answer.gtalign]
        assert ids == [answer.id, f"{answer.id}-1", f"{answer.id}-2"]
        assert {record["id"] for record in await gateway.records()} == set(ids)


@pytest.mark.parametrize("stream", [False, True])
async def test_observing_changes_nothing_and_is_recorded(tmp_path: Path, stream: bool) -> None:
    async with served(tmp_path, steering={"mode": "observe"}) as gateway:
        answer = await gateway.ask(stream=stream)
        if stream:
            deltas = [chunk.choices[0].delta.content or "" async for chunk in answer]
            text = "".join(deltas)
        else:
            text = answer.choices[0].message.content
        assert text == model.RESPONSES["CQ"]
        [record] = await gateway.records()
        assert (record["steered"], record["flipped"], record["status"]) == (False, True, "done")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("show", ["response", "reasoning", "raw"])
async def test_a_text_that_is_no_chain_is_passed_on(
    tmp_path: Path, stream: bool, show: str
) -> None:
    backend = FakeBackend(lambda messages, begun: "" if begun else "No chain <b>here</b>.")
    async with served(tmp_path, backend, show=show) as gateway:
        answer = await gateway.ask(stream=stream)
        if stream:
            text = "".join([c.choices[0].delta.content or "" async for c in answer])
        else:
            text = answer.choices[0].message.content
        assert text == "No chain <b>here</b>."
        [record] = await gateway.records()
        assert (record["steered"], record["status"]) == (False, "done")
        assert "cannot be read" in record["reason"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chain_without_a_response_shows_nothing_of_itself(
    tmp_path: Path, stream: bool
) -> None:
    cut = scripted()
    broken = FakeBackend(lambda messages, begun: "" if begun else "<thinking>Hm.</thinking>Never")
    for backend, tokens, finish in ((cut, 9, "length"), (broken, 480, "stop")):
        async with served(tmp_path / finish, backend) as gateway:
            answer = await gateway.ask(stream=stream, max_tokens=tokens)
            if stream:
                chunks = [chunk async for chunk in answer]
                text = "".join([chunk.choices[0].delta.content or "" for chunk in chunks])
                said = chunks[-1].choices[0].finish_reason
            else:
                text, said = answer.choices[0].message.content, answer.choices[0].finish_reason
            assert (text, said) == ("", finish)
            [record] = await gateway.records()
            assert record["reason"]


async def test_one_model_can_be_looked_up(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        assert (await gateway.client.models.retrieve("toy:costly")).id == "toy:costly"
        with pytest.raises(openai.NotFoundError, match="there are toy, toy:costly"):
            await gateway.client.models.retrieve("toy/../secret")


async def test_asking_again_shows_the_second_chain_alone(tmp_path: Path) -> None:
    settings = {"resume": "reask"}
    async with served(tmp_path, steering=settings, show="reasoning") as gateway:
        stream = await gateway.ask(stream=True)
        deltas = [chunk.choices[0].delta async for chunk in stream]
        reasoning = "".join(getattr(delta, "reasoning_content", "") for delta in deltas)
        assert reasoning.count("<thinking>") == 1
        assert "Write the whole answer again" in reasoning


@pytest.mark.parametrize("engine", [VLLM, SGLang, LlamaCpp])
@pytest.mark.parametrize("stream", [False, True])
async def test_engines_over_http(tmp_path: Path, engine: Any, stream: bool) -> None:
    async with served(tmp_path, engine()) as gateway:
        answer = await gateway.ask(stream=stream, temperature=0, presence_penalty=0.5)
        if stream:
            text = "".join([c.choices[0].delta.content or "" async for c in answer])
        else:
            text = answer.choices[0].message.content
        assert text == model.RESPONSES["DA"]


class Tools(VLLM):
    """Takes tools, and answers them in one piece."""

    answer: Any = None

    async def chat(self, body: dict[str, Any]) -> Any:
        if not {"tools", "response_format"} & set(body) and body.get("stream"):
            return await super().chat(body)
        self.seen = body
        if isinstance(self.answer, Exception):
            raise self.answer
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        whole = {
            **{"id": "x", "object": "chat.completion", "created": 1, "model": "toy"},
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": usage,
        }
        if not body.get("stream"):
            return whole
        delta = {"role": "assistant", "content": "tööl"}
        chunk = {
            **{"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "toy"},
            "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}],
        }
        return [chunk, {**chunk, "choices": [], "usage": usage}, "[DONE]"]


TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": PASSED_SCHEMA}}
"""No grammar describes its arguments, so that a request with it is passed through."""


async def test_tools_pass_through_untouched(tmp_path: Path) -> None:
    standin = Tools()
    async with served(tmp_path, standin) as gateway:
        asked = {"model": "toy", "messages": MESSAGES, "tools": [TOOL], "weird": {"a": [1, 2.5]}}
        status, headers, body = await gateway.post(asked)
        assert (status, standin.seen) == (200, asked)
        assert body["choices"][0]["message"]["tool_calls"][0]["id"] == "c"
        assert headers["x-gtalign-steered"] == "false"
        assert headers["x-gtalign-passed"] == "tools"
        stream = await gateway.ask(model="toy:costly", tools=[TOOL], stream=True)
        chunks = [chunk async for chunk in stream]
        assert chunks[0].choices[0].delta.content == "tööl"
        assert standin.seen["model"] == "toy"
        for record in await gateway.records():
            assert (record["status"], record["steered"]) == ("passed", False)
            assert record["reason"] == "passed through: tools"
            assert (record["prompt_tokens"], record["written_tokens"]) == (7, 5)
        image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
        status, headers, _ = await gateway.post({"model": "toy", "messages": image})
        assert headers["x-gtalign-passed"] == "images"


async def test_plain_completions_pass_through(tmp_path: Path) -> None:
    async with served(tmp_path, LlamaCpp()) as gateway:
        stream = await gateway.client.completions.create(
            model="toy", prompt="x", max_tokens=4, stream=True
        )
        assert [chunk async for chunk in stream]
        [record] = await gateway.records()
        assert record["reason"] == "passed through: completions"
        assert record["id"].startswith("cmpl-")


async def test_a_model_in_process_passes_nothing_through(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        with pytest.raises(openai.BadRequestError, match="no grammar for 'if'"):
            await gateway.ask(tools=[TOOL])
        with pytest.raises(openai.BadRequestError, match="inside the gateway"):
            await gateway.client.completions.create(model="toy", prompt="x")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (RefusedError(400, "<script>no</script>"), 400),
        (RefusedError(429, "slow down"), 429),
        (RefusedError(500, "broken"), 502),
    ],
)
async def test_what_an_upstream_refuses_is_told(
    tmp_path: Path, answer: Exception, status: int
) -> None:
    standin = Tools()
    standin.answer = answer
    async with served(tmp_path, standin) as gateway:
        body = {"model": "toy", "messages": MESSAGES, "tools": [TOOL]}
        found, headers, told = await gateway.post(body)
        assert found == status
        assert headers["content-type"] == "application/json"
        assert headers["x-content-type-options"] == "nosniff"
        assert str(answer) in told["error"]["message"]
        [record] = await gateway.records()
        assert record["status"] == "failed" and "[withheld]" in record["error"]


def failing(*slices: str | UpstreamError) -> FakeBackend:
    return FakeBackend(lambda messages, begun: list(slices))


BROKEN = UpstreamError("engine", "broke off")


async def test_failures_before_and_after_the_first_byte(tmp_path: Path) -> None:
    async with served(tmp_path, failing(BROKEN)) as gateway:
        for stream in (False, True):
            with pytest.raises(
                openai.InternalServerError, match="failed before the answer"
            ) as caught:
                await gateway.ask(stream=stream)
            assert caught.value.status_code == 502
        # Each was asked for again once, since nothing had come.
        backend: Any = gateway.gateway.upstream.backend
        assert len(backend.writes) == 4
        records = await gateway.records()
        assert [record["status"] for record in records] == ["failed", "failed"]
        assert "gtalign_upstream_failures_total" in gateway.gateway.metrics.text()

    def script(messages: Any, begun: str) -> Iterator[str | UpstreamError]:
        whole = model.continuation(messages[-1]["content"], begun)
        yield whole[: len(whole) - 30] if begun else whole
        yield BROKEN

    (tmp_path / "b").mkdir()
    async with served(tmp_path / "b", FakeBackend(script)) as gateway:
        stream = await gateway.ask(stream=True)
        with pytest.raises(openai.APIError, match="failed before the answer"):
            async for _ in stream:
                pass
        [record] = await gateway.records()
        assert (record["status"], record["steered"]) == ("failed", True)


async def test_parameters_that_steering_cannot_let_in_are_named(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:  # whose model is in this process
        for name, value in (
            ("grammar", "x"),
            ("structured_outputs", {"choice": ["a"]}),
            ("guided_json", {"type": "object"}),
            ("guided_choice", ["a", "b"]),
            ("ignore_eos", True),
        ):
            with pytest.raises(openai.BadRequestError, match=f"'{name}' cannot be set") as caught:
                await gateway.ask(extra_body={name: value})
            assert (caught.value.param, caught.value.code) == (name, "unsupported")
        with pytest.raises(openai.BadRequestError, match="logprobs cannot be had"):
            await gateway.ask(logprobs=True)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstream_is_cancelled_when_the_client_goes(tmp_path: Path, stream: bool) -> None:
    backend = Held()
    async with served(tmp_path, backend) as gateway:
        body = {"model": "toy", "messages": MESSAGES, "stream": stream}
        asking = asyncio.create_task(gateway.post(body))
        await backend.reached.wait()
        asking.cancel()
        await backend.closed.wait()
        [record] = await gateway.records()
        assert (record["status"], record["steered"]) == ("gone", True)
        assert gateway.gateway.limits.running == 0


async def test_comments_keep_a_stream_alive_while_nothing_is_shown(tmp_path: Path) -> None:
    backend = Held()
    async with served(tmp_path, backend, timeouts={"keep_alive": 0.001}) as gateway:
        body = {"model": "toy", "messages": MESSAGES, "stream": True}
        async with gateway.http.post(f"{gateway.address}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert (await answer.content.readline()).startswith(b": ")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_takes_too_long_is_ended(tmp_path: Path, stream: bool) -> None:
    backend = Held()
    timeouts = {"total": 0.2, "first": 0.1}
    async with served(tmp_path, backend, timeouts=timeouts) as gateway:
        with pytest.raises(openai.APIStatusError) as caught:
            await gateway.ask(stream=stream)
        assert caught.value.status_code == 504
        assert backend.closed.is_set()
        [record] = await gateway.records()
        assert record["status"] == "failed" and "not complete after 0.2 s" in record["error"]


async def test_texts_are_kept_where_that_is_switched_on(tmp_path: Path) -> None:
    async with served(tmp_path, audit={"texts": True}) as gateway:
        await gateway.ask()
        [record] = await gateway.records()
        assert record["prompt"] == MESSAGES
        assert parse(record["answer"]).response == model.RESPONSES["DA"]


async def test_a_service_that_continues_nothing_is_asked_again(tmp_path: Path) -> None:
    async with served(tmp_path, Service(), steering={"fallback": "reask"}) as gateway:
        answer = await gateway.ask()
        assert answer.gtalign["steered"] is True


async def test_the_quota_counts_what_a_key_has_used(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        first = await gateway.ask()
        await gateway.ask()
        latest, _ = await gateway.records()
        assert latest["decision"]["used_tokens"] == first.usage.total_tokens
    async with served(tmp_path) as gateway:  # after a restart, too
        assert gateway.gateway.limits.used(ANYONE) == 2 * first.usage.total_tokens
