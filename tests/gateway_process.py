"""A gateway in a process of its own, which tests end as they like."""

import asyncio
import sys
from pathlib import Path

from gateway_parts import config_of, scripted
from gtalign.gateway.logs import log_to
from gtalign.gateway.server import serve
from gtalign.gateway.upstream import Upstream


async def main(folder: Path) -> None:
    log_to(level=40)
    upstream = Upstream(scripted(size=8), "toy", "toy-1")
    await serve(config_of(folder), upstream, lambda gateway, address: print(address, flush=True))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
