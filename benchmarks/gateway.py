"""What the gateway adds to a call, and what one core carries: against direct calls and LiteLLM.

    python benchmarks/gateway.py [--latency 0.02] [--calls 300] [--litellm PYTHON] [--memory 100000]

Upstream is a mock of an engine that answers after a fixed time, in a process of its own; the
gateway has a process and a core of its own. The limit is what the same client sees without the
gateway: one call, or, for a steered answer, the two calls that phase one and two are, so that the
prefill of phase two is no part of what is added. What a proxy adds that is made of the same parts
and does nothing (`gateway_bare.py`) is what the gateway's own work begins from. A record has to be
on disk before its answer begins, so a second gateway keeps its records in memory (`/dev/shm`), and
what the disk takes for one commit is printed beside. Calls of all kinds alternate: what else the
machine does meanwhile slows all of them alike.

``--litellm`` names the interpreter of an environment that was made with

    python3.11 -m venv X && X/bin/pip install 'litellm[proxy]'

whose proxy is then put before the same mock, on the same core, with its core in Python and with the
one in Rust. Where granian is installed, the bare proxy also runs on it. ``--memory`` sends so many
more requests and prints the gateway's memory as they go.
"""

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

try:
    import aiohttp
    import uvloop
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing.name} is missing: in a clone, pip install -e '.[serve]'") from None

HERE = Path(__file__).parent
AT_ONCE = 64
STREAMS = 16
CORES = sorted(os.sched_getaffinity(0))
CHAT = {"model": "mock", "messages": [{"role": "user", "content": "How many?"}]}
PASSED = {**CHAT, "logprobs": True}  # what no steered answer can have
OPENING = "<thinking>It is vague.</thinking><payoff>{}</payoff>"
TWICE = [*CHAT["messages"], {"role": "assistant", "content": OPENING}]
# What phase one and phase two ask the engine for.
LONG = {**CHAT, "messages": [{"role": "user", "content": "A long one?"}], "stream": True}
PHASES = [{**CHAT, "stream": True}, {**CHAT, "messages": TWICE, "stream": True}]


@contextmanager
def started(log: Path, *command: str, **more: Any) -> Iterator[int]:
    """A process whose output goes to a file; yields its id."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **more)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def busy(process: int) -> float:
    """Milliseconds of processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def hold(process: int, cores: set[int]) -> None:
    """Hold every thread of a process to some cores."""
    for thread in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(thread), cores)


def address(log: Path) -> str:
    """The address that a process says is its own, and not that of its engine."""
    for _ in range(3000):
        own = r"^(?:gtalign: gateway at )?(http://[0-9.]+:[0-9]+)"
        found = re.search(own, log.read_text(), re.MULTILINE)
        if found:
            return f"{found[1]}/v1"
        time.sleep(0.1)
    raise SystemExit(f"no address in five minutes: {log.read_text()}")


