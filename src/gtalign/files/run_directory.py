"""Run directories: each holds its run's configuration, and only that configuration resumes it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from gtalign.config import Config, dump, load
from gtalign.errors import ConfigError, Terminated
from gtalign.files.replace import replacing, write_json

C = TypeVar("C", bound=Config)

MODEL: Final = "model.json"
"""How a run asks its model: the prompt, the ends of a turn, what is left out."""


def claim(out: Path, config: C, identity: Callable[[C], object] = lambda config: config) -> None:
    """Write ``config.toml``, or check that it is that of the run that began here.

    A run that has written nothing but its ``config.toml`` and ``model.json`` has not begun.

    Args:
        out: The run directory; it is made if need be.
        config: Configuration of the run.
        identity: The part of the configuration that must not change; by default all of it.

    Raises:
        ConfigError: A run of another configuration began here.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / "config.toml"
    first = {name + part for name in (file.name, MODEL) for part in ("", ".part")}
    begun = any(path.name not in first for path in out.iterdir())
    if begun and file.exists() and identity(load(type(config), file)) != identity(config):
        raise ConfigError(
            f"{file}: this run began with another configuration; choose another --out, or remove"
            " the folder"
        )
    with replacing(file) as beside:
        beside.write_text(dump(config), encoding="utf-8")


@contextmanager
def at_work(out: Path) -> Iterator[None]:
    """Keep other processes out of a run directory while this one writes into it.

    The lock goes with the process, however it ends. Where the file system has no locks, there is
    none. A process that is asked to end (SIGTERM) does so in order: what it has written resumes the
    run.

    Raises:
        ConfigError: Another process is at work there.
        Terminated: The process was asked to end.
    """
    lock = _lock(out)
    try:
        with heard(_end):
            yield
    finally:
        _unlock(lock)


@contextmanager
def heard(on_request: Callable[[], None]) -> Iterator[None]:
    """Call a function when the process is asked to end (SIGTERM).

    Only the main thread of a process hears it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: on_request())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end() -> None:
    raise Terminated("asked to end; the same command resumes the run")


def is_busy(out: Path) -> bool:
    """Whether a process is at work in a run directory."""
    try:
        lock = _lock(out)
    except ConfigError:
        return True
    _unlock(lock)
    return False


def _lock(out: Path) -> int | None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise ConfigError(
            f"{out}: another process is at work in this run; wait for it, or choose another --out"
        ) from None
    except OSError:  # a file system without locks
        os.close(folder)
        return None
    return folder


def _unlock(folder: int | None) -> None:
    if folder is not None:
        import fcntl

        fcntl.flock(folder, fcntl.LOCK_UN)  # also where a forked process still has it open
        os.close(folder)


def record_model(out: Path, facts: Mapping[str, Any]) -> None:
    """Write ``model.json``: how the run asks its model."""
    write_json(out / MODEL, facts)
