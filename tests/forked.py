"""Processes for tests that kill, starve and interrupt commands, without their seconds of imports.

Importing the trainers takes longer than what most of these tests do. One server process imports
them, and each process is a fork of it: a process of its own in every other respect.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
import textwrap
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import CompletedProcess
from typing import BinaryIO, Final

from gtalign.lab import schedule

COMMAND: Final = "import sys; from gtalign.cli import main; sys.exit(main(sys.argv[1:]))"
"""The script that the console script is."""

TESTS: Final = str(Path(__file__).parent)
_IMPORTED: Final = [
    "gtalign.training.rl",
    "gtalign.training.sft",
    "gtalign.lab.experiment",
    "gtalign.gateway.server",
    "openai",
]
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_STARTED: Final[list["Forked"]] = []


def end_all() -> None:
    """Kill the processes that still run: what a test that failed has left."""
    while _STARTED:
        _STARTED.pop().kill()


class Forked:
    """A process that runs a script; it is read and ended like one of `asyncio.subprocess`.

    Args:
        script: Python, run as the main module, with the tests importable.
        args: Its arguments.
        env: Variables that differ from those of this process.
    """

    def __init__(self, script: str, *args: object, env: Mapping[str, str] | None = None) -> None:
        _CONTEXT.set_forkserver_preload(_IMPORTED)
        self._out, out = _pipe()
        self._err, err = _pipe()
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **(env or {})}
        arguments = [str(arg) for arg in args]
        self._process = _CONTEXT.Process(
            target=_run, args=(textwrap.dedent(script), arguments, variables, out, err)
        )
        self._process.start()
        _STARTED.append(self)
        out.close()
        err.close()

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """End it at once, if it still runs, and close its pipes."""
        if self.returncode is None:
            self._process.kill()
            self.finish()

    async def readline(self, *, error: bool = False) -> str:
        """The next line that it writes, to standard error if asked so; empty at the end."""
        file = self._err if error else self._out
        try:
            return (await asyncio.to_thread(file.readline)).decode()
        except ValueError:  # `kill` has read the rest and closed the file meanwhile
            return ""

    async def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        await self.communicate()
        code = self.returncode
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def finish(self) -> CompletedProcess[str]:
        """Wait for its end; returns what it wrote."""
        with ThreadPoolExecutor(2) as pool:
            out, err = pool.map(_all, (self._out, self._err))
        self._process.join()
        code = self._process.exitcode
        assert code is not None
        return CompletedProcess([], code, out.decode(), err.decode())

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for its end; returns what it wrote."""
        done = await asyncio.to_thread(self.finish)
        return done.stdout.encode(), done.stderr.encode()


def run_forked(
    script: str, *args: object, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run a Python script in a forked process, on one thread, with the tests importable."""
    return Forked(script, *args, env=env).finish()


def _run(
    script: str, args: list[str], variables: dict[str, str], out: Connection, err: Connection
) -> None:
    gc.freeze()  # to look at what was imported takes half a second, and copies all of it
    os.environ.clear()
    os.environ.update(variables)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    out.close()
    err.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["-c", *args]
    sys.path.insert(0, TESTS)
    schedule.START_METHOD = "fork"  # workers need not import everything again either
    exec(compile(script, "script", "exec"), {"__name__": "__main__"})


def _pipe() -> tuple[BinaryIO, Connection]:
    """A pipe: a file to read, and the end that another process writes."""
    reader, writer = _CONTEXT.Pipe(duplex=False)
    with reader:
        return os.fdopen(os.dup(reader.fileno()), "rb"), writer


def _all(file: BinaryIO) -> bytes:
    """Everything that is written to a pipe until its last writer is gone."""
    with file:
        return file.read()
