"""A gateway on loopback before a stand-in, a scripted backend or a small model."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import openai

from gtalign.config import load_table
from gtalign.gateway.gateway import Gateway, opened
from gtalign.gateway.keys import Key, read_key_request
from gtalign.gateway.served import Models
from gtalign.gateway.server import running
from gtalign.gateway.settings import AuditSettings, GatewayConfig
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.reader import Filter
from gtalign.gateway.upstream import Upstream
from gtalign.steering import Backend, FakeBackend
from standins import model
from standins.server import StandIn, serving

MESSAGES: Any = [{"role": "user", "content": "Where to, in Zürich?"}]
PASSED_SCHEMA: Any = {"if": {}}
"""No grammar describes it, so that a request with it is passed through."""
COSTLY = 'name = "costly"\npayer = "user"\nutility_of_money = 700.0\n[price]\noutput = 15.0\n'
"""Under it, the scripted model's choice moves from CQ to DA."""


def scripted(**options: Any) -> FakeBackend:
    """A backend with the script of the stand-ins."""
    return FakeBackend(
        lambda messages, begun: model.continuation(messages[-1]["content"], begun), **options
    )


class Held(FakeBackend):
    """Writes its opening, and then waits until it is closed."""

    def __init__(self) -> None:
        super().__init__(lambda messages, begun: model.continuation("x", begun))
        self.closed = asyncio.Event()
        self.reached = asyncio.Event()

    def open(self, messages: Any, sampling: Any) -> Any:
        draft = super().open(messages, sampling)
        write = draft.write
        backend = self

        async def held(**options: Any) -> AsyncGenerator[str, None]:
            if draft.text:  # phase two
                backend.reached.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    backend.closed.set()
            async for slice_ in write(**options):
                yield slice_

        draft.write = held  # type: ignore[method-assign]
        return draft


@dataclass
class Served:
    """A gateway, its address, and clients of it."""

    gateway: Gateway
    address: str
    client: openai.AsyncOpenAI
    http: aiohttp.ClientSession

    async def ask(self, **options: Any) -> Any:
        given = {"model": "toy", "messages": MESSAGES, **options}
        return await self.client.chat.completions.create(**given)

    async def post(self, body: Any, path: str = "/v1/chat/completions", **headers: str) -> Any:
        """Send a body as JSON; returns status, headers and the JSON of the answer."""
        async with self.http.post(self.address + path, json=body, headers=headers) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    async def put(self, body: Any, path: str, **headers: str) -> Any:
        """Like `post`, in the place of what is there."""
        async with self.http.put(self.address + path, json=body, headers=headers) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    async def get(self, path: str, **headers: str) -> Any:
        async with self.http.get(self.address + path, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def key(self, **wanted: Any) -> tuple[Key, str]:
        """Make a key, also one of scope ``admin``; by default its name is its number."""
        wanted = {"name": f"k{len(self.gateway.keys.all())}", "scopes": ["chat", "admin"], **wanted}
        names, groups = self.gateway.policies.names(), self.gateway.config.groups
        return await self.gateway.keys.create(read_key_request(wanted, names, groups))

    async def records(self) -> list[dict[str, Any]]:
        """Every decision, the latest first."""
        await self.gateway.writer.settled()
        return [record async for record in self.gateway.reader.all(Filter())]


@cache
def no_records() -> bytes:
    """A store with nothing in it. To make its tables takes longer than most tests, which copy it;
    those of the store and of the commands make their own."""

    async def make(file: Path) -> None:
        engine = await open_store(AuditSettings(database=str(file)))
        await engine.dispose()

    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        file = Path(folder, "audit.db")
        pool.submit(asyncio.run, make(file)).result()  # the loop of this thread is running
        return file.read_bytes()


def config_of(folder: Path, address: str = "none", **settings: Any) -> GatewayConfig:
    folder.mkdir(exist_ok=True)
    costly = folder / "costly.toml"
    costly.write_text(COSTLY)
    store = folder / "audit.db"
    if not store.exists():
        store.write_bytes(no_records())
    table = {
        "upstream": {"address": address, **settings.pop("upstream", {})},
        "port": 0,
        "policies": [str(costly), "subscription"],
        "steering": {"instruct": False, **settings.pop("steering", {})},
        "audit": {"database": str(store), **settings.pop("audit", {})},
        **settings,
    }
    return load_table(GatewayConfig, table, "test")


@asynccontextmanager
async def served(
    folder: Path, backend: Backend | StandIn | None = None, **settings: Any
) -> AsyncGenerator[Served, None]:
    """A gateway before a stand-in on loopback, or before a backend in this process."""
    if isinstance(backend, StandIn):
        async with (
            serving(backend) as url,
            opened_before(config_of(folder, url, **settings)) as found,
        ):
            yield found
        return
    own = backend or scripted()
    config = config_of(folder, **settings)
    assert config.upstream is not None
    models = Models.of_one(Upstream(own, "toy", "toy-1"), config.upstream.retries)
    async with opened_before(config, models) as found:
        yield found


@asynccontextmanager
async def opened_before(
    config: GatewayConfig, models: Models | None = None
) -> AsyncGenerator[Served, None]:
    """A gateway of a whole configuration, before its engines or others."""
    if models is None:
        models = Models.of(config)
        await models.open()
    async with (
        opened(config, models) as gateway,
        running(gateway) as address,
        aiohttp.ClientSession() as http,
        openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        yield Served(gateway, address, client, http)
