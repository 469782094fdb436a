"""Several processes of one gateway: the first one starts them, signals them and replaces them.

Each worker is a fork of the parent, which holds the sockets: connections that a killed worker has
not accepted go to the others. The parent alone heeds signals, and passes them on over a socket, so
that a terminal or a service manager that signals all processes gives no order twice. A worker whose
parent is gone reads the end of that socket, and ends gently.
"""

import logging
import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gtalign.errors import ConfigError
from gtalign.gateway.app import Part
from gtalign.gateway.listening import listening
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.store.processes import new_id
from gtalign.gateway.worker import END, READY, RENEW, Worker
from gtalign.models.names import is_url

log = logging.getLogger(__name__)

_ORDERS: Final = {signal.SIGINT: END, signal.SIGTERM: END, signal.SIGHUP: RENEW}
_HEEDED: Final = (*_ORDERS, signal.SIGCHLD)
_PAUSE: Final = 1.0  # seconds before a worker is started again that ended soon


def check_workers(config: GatewayConfig) -> None:
    """Refuse several workers where they could not keep limits together.

    Raises:
        ConfigError: The database is no PostgreSQL, the dashboard has no port of its own, or a model
            is in the process of the gateway.
    """
    if config.workers == 1:
        return
    if not config.audit.database.startswith("postgresql"):
        raise ConfigError(
            "workers: several processes keep limits and budgets together in PostgreSQL alone; give"
            " audit.database = 'postgresql+asyncpg://...', or leave workers at 1"
        )
    if config.admin is None:
        raise ConfigError(
            "workers: with several processes, the dashboard and the admin interface need a port of"
            " their own, which one process serves: give admin = {port = 8401}"
        )
    models = [config.upstream.long()] if config.upstream else config.models.values()
    for model in models:
        for engine in model.engines:
            if not is_url(engine.address):
                raise ConfigError(
                    f"workers: each process would load {engine.address} for itself; serve it with a"
                    " model server, or leave workers at 1"
                )


@dataclass
class _Child:
    """A worker, as its parent sees it."""

    number: int
    pid: int
    process: str
    orders: socket.socket
    began: float = field(default_factory=time.monotonic)
    ready: bool = False


class Workers:
    """The workers of a gateway, in their parent.

    Args:
        config: Configuration of the gateway.

    Attributes:
        code: Exit code of the program, once all have ended.

    Raises:
        ConfigError: An address cannot be listened at.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self.code = 0
        self._sockets: dict[Part, socket.socket] = {"clients": listening(config)}
        if config.admin is not None:
            self._sockets["admin"] = listening(config.admin)
        self._folder = Path(tempfile.mkdtemp(prefix="gtalign-"))
        self._others = list(range(1, config.workers))  # started once the first is ready
        self._due: dict[int, float] = {0: 0.0}  # workers to start, and when
        self._children: dict[int, _Child] = {}  # by number of the process
        self._killed: list[str] = []
        self._up = self._ending = False
        self._at_terminal = os.isatty(0)
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = socket.socketpair()

    def run(self) -> Worker | None:
        """Start the workers and look after them; returns in each worker, and at last here: None."""
        self._heed_signals()
        worker = self._start_next()
        while worker is None and (self._children or self._due):
            self._wait()
            worker = self._start_next()
        if worker is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        return worker

    def _heed_signals(self) -> None:
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake.fileno())
        for number in _HEEDED:
            signal.signal(number, lambda number, frame: None)

    def _start_next(self) -> Worker | None:
        """Start the next worker that is due; returns it in its own process."""
        number = next((n for n, at in self._due.items() if at <= time.monotonic()), None)
        if number is None:
            return None
        del self._due[number]
        ours, theirs = socket.socketpair()
        process, killed, first = new_id(), tuple(self._killed), not self._up
        self._killed.clear()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
            theirs.close()
            self._children[pid] = _Child(number, pid, process, ours)
            self._selector.register(ours, selectors.EVENT_READ, self._children[pid])
            return None
        signal.set_wakeup_fd(-1)
        for heeded in _HEEDED:
            signal.signal(heeded, signal.SIG_IGN if heeded in _ORDERS else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
        self._selector.close()
        for end in (ours, self._woken, self._wake, *(c.orders for c in self._children.values())):
            end.close()  # or nobody would read that the parent is gone
        return Worker(number, first, process, killed, theirs, self._sockets, self._folder)

    def _wait(self) -> None:
        """Wait for a signal, a word of a worker or the time to start one, and deal with it."""
        now = time.monotonic()
        left = min((max(0.0, at - now) for at in self._due.values()), default=None)
        for key, _ in self._selector.select(left):
            if key.data is None:
                self._signalled()
            else:
                self._told(key.data)

    def _signalled(self) -> None:
        with suppress(BlockingIOError):
            for number in self._woken.recv(64):
                if number == signal.SIGCHLD:
                    self._bury()
                else:
                    self._order(_ORDERS[signal.Signals(number)])

    def _order(self, order: bytes) -> None:
        if order == RENEW and self._at_terminal and not os.isatty(0):
            order = END  # the terminal was closed, which sends the same signal
        if order == END:
            self._ending = True
            self._due.clear()
        for child in self._children.values():
            with suppress(OSError):  # it has ended
                child.orders.send(order)

    def _told(self, child: _Child) -> None:
        word = b""
        with suppress(OSError):
            word = child.orders.recv(1)
        if word != READY:  # it is about to end
            self._selector.unregister(child.orders)
            return
        child.ready = True
        if not self._up and not self._ending:
            self._up = True
            self._due |= dict.fromkeys(self._others, 0.0)

    def _bury(self) -> None:
        """Look which workers have ended."""
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: _Child, code: int) -> None:
        del self._children[child.pid]
        with suppress(KeyError):
            self._selector.unregister(child.orders)
        child.orders.close()
        self._killed.append(child.process)
        with suppress(FileNotFoundError):
            (self._folder / f"{child.process}.json").rename(self._folder / f"{child.process}.ended")
        if self._ending or not self._up:  # the first says itself why it cannot begin
            self._ending = True
            self.code = self.code or (code if code >= 0 else 1)
            return
        lived = time.monotonic() - child.began
        again = _PAUSE if lived < _PAUSE or not child.ready else 0.0
        how = f"by signal {-code}" if code < 0 else f"with {code}"
        told = "worker %d (process %d) has ended %s; it is started again"
        log.error(told, child.number, child.pid, how)
        self._due[child.number] = time.monotonic() + again
