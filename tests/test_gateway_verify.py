"""Whether answers obeyed: what clients, records and numbers say, and how they are written again."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import MESSAGES, Served, served
from gtalign.chain import parse
from gtalign.errors import UpstreamError
from gtalign.gateway.answers import answer
from gtalign.gateway.keys import ANYONE
from gtalign.gateway.store.reader import Filter
from gtalign.steering import Decision, FakeBackend
from standins import model
from standins.engines import VLLM, LlamaCpp, SGLang
from standins.server import RefusedError
from test_steering_over_http import OPENING
from test_steering_retry import ASKS, BOTH, BROKEN, OBEYS, Written, speaker


def engine(*responses: Written) -> FakeBackend:
    """Writes these responses; its matrix chooses CQ as stated, and DA as the policy edits it."""
    return FakeBackend(speaker(*responses, matrix=model.matrix_text()))


async def whole(gateway: Served, **options: Any) -> tuple[Any, Any]:
    """An answer and its headers, as OpenAI's own client reads them."""
    given = {"model": "toy", "messages": MESSAGES, **options}
    raw = await gateway.client.chat.completions.with_raw_response.create(**given)
    return raw.parse(), raw.headers


async def streamed(gateway: Served, **options: Any) -> tuple[str, Any, Any]:
    """The text of a stream, what its last chunk tells, and its usage."""
    options |= {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [chunk async for chunk in await gateway.ask(**options)]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    [told] = [chunk.gtalign for chunk in chunks if chunk.choices and hasattr(chunk, "gtalign")]
    return text, told, chunks[-1].usage


async def numbers(gateway: Served) -> dict[str, float]:
    async with gateway.http.get(gateway.address + "/metrics") as answered:
        found = re.findall(
            r"^(gtalign_(?:obedience|retries)\S+) (\S+)$", await answered.text(), re.M
        )
    return {name: float(value) for name, value in found}


@pytest.mark.parametrize("verify", ["off", "mark", "retry"])
@pytest.mark.parametrize(
    ("response", "acted", "obeyed"),
    [(OBEYS, "DA", True), (ASKS, "CQ", False), (BOTH, "AQ", False), ("...", None, None)],
    ids=["obeys", "asks", "does both", "says nothing"],
)
async def test_a_stream_is_marked_at_its_end_and_never_written_again(
    tmp_path: Path, verify: str, response: str, acted: str | None, obeyed: bool | None
) -> None:
    backend = engine(response, OBEYS)
    async with served(tmp_path, backend, steering={"verify": verify}) as gateway:
        text, told, _ = await streamed(gateway)
        [record] = await gateway.records()
    assert (text, told["acted"], len(backend.writes)) == (response, acted, 2)
    assert told.get("obeyed", "unsaid") == ("unsaid" if verify == "off" else obeyed)
    assert "retry" not in told
    assert (record["obeyed"], record["retry"], record["acted"]) == (obeyed, None, acted)


@pytest.mark.parametrize("verify", ["off", "mark"])
@pytest.mark.parametrize(
    ("response", "obeyed", "header"),
    [(OBEYS, True, "true"), (ASKS, False, "false"), ("...", None, "none")],
)
async def test_a_whole_answer_is_marked(
    tmp_path: Path, verify: str, response: str, obeyed: bool | None, header: str
) -> None:
    backend = engine(response, OBEYS)
    async with served(tmp_path, backend, steering={"verify": verify}) as gateway:
        found, headers = await whole(gateway)
        assert (await gateway.records())[0]["obeyed"] is obeyed
    assert (found.choices[0].message.content, len(backend.writes)) == (response, 2)
    off = verify == "off"
    assert headers.get("x-gtalign-obeyed") == (None if off else header)
    assert found.gtalign.get("obeyed", "unsaid") == ("unsaid" if off else obeyed)
    assert "x-gtalign-served" not in headers and "retry" not in found.gtalign


@pytest.mark.parametrize("show", ["response", "reasoning", "raw"])
@pytest.mark.parametrize("instruct", ["none", "short"])
async def test_the_second_writing_is_the_answer_if_it_obeys(
    tmp_path: Path, show: str, instruct: str
) -> None:
    backend = engine(ASKS, OBEYS)
    settings = {"steering": {"verify": "retry", "instruct": instruct}, "audit": {"texts": True}}
    async with served(tmp_path, backend, show=show, **settings) as gateway:
        found, headers = await whole(gateway)
        [record] = await gateway.records()
        assert gateway.gateway.limits.used(ANYONE) == found.usage.total_tokens
        counted = await numbers(gateway)
        over = await gateway.gateway.reader.overview(Filter())
    message = found.choices[0].message
    content = message.content
    if show == "raw":
        content = parse(content).response
    assert (content, found.choices[0].finish_reason) == (OBEYS, "stop")
    if show == "reasoning":
        chain = parse(f"{message.reasoning_content}<response>{content}</response>")
        assert chain.payoff.to_json() == record["decision"]["edited"]
    assert (headers["x-gtalign-obeyed"], headers["x-gtalign-served"]) == ("true", "second")
    assert found.gtalign["retry"] == {
        **{"first": "CQ", "second": "DA", "served": "second", "reason": None}
    }
    assert (record["obeyed"], record["retry"], record["acted"]) == (True, "second", "DA")
    assert (record["status"], record["flipped"], record["mode"]) == ("done", True, "advise")
    assert parse(record["answer"]).response == OBEYS
    assert parse(record["unserved"]).response == ASKS
    decision = Decision.from_json(record["decision"])
    tokens = [phase.tokens for phase in decision.phases]
    assert found.usage.completion_tokens == record["written_tokens"] == sum(tokens)
    assert found.usage.completion_tokens_details.unserved_tokens == tokens[1]
    assert counted == {
        'gtalign_obedience_total{policy="costly",flipped="true",obeyed="true"}': 1,
        'gtalign_retries_total{policy="costly",served="second"}': 1,
    }
    own = over.obedience["costly"]
    assert (own.obeyed, own.disobeyed, own.unknown, own.mended) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (ASKS, "the second response carries out CQ"),
        (BOTH, "the second response carries out AQ"),
        ("...", "no action can be read from the second response"),
        (["In 19"] * 5000, "the second response ran out of tokens"),
        ([BROKEN], "the second writing failed"),
        (["In 1901", BROKEN], "the second writing failed"),
    ],
    ids=["asks too", "does both", "dots", "endless", "dies", "dies halfway"],
)
async def test_the_first_answer_is_never_lost(
    tmp_path: Path, second: Written, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend = engine(ASKS, second)
    settings = {"steering": {"verify": "retry"}, "audit": {"texts": True}}
    async with served(tmp_path, backend, **settings) as gateway:
        found, headers = await whole(gateway)
        [record] = await gateway.records()
        counted = await numbers(gateway)
        assert gateway.gateway.limits.used(ANYONE) == found.usage.total_tokens
    assert found.choices[0].message.content == ASKS
    assert found.choices[0].finish_reason == "stop"
    assert (headers["x-gtalign-obeyed"], headers["x-gtalign-served"]) == ("false", "first")
    assert found.gtalign["retry"]["reason"] == why
    assert (record["status"], record["error"]) == ("done", None)
    assert (record["obeyed"], record["retry"], record["acted"]) == (False, "first", "CQ")
    assert why in record["reason"]
    assert parse(record["answer"]).response == ASKS
    assert record["unserved"].startswith(record["answer"][: record["answer"].index("<analyze")])
    tokens = [phase.tokens for phase in Decision.from_json(record["decision"]).phases]
    assert found.usage.completion_tokens == record["written_tokens"] == sum(tokens)
    assert found.usage.completion_tokens_details.unserved_tokens == tokens[2]
    assert len(backend.writes) == 3  # once more, and no more
    assert counted['gtalign_retries_total{policy="costly",served="first"}'] == 1
    assert ("the first answer stands" in caplog.text) == ("failed" in why)


class Stuck(FakeBackend):
    """Never writes a second response."""

    def __init__(self) -> None:
        super().__init__(speaker(ASKS, matrix=model.matrix_text()))
        self.reached = asyncio.Event()

    def open(self, messages: Any, sampling: Any) -> Any:
        draft = super().open(messages, sampling)
        write = draft.write

        async def stuck(**options: Any) -> AsyncGenerator[str, None]:
            if len(self.writes) == 2:
                self.reached.set()
                await asyncio.Event().wait()
            async for slice_ in write(**options):
                yield slice_

        draft.write = stuck  # type: ignore[method-assign]
        return draft


async def test_a_second_writing_that_takes_too_long_leaves_the_first_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "_SPARE", 599.9)
    async with served(tmp_path, Stuck(), steering={"verify": "retry"}) as gateway:
        found, _ = await whole(gateway)
        [record] = await gateway.records()
    assert found.choices[0].message.content == ASKS
    assert found.gtalign["retry"]["reason"] == "no time was left for a second writing"
    assert (record["status"], record["retry"]) == ("done", "first")


