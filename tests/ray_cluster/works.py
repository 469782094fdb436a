"""Work for workers, which import it by name."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gtalign.errors import ConfigError, JudgeError


@asynccontextmanager
async def fragile(folder: Path) -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    async def work(item: int) -> int:
        mark = folder / f"{item}"
        if item == 3 and not mark.exists():  # dies once, in the middle of others
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if item == 7:
            os._exit(1)
        if item == 5:
            raise JudgeError(f"item {item}", "timeout")
        await asyncio.sleep(0)
        return item * item

    yield work


@asynccontextmanager
async def refusing() -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    raise ConfigError("no such tokenizer there")
    yield
