"""Judging a batch over HTTP, as a ratio to the time that the server's slots alone allow.

    python benchmarks/judging.py [--samples 512] [--delay 0.2] [--slots 64]

The server runs in a process of its own, takes a fixed time for each request and so many at once.
The bound is samples / slots x delay. Twice as many requests are on their way as the server has
slots, as one would do with an engine, so that a slot that is free waits for nobody. A bare aiohttp
client that sends the same requests and reads nothing of the replies shows what the server and the
machine leave of the bound.
"""

import argparse
import asyncio
import time

try:
    import aiohttp
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"{missing.name} is missing: in a clone, pip install -e '.[judge,serve]'"
    ) from None
from synthesis import start_server, wait_for

from gtalign.endpoints import response_format
from gtalign.judges import EndpointJudge, JudgeSettings, Verdict, judge_all
from gtalign.judges.criterion import AMBIGUITY
from gtalign.judges.prompt import prompt_of
from gtalign.judges.reading import schema
from gtalign.tasks import Question


async def bare(url: str, answers: list[tuple[Question, str]], slots: int) -> float:
    """Return the seconds in which a client without anything of ours sends the same requests."""
    form = response_format("verdict", schema(AMBIGUITY.scale))
    bodies = [
        {"model": "rules", "messages": prompt.messages("json_schema", "0123456789abcdef"), **form}
        for question, response in answers
        for prompt in [prompt_of(AMBIGUITY, question, {"answer": response}, 10_000)]
    ]
    connector = aiohttp.TCPConnector(limit=2 * slots)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(body: dict[str, object]) -> None:
            async with session.post(f"{url}/chat/completions", json=body) as reply:
                await reply.read()

        await asyncio.gather(*map(send, bodies[: 2 * slots]))
        started = time.perf_counter()
        await asyncio.gather(*map(send, bodies))
        return time.perf_counter() - started


async def measure(url: str, samples: int, delay: float, slots: int) -> None:
    await wait_for(url)
    answers = [
        (
            Question(
                id=str(number),
                task="ambig_qa",
                messages=({"role": "user", "content": f"Who owns bank number {number}?"},),
                ground_truth="multipleQAs###",
                cluster=str(number),
            ),
            f"Which bank number {number} do you mean?",
        )
        for number in range(samples)
    ]
    settings = JudgeSettings(url=url, model="rules", concurrency=2 * slots)
    async with EndpointJudge(settings) as judge:
        await judge_all(judge, answers[: 2 * slots])  # connections are open then
        started, cpu = time.perf_counter(), time.process_time()
        found = await judge_all(judge, answers, workers=4 * slots)
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    floor = await bare(url, answers, slots)
    scored = sum(isinstance(verdict, Verdict) and verdict.score == 1 for verdict in found)
    bound = samples / slots * delay
    print(
        f"{samples} samples, {delay:g} s each, {slots} at once; {scored} scored 1, as they should"
    )
    print(f"took {took:.2f} s, bound {bound:.2f} s, ratio {took / bound:.3f} (goal: 1.10)")
    print(f"a bare client took {floor:.2f} s, ratio to it {took / floor:.3f}")
    print(f"{1000 * cpu / samples:.2f} ms of this process's CPU a sample")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--slots", type=int, default=64)
    options = parser.parse_args()
    server, url = start_server(options.delay, options.slots)
    try:
        asyncio.run(measure(url, options.samples, options.delay, options.slots))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