async def test_a_gateway_that_shuts_down_writes_nothing_again(tmp_path: Path) -> None:
    backend = engine(ASKS, OBEYS)
    async with served(tmp_path, backend, steering={"verify": "retry"}) as gateway:
        gateway.gateway.draining = True
        found, _ = await whole(gateway)
    assert found.choices[0].message.content == ASKS
    assert found.gtalign["retry"]["reason"] == "the gateway was shutting down"
    assert (len(backend.writes), found.usage.completion_tokens_details) == (2, None)


async def test_a_client_that_leaves_meanwhile_has_both_writings_counted(tmp_path: Path) -> None:
    backend = Stuck()
    settings = {"steering": {"verify": "retry"}, "audit": {"texts": True}}
    async with served(tmp_path, backend, **settings) as gateway:
        asking = asyncio.create_task(gateway.post({"model": "toy", "messages": MESSAGES}))
        await backend.reached.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        while {record["status"] for record in await gateway.records()} != {"gone"}:
            await asyncio.sleep(0)
        [record] = await gateway.records()
        read = record["prompt_tokens"]
        assert gateway.gateway.limits.used(ANYONE) == read + record["written_tokens"]
    assert (record["acted"], record["obeyed"], record["retry"]) == ("CQ", False, None)
    assert parse(record["unserved"]).response == ASKS


