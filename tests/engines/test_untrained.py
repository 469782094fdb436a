"""SmolLM2, which has never seen a chain, behind the gateway: does every answer come to an end?

Fifty everyday questions in each way and before each server, half of them streamed. Each answer is
appended to the file that GTALIGN_ENGINE_RESULTS names, and the next run asks only what is missing
there; GTALIGN_ENGINE_QUESTIONS asks fewer. The table at the end is that of the documentation.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from engines.conftest import AT_ONCE, Server
from engines.everyday import QUESTIONS
from engines.tally import Answer, Tally, table
from gateway_parts import Served, opened_before
from gtalign.config import load_table
from gtalign.gateway.settings import GatewayConfig
from gtalign.steering.guided import ENDED
from gtalign.steering.mending import ends_sentence

ASKED = QUESTIONS[: int(os.environ.get("GTALIGN_ENGINE_QUESTIONS", len(QUESTIONS)))]
TOKENS = int(os.environ.get("GTALIGN_ENGINE_TOKENS", "800"))
WAIT = 7200.0  # seconds: a busy machine takes minutes for an answer
RESULTS = os.environ.get("GTALIGN_ENGINE_RESULTS")

WAYS: dict[str, dict[str, Any]] = {
    "observe": {"mode": "observe"},
    "shadow": {"mode": "observe", "shadow": 1.0},
    "advise": {"mode": "advise"},
    "enforce": {"mode": "enforce"},
    "reask": {"mode": "enforce", "resume": "reask"},
    "examples": {"mode": "enforce", "instruct": "examples"},
}


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    found = Tally(Path(RESULTS) if RESULTS else None)
    yield found
    print(f"\n{table(found.answers)}")


def config_of(folder: Path, url: str, tokenizer: str | None, **steering: Any) -> GatewayConfig:
    upstream = {"address": url, "name": "small"}
    settings = {
        "upstream": upstream | ({} if tokenizer is None else {"tokenizer": tokenizer}),
        "port": 0,
        "steering": steering,
        "audit": {"database": str(folder / "audit.db"), "texts": True},
        "timeouts": dict.fromkeys(("first", "idle", "total"), WAIT),
    }
    return load_table(GatewayConfig, settings, "test")


async def ask(client: openai.AsyncOpenAI, question: str, seed: int) -> tuple[str, str, str]:
    """The answer, its finish reason and the id of its decision; every other one is streamed."""
    asked: dict[str, Any] = {
        "model": "small:per-token",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": TOKENS,
        "temperature": 0.7,
        "seed": seed,
        "timeout": WAIT,
    }
    if seed % 2:
        stream = await client.chat.completions.with_raw_response.create(stream=True, **asked)
        chunks = [c async for c in stream.parse()]
        choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
        text = "".join(choice.delta.content or "" for choice in choices)
        finish = next(c.finish_reason for c in reversed(choices) if c.finish_reason)
        return text, finish, stream.headers["x-gtalign-decision"]
    raw = await client.chat.completions.with_raw_response.create(**asked)
    choice = raw.parse().choices[0]
    text = choice.message.content or ""
    return text, choice.finish_reason, raw.headers["x-gtalign-decision"]


async def answer_of(gateway: Served, server: Server, engine: str, way: str, number: int) -> Answer:
    logged = len(server.reused())
    began = time.perf_counter()
    text, finish, id_ = await ask(gateway.client, QUESTIONS[number], number)
    seconds = time.perf_counter() - began
    assert "<payoff>" not in text
    await gateway.gateway.shadows.settled()
    [record] = [record for record in await gateway.records() if record["id"] == id_]
    closed = finish == "length" and ends_sentence(text)
    # The line break that ended it is not in the text that the client gets.
    ended = record["decision"]["reason"] == ENDED
    own = [phase for phase in record["decision"]["phases"] if "shadow" not in phase["name"]]
    counted = [
        (phase["prompt_tokens"], phase["cached_tokens"] or 0)
        for phase in own
        if phase["prompt_tokens"] is not None
    ]
    if not counted:  # llama-cpp-python tells its log alone
        counted = [(cached + computed, cached) for cached, computed in server.reused()[logged:]]
    return Answer(
        engine=engine,
        way=way,
        most=TOKENS,
        question=number,
        finish=finish,
        empty=not text.strip(),
        closed=closed,
        lined=finish == "length" and ended and not closed,
        matrix=record["decision"]["stated"] is not None,
        steered=record["steered"],
        flipped=bool(record["flipped"]),
        obeyed=bool(record["obeyed"]),
        written=record["written_tokens"] or 0,
        read=sum(read for read, _ in counted) if counted else None,
        cached=sum(cached for _, cached in counted) if counted else None,
        instruction=gateway.gateway.upstream.instruction_tokens,
        seconds=seconds,
    )


@pytest.mark.timeout(0)
@pytest.mark.parametrize("engine", ["small_native", "small_python"])
@pytest.mark.parametrize("way", WAYS)
async def test_every_answer_is_complete(
    engine: str,
    way: str,
    tally: Tally,
    request: pytest.FixtureRequest,
    smollm2: Path,
    tmp_path: Path,
) -> None:
    there = tally.of(engine, way, TOKENS)
    missing = [number for number in range(len(ASKED)) if number not in there]
    if missing:
        server: Server = request.getfixturevalue(engine)
        # llama.cpp's own server renders prompts; the other one needs the tokenizer for that.
        tokenizer = None if engine == "small_native" else f"gguf:{smollm2}"
        config = config_of(tmp_path, server.url, tokenizer, **WAYS[way])
        async with opened_before(config) as gateway:
            turn = asyncio.Semaphore(AT_ONCE[engine])

            async def one(number: int) -> None:
                async with turn:
                    tally.add(await answer_of(gateway, server, engine, way, number))

            async with asyncio.TaskGroup() as group:
                for number in missing:
                    group.create_task(one(number))
    found = list(tally.of(engine, way, TOKENS).values())
    print(f"\n{table(found)}")
    assert not any(answer.empty for answer in found)
    if way not in ("observe", "shadow"):
        assert all(answer.complete or answer.closed or answer.lined for answer in found)
        assert all(answer.steered for answer in found)
    assert sum(answer.matrix for answer in found) == (0 if way == "observe" else len(found))
