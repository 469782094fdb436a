"""A gateway in a process of its own, which tests end as they like.

    python gateway_process.py FOLDER [UPSTREAM]

On SIGUSR1 it prints how many tasks and open files it has.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from gateway_parts import config_of, scripted
from gtalign.gateway.served import Models
from gtalign.gateway.server import run, serve
from gtalign.gateway.telemetry.logs import log_to
from gtalign.gateway.upstream import Upstream


def tell() -> None:
    held = {"tasks": len(asyncio.all_tasks()), "files": len(os.listdir("/proc/self/fd"))}
    print(json.dumps(held), flush=True)


async def main(folder: Path, address: str = "none") -> None:
    log_to(level=40)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
    config = config_of(folder, address)
    if address == "none":
        models = Models.of_one(Upstream(scripted(size=8), "toy", "toy-1"))
    else:
        models = Models.of(config)
        await models.open()
    await serve(config, models, lambda gateway, address: print(address, flush=True))


if __name__ == "__main__":
    run(main(Path(sys.argv[1]), *sys.argv[2:]))
