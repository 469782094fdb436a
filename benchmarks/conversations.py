"""Conversations over HTTP, as a ratio to the time that the server's slots alone allow.

    python benchmarks/conversations.py [--conversations 1000] [--turns 4] [--delay 0.2] [--slots 64]

The server runs in a process of its own, takes a fixed time for each answer and so many at once. The
scripted user, in this process, replies to everything until the turns are over, so each conversation
takes all its turns. The bound is answers / slots x delay. Twice as many conversations are under way
as the server has slots, so that a slot that is free waits for nobody. A bare aiohttp client that
sends as many requests and reads nothing of the replies shows what the server and the machine leave
of the bound. Memory is the growth of this process over the second half of the run, in which it
should not grow.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import aiohttp
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"{missing.name} is missing: in a clone, pip install -e '.[judge,serve]'"
    ) from None
from synthesis import peak, start_server, wait_for

from gtalign.dialogue import (
    Conversation,
    Goal,
    Match,
    Persona,
    Reply,
    Rules,
    ServedAssistant,
    play_all,
)
from gtalign.endpoints import Endpoint, EndpointSettings
from gtalign.errors import TeacherError
from gtalign.tasks import Message, Question


class Patient:
    """A user that always asks on."""

    async def reply(self, conversation: Conversation) -> Reply:
        """Say something new."""
        return f"And what is number {conversation.turns} of {conversation.id}?"


def matches(count: int) -> Iterator[Match]:
    """Yield conversations about as many questions."""
    persona, user = Persona(patience=1000), Patient()
    for number in range(count):
        asked = Message(role="user", content=f"Who owns bank number {number}?")
        question = Question(str(number), "", (asked,), "", str(number))
        goal = Goal(question, "You want to know who owns the bank.", lambda response: 0.0)
        yield Match.of(goal, user, "patient", persona, "ask")


async def bare(url: str, count: int, slots: int) -> float:
    """Return the seconds in which a client without anything of ours sends as many requests."""
    body = {"model": "rules", "messages": [{"role": "user", "content": "Who owns bank number 1?"}]}
    left = iter(range(count))
    connector = aiohttp.TCPConnector(limit=2 * slots)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work() -> None:
            for _ in left:
                async with session.post(f"{url}/chat/completions", json=body) as reply:
                    await reply.read()

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(2 * slots)))
        return time.perf_counter() - started


async def measure(url: str, count: int, turns: int, delay: float, slots: int) -> None:
    """Play the conversations and print what they took."""
    await wait_for(url)
    settings = EndpointSettings(url=url, model="rules", concurrency=2 * slots)
    endpoint = Endpoint(settings, failure=TeacherError)
    assistant, rules = ServedAssistant(endpoint), Rules(turns=turns)
    half = 0.0

    def watch(done: int, problem: str | None) -> None:
        nonlocal half
        if done == count // 2:
            half = peak()

    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.jsonl"  # connections are open then
        await play_all(matches(2 * slots), assistant, Rules(turns=1), warm, workers=2 * slots)
        calls = endpoint.used.calls
        started, cpu = time.perf_counter(), time.process_time()
        failed = await play_all(
            matches(count),
            assistant,
            rules,
            Path(folder) / "transcripts.jsonl",
            workers=2 * slots,
            show=watch,
        )
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        calls = endpoint.used.calls - calls
    await endpoint.aclose()
    floor = await bare(url, calls, slots)
    bound = calls / slots * delay
    print(f"{count} conversations of {turns} turns, {calls} answers; {failed} failed")
    print(f"{delay:g} s each, {slots} at once")
    print(f"took {took:.2f} s, bound {bound:.2f} s, ratio {took / bound:.3f} (goal: 1.15)")
    print(f"a bare client took {floor:.2f} s, ratio to it {took / floor:.3f}")
    print(f"{1000 * cpu / count:.2f} ms of this process's CPU a conversation")
    print(f"memory: {peak():.0f} MiB at most, {peak() - half:+.1f} MiB in the second half")


def main() -> None:
    """Start the server, measure, and end it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--slots", type=int, default=64)
    given = parser.parse_args()
    server, url = start_server(given.delay, given.slots)
    try:
        asyncio.run(measure(url, given.conversations, given.turns, given.delay, given.slots))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
