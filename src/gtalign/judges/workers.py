"""Processes that compare mathematical answers and can be killed: a hang costs one item."""

import json
import os
import queue
import select
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any, Final

from gtalign.errors import JudgeError

PROGRAM: Final = Path(__file__).with_name("math_worker.py")
"""The command of a worker."""

_START_SECONDS: Final = 120.0  # sympy can take long to import on a busy machine


class WorkerDied(Exception):
    """A worker was killed or died over an item; says why. A signal (see `gtalign.errors`)."""


class Worker:
    """One process, started on first use and again after each death.

    Args:
        command: The command to run; the worker of this package by default.
    """

    def __init__(self, command: tuple[str, ...] | None = None) -> None:
        # -P: the folder of the file is no place to import from.
        self._command = command or (sys.executable, "-P", str(PROGRAM))
        self._process: subprocess.Popen[bytes] | None = None
        self._stop: weakref.finalize[Any, Any] | None = None

    def ask(self, item: dict[str, Any], seconds: float) -> dict[str, str]:
        """Return the worker's result on an item. Blocks.

        Args:
            item: The item, JSON-serialisable.
            seconds: Longest time for the item; then the worker is killed.

        Raises:
            WorkerDied: The worker took too long and was killed, or died.
            JudgeError: The worker cannot be started.
        """
        process = self._running()
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({**item, "seconds": seconds}).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            self.kill()
            raise WorkerDied("the process was gone") from None
        return self._read(process, seconds)

    def kill(self) -> None:
        """End the process; the next item starts another."""
        if self._stop is not None:
            self._stop()
        self._process, self._stop = None, None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
            self._process = process
            self._stop = weakref.finalize(self, _end, process)
            try:
                self._read(process, _START_SECONDS)
            except WorkerDied as error:
                raise JudgeError(
                    f"judge 'mathematics': its worker cannot be started: {error};"
                    " is math-verify installed (the extra 'judge')?",
                    "worker",
                ) from error
        return self._process

    def _read(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, str]:
        """Return the next line as a result; any other output ends the process."""
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        deadline = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                self.kill()
                raise WorkerDied(f"no result within {seconds:g} s")
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                status = process.wait()
                self.kill()
                ended = f"signal {-status}" if status < 0 else f"status {status}"
                raise WorkerDied(f"the process ended with {ended}")
            line += chunk
        result: dict[str, str] = json.loads(line)
        return result


class Workers:
    """A fixed number of workers, each for one item at a time.

    Args:
        count: Number of workers.
        command: The command of each; the worker of this package by default.
    """

    def __init__(self, count: int, command: tuple[str, ...] | None = None) -> None:
        self._all = [Worker(command) for _ in range(count)]
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()  # a started one first
        for worker in self._all:
            self._idle.put(worker)

    def ask(self, item: dict[str, Any], seconds: float) -> dict[str, str]:
        """Return an idle worker's result; waits for one. See `Worker.ask`."""
        worker = self._idle.get()
        try:
            return worker.ask(item, seconds)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all processes, each after its item. The next item starts a new one."""
        idle = [self._idle.get() for _ in self._all]
        for worker in idle:
            worker.kill()
            self._idle.put(worker)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
