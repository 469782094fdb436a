"""2,000 mixed requests through a rolling restart and a killed process, each accounted for."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import func, select

from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.tables import decisions
from scale_parts import account, ask_all, configuration
from standins.engines import VLLM
from standins.server import serving

NGINX = Path(__file__).parents[2] / "deploy" / "compose" / "nginx.conf"
COUNT = int(os.environ.get("GTALIGN_SCALE", 0))
AT_ONCE = 16


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class Gateway:
    """A gateway at a port of its own, as `gtalign serve` starts it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        log = self.file.with_suffix(f".{self.starts}.log")
        with log.open("w") as output:
            command = (sys.executable, "-m", "gtalign", "serve", "--config", str(self.file))
            self.process = subprocess.Popen(command, stderr=output)
        while "dashboard at" not in log.read_text():
            assert self.process.poll() is None, log.read_text()
            await asyncio.sleep(0.1)

    async def end(self, sent: signal.Signals) -> int:
        self.process.send_signal(sent)
        return await asyncio.to_thread(self.process.wait)


@asynccontextmanager
async def nginx(folder: Path, ports: list[int]) -> AsyncGenerator[str, None]:
    """nginx as the compose file has it, before gateways on this machine; yields its address."""
    port, text = free_port(), NGINX.read_text()
    for number, behind in enumerate(ports, 1):
        text = text.replace(f"gateway-{number}:8400", f"127.0.0.1:{behind}")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{text}}}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, (folder / "error.log").read_text()
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def test_no_request_is_lost_in_a_rolling_restart(database: str, tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    async with serving(VLLM()) as upstream, nginx(tmp_path, ports) as address:
        gateways = [Gateway(configuration(tmp_path, upstream, database, port=p)) for p in ports]
        await asyncio.gather(*(gateway.start() for gateway in gateways))
        rolling: list[asyncio.Task[None]] = []

        async def roll() -> None:
            for gateway in gateways:
                assert await gateway.end(signal.SIGTERM) == 0
                await gateway.start()

        async def kill() -> None:
            await gateways[0].end(signal.SIGKILL)
            await gateways[0].start()

        async def event(number: int) -> None:
            if number == COUNT // 5:
                rolling.append(asyncio.create_task(roll()))
            if number >= 4 * COUNT // 5:
                await asyncio.gather(*rolling)  # all that is begun from here on is killed at most
            if number == 4 * COUNT // 5 + 2 * AT_ONCE:
                rolling.append(asyncio.create_task(kill()))

        ends = await ask_all(address, COUNT, AT_ONCE, event)
        await asyncio.gather(*rolling)
        await buried(database)
        for gateway in gateways:
            assert await gateway.end(signal.SIGTERM) == 0
    told = await account(database, ends, sent_again=True)
    print(f"\n{COUNT} requests: " + "; ".join(f"{n} x {how}" for how, n in told.most_common()))
    broken = [int(id_[1:]) for id_, end in ends.items() if end == "broken"]
    assert set(ends.values()) <= {"200", "broken"}
    assert all(number >= 4 * COUNT // 5 for number in broken)  # a restart loses nothing
    assert len(broken) <= AT_ONCE  # streams that the killed process had begun to send
    assert [gateway.starts for gateway in gateways] == [3, 2]


async def buried(database: str) -> None:
    """Wait until no answer is being written: the others have dealt with the killed process."""
    engine = await open_store(AuditSettings(database=database))
    writing = select(func.count()).where(decisions.c.status == "writing")
    left = 1
    while left:
        async with engine.connect() as connection:
            left = (await connection.execute(writing)).scalar() or 0
        await asyncio.sleep(0.2)
    await engine.dispose()
