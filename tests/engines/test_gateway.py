"""The gateway before llama.cpp: OpenAI's clients, both policies, whole and streamed."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from engines.conftest import CHECKPOINT, Server
from gateway_parts import opened_before
from gtalign.config import load_table
from gtalign.gateway.settings import GatewayConfig
from gtalign.lab.world import make_world

QUESTIONS = make_world(0, 1, 4).test[:4]
POLICIES = ("subscription", "per-token")


def config_of(folder: Path, url: str) -> GatewayConfig:
    policies = Path(__file__).parents[2] / "src" / "gtalign" / "configs" / "policies"
    table = {
        "upstream": {"address": url, "name": "lab", "tokenizer": str(CHECKPOINT)},
        "port": 0,
        "policies": [str(policies / f"{name}.toml") for name in POLICIES],
        "steering": {"instruct": False},
        "audit": {"database": str(folder / "audit.db"), "texts": True},
    }
    return load_table(GatewayConfig, table, "test")


async def text_of(client: openai.AsyncOpenAI, stream: bool, **asked: Any) -> tuple[str, str]:
    """The response and the id of its decision."""
    if not stream:
        answer = await client.chat.completions.create(**asked)
        return answer.choices[0].message.content or "", answer.id
    chunks = [c async for c in await client.chat.completions.create(stream=True, **asked)]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    [id_] = {chunk.id for chunk in chunks}
    return text, id_


@pytest.mark.parametrize("engine", ["python_server", "native_server"])
async def test_clients_of_openai_before_a_real_engine(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(engine)
    async with opened_before(config_of(tmp_path, server.url)) as gateway:
        for question in QUESTIONS:
            for policy in POLICIES:
                asked = {
                    "model": f"lab:{policy}",
                    "messages": [dict(message) for message in question.messages],
                    "max_tokens": 480,
                    "temperature": 0,
                    "seed": 0,
                }
                whole, first = await text_of(gateway.client, False, **asked)
                streamed, second = await text_of(gateway.client, True, **asked)
                assert whole == streamed
                assert whole
                records = {record["id"]: record for record in await gateway.records()}
                one, other = records[first], records[second]
                assert (one["status"], one["steered"]) == ("done", True)
                for key in ("policy", "before_cell", "after_cell"):
                    assert one[key] == other[key]
                assert one["decision"]["edited"] == other["decision"]["edited"]
                assert one["policy"] == policy
                assert whole in one["answer"]
        # A client that leaves ends the work of the engine, which then answers the next one.
        long: dict[str, Any] = {
            "model": "lab:per-token",
            "messages": [dict(message) for message in QUESTIONS[0].messages],
            "max_tokens": 480,
        }
        asking = asyncio.create_task(gateway.client.chat.completions.create(**long))
        while not gateway.gateway.limits.running:
            await asyncio.sleep(0.01)
        asking.cancel()
        while gateway.gateway.limits.running:
            await asyncio.sleep(0.01)
        text, _ = await text_of(gateway.client, False, **long, temperature=0)
        assert text
        kept = await gateway.records()
        statuses = [record["status"] for record in kept]
        assert sorted(set(statuses)) in (["done"], ["done", "gone"])
        flips = sum(record["flipped"] for record in kept)
        print(f"\n{engine}: {len(kept)} answers on record, {flips} flipped by the edit")


def test_the_synchronous_client(python_server: Server, tmp_path: Path) -> None:
    async def ask() -> str:
        async with opened_before(config_of(tmp_path, python_server.url)) as gateway:

            def whole() -> str:
                with openai.OpenAI(base_url=f"{gateway.address}/v1", api_key="none") as client:
                    answer = client.chat.completions.create(
                        model="lab",
                        messages=[dict(m) for m in QUESTIONS[0].messages],
                        max_tokens=480,
                    )
                    return answer.choices[0].message.content or ""

            return await asyncio.to_thread(whole)

    assert asyncio.run(ask())
