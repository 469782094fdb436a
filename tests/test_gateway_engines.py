"""Several models and engines behind one gateway: which engine answers, and what if it fails."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway_parts import MESSAGES, Served, config_of, opened_before, scripted, served
from gtalign.config import load, load_table
from gtalign.errors import ConfigError, SteeringError, UnreachableError
from gtalign.gateway.engine import Engine
from gtalign.gateway.errors import APIError
from gtalign.gateway.model_settings import EngineSettings
from gtalign.gateway.route import Route, ranked
from gtalign.gateway.served import Models
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.upstream import Upstream
from standins.engines import VLLM, LlamaCpp
from standins.server import StandIn, serving, serving_app

CHAT = "/v1/chat/completions"
ONE: Any = {"engines": [{"address": "y"}]}
PASSED: Any = {"response_format": {"type": "structural_tag"}, "max_tokens": 40}


class Fails(VLLM):
    """Answers requests for text as it is told to; its other pages work."""

    def __init__(self, wrong: str = "") -> None:
        super().__init__()
        self.wrong = wrong
        self.asked = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/health" and self.wrong == "ill":
            return web.Response(status=503)
        if "completions" not in request.path or self.wrong in ("", "ill"):
            return await super().handle(request)
        self.asked += 1
        if self.wrong == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if self.wrong == "later" and self.asked == 1:  # phase one alone
            return await super().handle(request)
        status = 500 if self.wrong == "later" else int(self.wrong)
        said = {"error": {"message": "no", "type": "x", "code": None}}
        return web.json_response(said, status=status, headers={"Retry-After": "7"})


@asynccontextmanager
async def before(
    folder: Path, models: dict[str, list[StandIn]], **settings: Any
) -> AsyncGenerator[Served, None]:
    """A gateway before engines on loopback, in the order of their lists."""
    async with AsyncExitStack() as stack:
        table = {}
        for name, engines in models.items():
            addresses = [await stack.enter_async_context(serving(one)) for one in engines]
            table[name] = {"engines": [{"address": address} for address in addresses]}
        yield await stack.enter_async_context(opened_before(of_models(folder, table, **settings)))


def of_models(folder: Path, models: dict[str, Any], **settings: Any) -> GatewayConfig:
    config = config_of(folder, **settings)
    return GatewayConfig.model_validate(
        {**config.model_dump(exclude_none=True, exclude={"upstream"}), "models": models}
    )


def written(engine: StandIn) -> int:
    """How many requests for text an engine got after it was opened."""
    return sum("completions" in path for path, _ in engine.requests)


def engine_of(name: str, weight: float = 1.0, running: int = 0) -> Engine:
    async def never() -> Upstream:
        raise AssertionError

    found = Engine(EngineSettings(address="http://x", name=name, weight=weight), name, never)
    found.upstream, found.problem, found.running = Upstream(scripted(), "m", name), None, running
    return found


def turns(text: str, more: int = 0) -> list[dict[str, str]]:
    later = [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}] * more
    return [{"role": "system", "content": "s"}, {"role": "user", "content": text}, *later]


def first(engines: list[Engine], prompt: Any) -> str:
    return ranked(engines, prompt)[0].name


def test_the_turns_of_a_chat_prefer_one_engine_and_chats_are_spread_by_weight() -> None:
    engines = [engine_of("a", 3.0), engine_of("b", 1.0), engine_of("c", 0.0)]
    for number in range(20):
        wanted = first(engines, turns(str(number)))
        assert {first(engines, turns(str(number), more)) for more in range(3)} == {wanted}
        assert ranked(engines, turns(str(number)))[-1].name == "c"  # a reserve comes last
    counted = Counter(first(engines, f"{number} and so on") for number in range(400))
    assert 250 < counted["a"] < 350 and counted["a"] + counted["b"] == 400
    begun = "x" * 3000  # a long prompt counts by its beginning
    assert first(engines, begun + "1") == first(engines, begun + "2")
    for odd in (None, [1, 2], [[1], [2]], 5, "\ud800", [{"role": "user", "content": "\ud800"}]):
        assert first(engines, odd) in ("a", "b")


def test_an_engine_that_goes_moves_no_other_chat() -> None:
    engines = [engine_of(name) for name in "abcd"]
    for number in range(100):
        wanted = first(engines, str(number))
        left = [engine for engine in engines if engine.name != ("a" if wanted != "a" else "b")]
        assert first(left, str(number)) == wanted


def test_a_prompt_leaves_an_engine_that_has_more_than_its_share() -> None:
    engines = [engine_of("a"), engine_of("b")]
    busy = next(engine for engine in engines if engine.name == first(engines, "x"))
    busy.running = 1
    assert first(engines, "x") == busy.name
    busy.running = 3
    assert first(engines, "x") != busy.name


def test_a_route_prefers_what_is_up_and_takes_what_is_there() -> None:
    engines = [engine_of("a"), engine_of("b")]
    engines[0].problem = "down"
    route = Route("m", engines, "x", retries=1, wait=1.0)
    assert route.upstream.model == "b"
    route.enter()
    lost = UnreachableError("b", "cannot be reached")
    assert route.again(lost)  # the other one is down: the same once more
    assert not route.again(lost) and engines[1].problem == "b: cannot be reached"
    assert Route("m", engines, "x", retries=0, wait=1.0).upstream  # both are down: one is tried
    for engine in engines:
        engine.upstream = None
    with pytest.raises(APIError, match="'m' is up") as refused:
        Route("m", engines, "x", retries=0, wait=3.0)
    assert (refused.value.status, refused.value.headers()["Retry-After"]) == (503, "3")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "give the models either"),
        (
            {"upstream": {"address": "x"}, "models": {"m": {"engines": [{"address": "y"}]}}},
            "either",
        ),
        ({"models": {"m": {"engines": []}}}, "models.m.engines"),
        ({"models": {"m": {"engines": [{"address": "x", "name": "a\nb"}]}}}, "name"),
        ({"models": {"": {"engines": [{"address": "y"}]}}}, "at least 1 character"),
        ({"models": {"m": {"engines": [{"address": "y", "weight": -1}]}}}, "weight"),
        ({"models": {"m": {"engines": [{"address": "y", "wieght": 1}]}}}, "did you mean"),
        ({"models": {"m": {"engines": [{"address": "y", "key": "sk-1"}]}}}, "key"),
        (
            {"models": {"m": {"engines": [{"address": "y", "name": "2"}, {"address": "z"}]}}},
            "a name of its own",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_table(GatewayConfig, table, "test")


OF_AN_ENGINE = [
    "http://user:s3cretpw@127.0.0.1:1/v1",
    "https://s3cretpw@h",
    "HTTP://:s3cretpw@h/v1",
    "user:s3cretpw@127.0.0.1:8000",
    "http://u:s3cretpw@[::1]:80",
]


@pytest.mark.parametrize(
    "override",
    [
        *(f"upstream.address={address}" for address in OF_AN_ENGINE),
        *(f'models={{m={{engines=[{{address="{address}"}}]}}}}' for address in OF_AN_ENGINE),
        "telemetry.endpoint=http://u:s3cretpw@h:4318",
        'cors=["https://u:s3cretpw@a.example"]',
        "dashboard.origin=https://u:s3cretpw@h",
        "dashboard.oidc.issuer=https://u:s3cretpw@h",
        "upstream.address.x=http://u:s3cretpw@h",
        "http://u:s3cretpw@h",
        "audit=postgresql+asyncpg://u:s3cretpw@h/x",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(GatewayConfig, None, [override])
    assert "s3cretpw" not in str(caught.value)
    assert override.partition("=")[0].partition("=")[0][:4] in str(caught.value)


@pytest.mark.parametrize("address", ["models/a@b", "gguf:/x/a@b.gguf", "http://h/v1/@x", "a@b"])
def test_other_addresses_may_hold_an_at(address: str) -> None:
    config = load_table(GatewayConfig, {"upstream": {"address": address}}, "test")
    assert config.upstream is not None and config.upstream.address == address


async def test_a_key_that_is_not_in_the_environment_is_named(tmp_path: Path) -> None:
    table = {"m": {"engines": [{"address": "http://127.0.0.1:9", "key": "NO_SUCH_KEY"}]}}
    models = Models.of(of_models(tmp_path, table))
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        await models.open()
    await models.aclose()


async def test_each_model_is_answered_by_its_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed, plain = VLLM(), LlamaCpp()
    keyed.key = "sk-of-one"
    monkeypatch.setenv("KEY_OF_ONE", "sk-of-one")
    monkeypatch.setenv("GTALIGN_UPSTREAM_KEY", "sk-of-nobody")  # is not sent where none is named
    async with serving(keyed) as one, serving(plain) as two:
        table = {
            "org/one:7b": {"engines": [{"address": one, "key": "KEY_OF_ONE", "name": "gpu"}]},
            "two": {"engines": [{"address": two}]},
        }
        async with opened_before(of_models(tmp_path, table)) as gateway:
            _, listed = await gateway.get("/v1/models")
            names = [card["id"] for card in listed["data"]]
            assert names[0] == "org/one:7b" and {"two", "two:costly"} <= set(names)
            assert (await gateway.get("/v1/models/org/one:7b"))[0] == 200
            seen = written(keyed), written(plain)
            answer = await gateway.ask(model="two:costly")
            assert answer.model == "two:costly" and written(plain) > seen[1]
            assert written(keyed) == seen[0]
            await gateway.ask(model="org/one:7b:subscription", extra_body=PASSED)
            assert written(keyed) == seen[0] + 1
            for unknown in ("three", "two:", "one:7b", "Two"):
                status, _, said = await gateway.post({"model": unknown, "messages": MESSAGES})
                assert (status, said["error"]["code"]) == (404, "model_not_found")
                assert said["error"]["param"] == "model"
                assert (await gateway.get(f"/v1/models/{unknown}"))[0] == 404
            status, ready = await gateway.get("/readyz")
            assert status == 200 and ready["engines"] == [
                {"model": "org/one:7b", "engine": "gpu", "up": True},
                {"model": "two", "engine": "1", "up": True},
            ]
            async with gateway.http.get(f"{gateway.address}/metrics") as numbers:
                text = await numbers.text()
            assert 'gtalign_engine_up{model="org/one:7b",engine="gpu"} 1' in text
            assert 'gtalign_engine_answers_total{model="two",engine="1"} 1' in text


async def test_one_engine_writes_both_phases_and_all_turns(tmp_path: Path) -> None:
    engines = [VLLM(), VLLM(), VLLM()]
    async with before(tmp_path, {"toy": [*engines]}) as gateway:
        opened = [written(engine) for engine in engines]
        for turn in range(3):
            more = [{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}] * turn
            answer = await gateway.ask(model="toy:costly", messages=[*MESSAGES, *more])
            assert answer.gtalign["steered"]
        asked = [written(engine) - was for engine, was in zip(engines, opened, strict=True)]
        assert sorted(asked) == [0, 0, 6]


@pytest.mark.parametrize("failure", ["drop", "500", "503", "429", "401", "later"])
@pytest.mark.parametrize("kind", ["steered", "stream", "passed"])
async def test_another_engine_answers_before_the_first_byte(
    tmp_path: Path, failure: str, kind: str
) -> None:
    if (kind, failure) == ("passed", "later"):
        pytest.skip("what is passed through is one request")
    engines = [Fails(), Fails()]
    async with before(tmp_path, {"toy": [*engines]}, log_prompts=False) as gateway:
        models = gateway.gateway.models
        preferred = models.first.route(MESSAGES).upstream
        number = [engine.upstream for engine in models.first.engines].index(preferred)
        engines[number].wrong = failure
        if kind == "stream":
            stream = await gateway.ask(model="toy:costly", stream=True)
            texts = [c.choices[0].delta.content or "" async for c in stream if c.choices]
            assert "".join(texts)
        elif kind == "passed":
            asked = {"model": "toy:costly", "messages": MESSAGES, **PASSED}
            async with gateway.http.post(gateway.address + CHAT, json=asked) as passed:
                assert passed.status == 200 and await passed.read()
        else:
            answer = await gateway.ask(model="toy:costly")
            assert answer.choices[0].message.content
        (record,) = await gateway.records()
        assert record["status"] == ("passed" if kind == "passed" else "done")
        other = models.first.engines[1 - number]
        assert other.upstream is not None and record["backend"] == other.upstream.backend.name
        assert [e.failures for e in models.first.engines] == [1 - number, number]
        assert [e.running for e in models.first.engines] == [0, 0]


@pytest.mark.parametrize("body", [{}, PASSED], ids=["steered", "passed"])
async def test_a_request_that_is_refused_as_such_goes_to_no_other_engine(
    tmp_path: Path, body: dict[str, Any]
) -> None:
    engines = [Fails(), Fails()]
    async with before(tmp_path, {"toy": [*engines]}) as gateway:
        for engine in engines:
            engine.wrong = "400"
        status, _, _ = await gateway.post({"model": "toy", "messages": MESSAGES, **body})
        assert status == 400 and min(engine.asked for engine in engines) == 0


async def test_an_engine_that_is_ill_is_left_out_until_it_is_well(tmp_path: Path) -> None:
    engines = [Fails(), Fails()]
    timeouts = {"check": 0.05}
    async with before(tmp_path, {"toy": [*engines]}, timeouts=timeouts) as gateway:
        engines[0].wrong = "ill"
        await until(gateway, 200, [False, True])
        opened = written(engines[0])
        for number in range(8):
            await gateway.ask(messages=[{"role": "user", "content": str(number)}], model="toy")
        assert written(engines[0]) == opened
        engines[1].wrong = "ill"
        assert (await until(gateway, 503, [False, False]))["problems"] == ["no engine is up"]
        engines[0].wrong = engines[1].wrong = ""
        await until(gateway, 200, [True, True])


@pytest.mark.parametrize("short", [True, False])
async def test_an_engine_that_is_down_at_the_start_is_used_when_it_comes(
    tmp_path: Path, short: bool, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"http://127.0.0.1:{unused_tcp_port}/v1"
    config = config_of(tmp_path, address, timeouts={"check": 0.05})
    if not short:
        table = {"toy": {"engines": [{"address": address}]}}
        config = of_models(tmp_path, table, timeouts={"check": 0.05})
    async with opened_before(config) as gateway:
        status, ready = await gateway.get("/readyz")
        assert (status, ready["problems"]) == (503, ["no engine is up"])
        assert await gateway.get("/health") == (status, ready)  # where an engine is asked
        assert str(unused_tcp_port) not in str(ready)  # no key is needed to read it
        assert str(unused_tcp_port) in caplog.text
        status, headers, said = await gateway.post({"model": "toy", "messages": MESSAGES})
        assert (status, said["error"]["code"]) == (503, "no_engine")
        assert headers["Retry-After"] == "1" and str(unused_tcp_port) not in str(said)
        assert (await gateway.get("/healthz"))[0] == 200
        assert (await gateway.get("/v1/models"))[0] == 200
        for page in ("/dashboard", "/dashboard/playground", "/dashboard/what-if"):
            async with gateway.http.get(gateway.address + page) as shown:
                assert shown.status == 200, page
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", VLLM().handle)
        async with serving_app(app, unused_tcp_port):
            await until(gateway, 200, [True])
            answer = await gateway.ask(model="toy:costly")
            assert answer.gtalign["steered"]
        await until(gateway, 503, [False])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_with_a_fixed_name_gets_the_only_model(tmp_path: Path, stream: bool) -> None:
    engine = VLLM()
    async with served(tmp_path, engine, upstream={"name": "toy", "any_name": True}) as gateway:
        for name in ("gpt-3.5-turbo", "ft:gpt-4o:acme::abc", "toy", "toy:costly", ""):
            for more in (dict[str, Any](), PASSED):
                body = {"model": name, "messages": MESSAGES, "stream": stream, **more}
                async with gateway.http.post(gateway.address + CHAT, json=body) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()
        assert {record["model"] for record in await gateway.records()} == {"toy"}
        asked = [body.get("model") for path, body in engine.requests if "completions" in path]
        assert len(set(asked)) == 1  # the engine is asked for the model that it has
        gateway.gateway.models._config = config_of(tmp_path, "x")  # as a reload without it
        with pytest.raises(APIError, match="does not exist"):
            gateway.gateway.models.find("gpt-3.5-turbo")


async def test_an_engine_that_cannot_be_steered_stops_the_start(tmp_path: Path) -> None:
    async with serving(StandIn()) as address:
        models = Models.of(of_models(tmp_path, {"toy": {"engines": [{"address": address}]}}))
        with pytest.raises(SteeringError, match="cannot continue a message"):
            await models.open()
        await models.aclose()


async def until(gateway: Served, status: int, up: list[bool]) -> Any:
    """Wait until ``/readyz`` says so."""
    async with asyncio.timeout(60):
        while True:
            found, ready = await gateway.get("/readyz")
            if found == status and [engine["up"] for engine in ready["engines"]] == up:
                return ready
            await asyncio.sleep(0.01)