async def test_each_of_several_choices_has_a_retry_of_its_own(tmp_path: Path) -> None:
    backend = engine(*[ASKS] * 3, OBEYS, BOTH, OBEYS)
    async with served(tmp_path, backend, steering={"verify": "retry"}) as gateway:
        found, headers = await whole(gateway, n=3)
        records = await gateway.records()
    told = [one["retry"]["served"] for one in found.gtalign]
    assert sorted(told) == ["first", "second", "second"]
    assert sorted(record["retry"] for record in records) == sorted(told)
    assert headers["x-gtalign-served"] == told[0]
    written = sum(record["written_tokens"] for record in records)
    assert found.usage.completion_tokens == written
    assert found.usage.completion_tokens_details.unserved_tokens > 0
    for choice, one in zip(found.choices, found.gtalign, strict=True):
        assert (choice.message.content == OBEYS) == one["obeyed"]


@pytest.mark.parametrize("fails", [False, True], ids=["obeys", "refuses"])
@pytest.mark.parametrize("standin", [VLLM, SGLang, LlamaCpp])
async def test_a_server_is_asked_to_go_on_from_the_same_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standin: Any, fails: bool
) -> None:
    """Of this model only an analysis that is begun for it leads to the chosen action."""
    own = model.continuation

    def stubborn(question: str, begun: str) -> str:
        if "choose" not in begun:
            return own(question, begun).replace(model.RESPONSES["DA"], ASKS)
        if fails:
            raise RefusedError(500, "out of memory")
        return own(question, begun)

    monkeypatch.setattr(model, "continuation", stubborn)
    settings = {"verify": "retry", "opening": OPENING}
    async with served(tmp_path, standin(), steering=settings) as gateway:
        found, headers = await whole(gateway, temperature=0)
        [record] = await gateway.records()
    content = found.choices[0].message.content
    assert content == (ASKS if fails else model.RESPONSES["DA"])
    assert headers["x-gtalign-served"] == ("first" if fails else "second")
    assert (record["status"], record["obeyed"], record["flipped"]) == ("done", not fails, True)
    assert found.usage.completion_tokens == record["written_tokens"]
    if fails:
        assert found.gtalign["retry"]["reason"].startswith("the second writing failed")


