"""SmolLM2, which has never seen a chain, behind the gateway: is every answer complete?

Fifty everyday questions in each mode and before each server, half of them streamed. Prints what
the documentation says; GTALIGN_ENGINE_QUESTIONS asks fewer.
"""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest

from engines.conftest import Server
from engines.everyday import QUESTIONS
from gateway_parts import Served, opened_before
from gtalign.config import load_table
from gtalign.gateway.settings import GatewayConfig

ASKED = QUESTIONS[: int(os.environ.get("GTALIGN_ENGINE_QUESTIONS", len(QUESTIONS)))]
TOKENS = int(os.environ.get("GTALIGN_ENGINE_TOKENS", "800"))


def config_of(folder: Path, url: str, tokenizer: str | None, **steering: Any) -> GatewayConfig:
    upstream = {"address": url, "name": "small"}
    table = {
        "upstream": upstream | ({} if tokenizer is None else {"tokenizer": tokenizer}),
        "port": 0,
        "steering": steering,
        "audit": {"database": str(folder / "audit.db"), "texts": True},
        "timeouts": {"total": 1200.0, "first": 600.0},
    }
    return load_table(GatewayConfig, table, "test")


@dataclass
class Counts:
    """What came of some questions."""

    asked: int = 0
    finishes: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    matrices: int = 0
    steered: int = 0
    flipped: int = 0
    obeyed: int = 0
    written: int = 0
    seconds: float = 0.0

    @property
    def complete(self) -> int:
        """Answers that came to their own end and say something."""
        return self.finishes["stop"] - self.empty

    def __str__(self) -> str:
        per = max(self.asked, 1)
        return (
            f"{self.complete} of {self.asked} complete ({self.empty} empty,"
            f" {self.finishes['length']} cut), {self.matrices} matrices, {self.steered} steered,"
            f" {self.flipped} flipped, {self.obeyed} obey, {self.written / per:.0f} tokens and"
            f" {self.seconds / per:.1f} s each"
        )


async def ask(client: openai.AsyncOpenAI, question: str, seed: int) -> tuple[str, str, str]:
    """The answer, its finish reason and the id of its decision; every other one is streamed."""
    asked: dict[str, Any] = {
        "model": "small:per-token",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": TOKENS,
        "temperature": 0.7,
        "seed": seed,
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


async def answered(gateway: Served, questions: Sequence[str]) -> Counts:
    counts, texts = Counts(), {}
    for seed, question in enumerate(questions):
        began = time.perf_counter()
        text, finish, id_ = await ask(gateway.client, question, seed)
        counts.seconds += time.perf_counter() - began
        counts.asked += 1
        counts.finishes[finish] += 1
        counts.empty += finish == "stop" and not text.strip()
        texts[id_] = text
        await gateway.gateway.shadows.settled()
    for record in await gateway.records():
        counts.matrices += record["decision"]["stated"] is not None
        counts.steered += record["steered"]
        counts.flipped += record["flipped"]
        counts.obeyed += bool(record["obeyed"])
        counts.written += record["written_tokens"] or 0
        assert "<payoff>" not in texts[record["id"]]
    return counts


WAYS: dict[str, dict[str, Any]] = {
    "observe": {"mode": "observe"},
    "shadow": {"mode": "observe", "shadow": 1.0},
    "advise": {"mode": "advise"},
    "enforce": {"mode": "enforce"},
    "examples": {"mode": "enforce", "instruct": "examples"},
}


@pytest.mark.timeout(0)  # a slow machine takes a minute for an answer
@pytest.mark.parametrize("engine", ["small_native", "small_python"])
@pytest.mark.parametrize("way", WAYS)
async def test_every_answer_is_complete(
    engine: str, way: str, request: pytest.FixtureRequest, smollm2: Path, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(engine)
    # llama.cpp's own server renders prompts; the other one needs the tokenizer for that.
    tokenizer = None if engine == "small_native" else f"gguf:{smollm2}"
    config = config_of(tmp_path, server.url, tokenizer, **WAYS[way])
    async with opened_before(config) as gateway:
        counts = await answered(gateway, ASKED)
        told = gateway.gateway.upstream.instruction_tokens
    print(f"\n{engine}, {way}: {counts}; instruction {told}")
    assert counts.empty == 0
    if way != "observe" and way != "shadow":
        assert counts.complete == counts.asked
        assert counts.steered == counts.asked
    assert counts.matrices == (0 if way == "observe" else counts.asked)