@contextmanager
def litellm(
    folder: Path, python: str, upstream: str, port: int, *, rust: bool
) -> Iterator[tuple[str, int]]:
    """LiteLLM's proxy before the mock: its address and its process."""
    config = folder / "config.yaml"
    config.write_text(
        "model_list:\n- model_name: mock\n  litellm_params:\n"
        f"    model: openai/mock\n    api_base: {upstream}\n    api_key: none\n"
    )
    command = [str(Path(python).parent / "litellm"), "--config", str(config)]
    command += ["--port", str(port), "--host", "127.0.0.1", "--telemetry", "False"]
    settings = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    settings["LITELLM_RUST"] = str(rust).lower()
    # Without a key, as the gateway is.
    settings["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    log = folder / f"litellm-{port}.log"
    with started(log, *command, env=own | settings) as process:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness").close()
                break
            except OSError:
                time.sleep(0.5)
        else:
            raise SystemExit(f"LiteLLM does not answer: {log.read_text()}")
        yield f"http://127.0.0.1:{port}/v1", process


async def call(http: aiohttp.ClientSession, url: str, body: Any) -> None:
    """Ask once, and read the answer to its end."""
    async with http.post(f"{url}/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()


Way = tuple[str, list[Any]]
"""An address, and what is asked there one after the other."""


async def added(ways: dict[str, Way], count: int) -> dict[str, list[float]]:
    """Milliseconds of the calls of each way, one at a time."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    async with aiohttp.ClientSession() as http:
        for number in range(count + 20):
            for name, (url, bodies) in ways.items():
                began = time.perf_counter()
                for body in bodies:
                    await call(http, url, body)
                if number >= 20:  # warm by then
                    spent[name].append((time.perf_counter() - began) * 1000)
    return spent


async def rate(way: Way, count: int, at_once: int) -> float:
    """Answers a second."""
    url, bodies = way
    left = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def client() -> None:
            for _ in left:
                for body in bodies:
                    await call(http, url, body)

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(at_once)))
        return count / (time.perf_counter() - began)


def commit() -> float:
    """Milliseconds that the disk takes to put 4 KiB down for good."""
    spent = []
    with tempfile.TemporaryFile() as file:
        for number in range(200):
            os.pwrite(file.fileno(), bytes(4096), 4096 * number)
            began = time.perf_counter()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


async def measure(
    direct: str,
    bare: str,
    gateways: dict[str, str],
    peers: dict[str, str],
    alone: dict[str, int],
    given: argparse.Namespace,
) -> None:
    """Print what each way adds to one call, and what it carries on one core.

    Beside that stands the processor time of its process for an answer, which other work of the
    machine changes less than it changes the rates.

    Args:
        direct: Address of the engine.
        bare: Address of the bare proxy.
        gateways: Addresses of gateways, by what is said of them behind a comma; "" is as shipped.
        peers: Addresses of other proxies, by their names.
        alone: Processes that are measured, by their addresses.
        given: The options.
    """
    ways: dict[str, Way] = {"direct": (direct, [PASSED]), "bare proxy": (bare, [PASSED])}
    ways |= {f"passed{more}": (url, [PASSED]) for more, url in gateways.items()}
    ways |= {name: (url, [PASSED]) for name, url in peers.items()}
    ways |= {"direct, twice": (direct, PHASES), "bare, twice": (bare, PHASES)}
    ways |= {f"steered{more}": (url, [CHAT]) for more, url in gateways.items()}
    spent = await added(ways, given.calls)
    disk = commit()
    print(f"{'one at a time':<16} {'median':>9} {'p95':>9} {'added':>9} {'of the bare':>12}")
    medians = {name: statistics.median(times) for name, times in spent.items()}
    for name, times in spent.items():
        twofold = name.startswith("steered") or name.endswith("twice")
        limit, nothing = ("direct, twice", "bare, twice") if twofold else ("direct", "bare proxy")
        extra = medians[name] - medians[limit]
        ratio = f"{extra / (medians[nothing] - medians[limit]):11.1f}x" if extra else ""
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"{name:<16} {medians[name]:7.2f}ms {p95:7.2f}ms {extra:7.2f}ms {ratio}")
    print(f"{'one commit':<16} {disk:7.2f}ms (fsync of 4 KiB)\n")

    # One core for what is measured, the others for all else.
    for process in alone.values():
        hold(process, {CORES[0]})
    hold(os.getpid(), set(CORES[1:] or CORES))
    through = gateways[""]
    print(f"{'on one core':<22} {'answers/s':>10} {'CPU':>9} {'events/s':>10}")
    streamed = {**PASSED, "stream": True}
    rates: dict[str, float] = {}
    kinds: list[tuple[str, Way, int, Callable[[int], int]]] = [
        ("direct", (direct, [PASSED]), AT_ONCE, lambda n: 8 * n),
        ("bare proxy", (bare, [PASSED]), AT_ONCE, lambda n: 8 * n),
        ("bare, twice", (bare, PHASES), AT_ONCE, lambda n: 4 * n),
        ("passed", (through, [PASSED]), AT_ONCE, lambda n: 8 * n),
        ("steered", (through, [CHAT]), AT_ONCE, lambda n: 2 * n),
        *(
            (f"{kind}{more}", (url, [body]), AT_ONCE, of)
            for more, url in gateways.items()
            if more
            for kind, body, of in (
                ("passed", PASSED, lambda n: 8 * n),
                ("steered", CHAT, lambda n: 2 * n),
            )
        ),
        ("direct, streams", (direct, [streamed]), STREAMS, lambda n: n // 2),
        ("passed, streams", (through, [streamed]), STREAMS, lambda n: n // 2),
        ("steered, streams", (through, [LONG]), STREAMS, lambda n: n // 2),
    ]
    for peer, url in peers.items():
        kinds += [
            (peer, (url, [PASSED]), AT_ONCE, lambda n: 2 * n),
            (f"{peer}, streams", (url, [streamed]), STREAMS, lambda n: max(1, n // 8)),
        ]
    for name, way, at_once, of in kinds:
        await rate(way, at_once, at_once)
        asked, count = alone.get(way[0]), of(given.calls)
        before = 0.0 if asked is None else busy(asked)
        rates[name] = answers = await rate(way, count, at_once)
        took = "" if asked is None else f"{(busy(asked) - before) / count:7.2f}ms"
        # Counted where they come from: what arrives together may be passed on together.
        events = f"{answers * given.events:10.0f}" if "streams" in name else ""
        print(f"{name:<22} {answers:10.0f} {took:>9} {events}")
    for peer in peers:
        ratio = rates["passed"] / rates[peer]
        streams = rates["passed, streams"] / rates[f"{peer}, streams"]
        print(f"\n{ratio:.1f} times the answers and {streams:.1f} times the events of {peer}")


async def memory(through: str, process: int, count: int) -> None:
    """Print the memory of a gateway while it answers requests, one in eight of them steered."""
    print(f"\n{'requests':>10} {'MiB':>8}")
    for done in range(0, count + 1, max(count // 5, 1)):
        status = Path(f"/proc/{process}/status").read_text()
        kib = int(re.findall(r"VmRSS:\s+(\d+)", status)[0])
        print(f"{done:>10} {kib / 1024:8.1f}", flush=True)
        if done < count:
            await rate((through, [PASSED] * 7 + [CHAT]), count // 5 // 8, AT_ONCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--events", type=int, default=500, help="of a stream that comes")
    parser.add_argument("--litellm", metavar="PYTHON")
    parser.add_argument("--port", type=int, default=4010, help="of LiteLLM, and the next one")
    parser.add_argument("--memory", type=int, default=0, metavar="REQUESTS")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        alone: dict[str, int] = {}

        def served(name: str, *command: str) -> str:
            log = folder / f"{name}.log"
            process = stack.enter_context(started(log, sys.executable, *command))
            alone[found := address(log)] = process
            return found

        mock = str(HERE / "gateway_mock.py"), "--latency", str(given.latency)
        direct = served("mock", *mock, "--events", str(given.events))
        alone.clear()
        proxy = str(HERE / "gateway_bare.py"), direct
        bare = served("bare", *proxy)
        peers = {}
        if find_spec("granian"):
            peers["bare on granian"] = served("granian", *proxy, "--server", "granian")
        gateways, places = {}, {"": folder}
        if Path("/dev/shm").is_dir():
            shared = tempfile.TemporaryDirectory(dir="/dev/shm")
            places[", no disk"] = Path(stack.enter_context(shared))
        serve = "-m", "gtalign", "serve", direct, "--bare", "--port", "0", "--database"
        for more, place in places.items():
            gateways[more] = served(f"gateway{more}", *serve, f"{place}/audit.db")
        if given.litellm is not None:
            for port, rust in ((given.port, False), (given.port + 1, True)):
                running = litellm(folder, given.litellm, direct, port, rust=rust)
                url, process = stack.enter_context(running)
                alone[url] = process
                peers["LiteLLM, Rust" if rust else "LiteLLM"] = url
        uvloop.run(measure(direct, bare, gateways, peers, alone, given))
        if given.memory:
            uvloop.run(memory(gateways[""], alone[gateways[""]], given.memory))


if __name__ == "__main__":
    main()