@pytest.mark.parametrize("verify", ["mark", "retry"])
async def test_what_is_passed_through_has_no_mark(tmp_path: Path, verify: str) -> None:
    async with served(tmp_path, LlamaCpp(), steering={"verify": verify}) as gateway:
        found, headers = await whole(gateway, logprobs=True, max_tokens=64)
        [record] = await gateway.records()
    assert headers["x-gtalign-passed"] == "logprobs"
    assert "x-gtalign-obeyed" not in headers and not hasattr(found, "gtalign")
    assert (record["obeyed"], record["retry"], record["steered"]) == (None, None, False)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_the_engine_s_own_has_nothing_to_obey(
    tmp_path: Path, stream: bool
) -> None:
    backend = FakeBackend(lambda messages, begun: "no chain at all")
    settings = {"steering": {"verify": "retry", "instruct": "short"}}
    async with served(tmp_path, backend, **settings) as gateway:
        told = (await streamed(gateway))[1] if stream else (await whole(gateway))[0].gtalign
        assert await numbers(gateway) == {}
    assert (told["obeyed"], told["steered"], told["acted"]) == (None, False, "DA")
    assert told["passed"] == "no chain" and "retry" not in told


async def test_an_answer_without_a_record_is_not_steered_and_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"steering": {"verify": "retry"}, "audit": {"when_down": "pass"}}
    async with served(tmp_path, **settings) as gateway:
        monkeypatch.setattr(gateway.gateway.writer, "down", "gone")
        found, headers = await whole(gateway)
        monkeypatch.setattr(gateway.gateway.writer, "down", None)
    assert (found.gtalign["obeyed"], found.gtalign["recorded"]) == (None, False)
    assert headers["x-gtalign-obeyed"] == "none"


async def test_decisions_are_filtered_by_obedience(tmp_path: Path) -> None:
    backend = engine(OBEYS, ASKS, "...", BOTH)
    async with served(tmp_path, backend) as gateway:
        for _ in range(4):
            await gateway.ask()
        await gateway.gateway.writer.settled()
        found = {}
        for value in ("true", "false"):
            _, body = await gateway.get(f"/admin/decisions?obeyed={value}")
            found[value] = [row["acted"] for row in body["data"]]
        status, wrong = await gateway.get("/admin/decisions?obeyed=maybe")
        _, over = await gateway.get("/admin/overview")
    assert found == {"true": ["DA"], "false": ["AQ", "CQ"]}
    assert status == 400 and "obeyed: true or false" in wrong["error"]["message"]
    assert over["obedience"] == {"costly": {"obeyed": 1, "disobeyed": 2, "unknown": 1, "mended": 0}}


async def test_an_engine_that_fails_at_first_is_asked_again_and_verified_all_the_same(
    tmp_path: Path,
) -> None:
    told = speaker(ASKS, OBEYS, matrix=model.matrix_text())
    failures = [UpstreamError("fake", "not yet")]

    def script(messages: Any, text: str) -> Any:
        return [failures.pop()] if failures else told(messages, text)

    backend = FakeBackend(script)
    async with served(tmp_path, backend, steering={"verify": "retry"}) as gateway:
        found, _ = await whole(gateway)
    assert found.choices[0].message.content == OBEYS
    assert found.gtalign["retry"]["served"] == "second"
