"""Cold starts, as a ratio to the time that the server's slots alone allow.

    python benchmarks/synthesis.py [--scale 0.02] [--delay 0.5] [--slots 64]

1,000 questions x 9 candidates x 4 parts, scaled down, are written by a server in a process of its
own that takes a fixed time for each request and so many at once. The bound is calls / slots x
delay. Answers are judged by rules, in this process. Memory is the growth of this process over the
second half of the run, in which it should not grow.
"""

import argparse
import asyncio
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gtalign.endpoints import Cache, Endpoint, EndpointSettings
from gtalign.errors import ServiceError
from gtalign.judges import Judges
from gtalign.reward import Reward
from gtalign.synthesis import Candidates, ChainWriter, ColdStartConfig, write_candidates

SERVER = Path(__file__).parents[1] / "examples" / "local_server.py"


def start_server(delay: float, slots: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start the example server on a free port and return it with its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--delay", str(delay), "--slots", str(slots)]
    return subprocess.Popen([sys.executable, str(SERVER), *options]), f"http://127.0.0.1:{port}/v1"


async def wait_for(url: str) -> None:
    """Return once a server answers; the client is loaded and warm then, too."""
    endpoint = Endpoint(EndpointSettings(url=url, model="rules", attempts=20))
    hello = [{"role": "user", "content": "hello"}]
    try:
        await endpoint.complete(hello, hello, accepts=bool, about="benchmark")
    except ServiceError as error:
        sys.exit(f"the server did not start: {error}")
    await endpoint.aclose()


def peak() -> float:
    """Largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--delay", type=float, default=1.5)
    parser.add_argument("--slots", type=int, default=64)
    options = parser.parse_args()
    questions = max(1, round(1000 * options.scale))
    server, url = start_server(options.delay, options.slots)
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "questions-train.jsonl"
            rows = (
                {
                    "prompt": [{"role": "user", "content": f"Who owns bank number {number}?"}],
                    "data_source": "ambig_qa",
                    "reward_model": {"ground_truth": "multipleQAs###"},
                }
                for number in range(questions)
            )
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            config = ColdStartConfig.model_validate(
                {
                    "questions": [file],
                    "candidates": 9,
                    "workers": 2 * options.slots,
                    "teachers": {
                        "local": {"url": url, "model": "rules", "concurrency": options.slots}
                    },
                }
            )
            asyncio.run(measure(config, url, Path(folder), options.delay, options.slots))
    finally:
        server.terminate()
        server.wait()


async def measure(
    config: ColdStartConfig, url: str, folder: Path, delay: float, slots: int
) -> None:
    await wait_for(url)
    half = 0.0

    def watch(done: int, total: int, _: object) -> None:
        nonlocal half
        if done == total // 2:
            half = peak()

    judges = Judges(config.judges)
    with Candidates(folder / "written.jsonl") as candidates:
        async with ChainWriter(config, Cache(folder / "replies.sqlite")) as writer, judges:
            started, cpu = time.perf_counter(), time.process_time()
            await write_candidates(config, candidates, writer, judges, Reward(), watch)
            took, cpu = time.perf_counter() - started, time.process_time() - cpu
        used = writer.usage["local"]
        failed = sum(entry.problem is not None for entry in candidates.entries.values())
    bound = used.calls / slots * delay
    print(f"{used.calls} calls, {delay:g} s each, {slots} at once; {failed} candidates failed")
    print(f"took {took:.1f} s, bound {bound:.1f} s, ratio {took / bound:.3f} (goal: 1.15)")
    print(f"{1000 * cpu / used.calls:.2f} ms of this process's CPU a call")
    print(f"memory: {peak():.0f} MiB at most, {peak() - half:+.1f} MiB in the second half")


if __name__ == "__main__":
    main()
