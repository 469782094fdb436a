"""Serve the application with uvicorn, alone or as one of several workers."""

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from types import FrameType
from typing import Any, Final

import uvicorn
import uvloop

from gtalign.gateway.app import Part, make_app
from gtalign.gateway.connection import guarded
from gtalign.gateway.gateway import Gateway, ended, opened
from gtalign.gateway.listening import check_address, no_listening
from gtalign.gateway.reload import reload
from gtalign.gateway.served import Models
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.telemetry.together import keep_leaving
from gtalign.gateway.worker import END, RENEW, Worker

log = logging.getLogger(__name__)

_IDLE: Final = 75  # seconds that a connection is kept without a request


class Server(uvicorn.Server):
    """A server that tells when it listens, and the gateway when it ends.

    Args:
        config: Configuration of uvicorn.
        gateway: Gateway that is marked as draining.
        ready: Called with the address once requests are taken.
        read: Reads the configuration again when the process gets SIGHUP; None leaves that signal.
        orders: Where a worker reads orders, which it gets in the place of signals; else None.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        gateway: Gateway,
        ready: Callable[[str], None],
        read: Callable[[], GatewayConfig] | None = None,
        orders: socket.socket | None = None,
    ) -> None:
        super().__init__(config)
        self._orders = orders
        self._gateway = gateway
        self._ready = ready
        self._read = read
        self._at_terminal = os.isatty(0)
        self._until: float | None = None  # when answers on their way are broken off
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take the signals that ask a process to end, and end by returning.

        uvicorn raises them again once it has shut down, which ends the process before what is left
        to be recorded is written.
        """
        loop = asyncio.get_running_loop()
        if self._orders is not None:
            loop.add_reader(self._orders.fileno(), self._ordered, self._orders)
            try:
                yield
            finally:
                loop.remove_reader(self._orders.fileno())
            return
        taken = [signal.SIGINT, signal.SIGTERM]
        for sent in taken:
            loop.add_signal_handler(sent, self.handle_exit, sent, None)
        if self._read is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reload, self._read)
            taken.append(signal.SIGHUP)
        try:
            yield
        finally:
            for sent in taken:
                loop.remove_signal_handler(sent)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Let in no more requests for answers, and end when those on their way are out.

        Until then the gateway listens, so that it can refuse requests and say that it is not ready.
        A second signal breaks them off.
        """
        drain = 0.0 if self._gateway.draining else self._gateway.config.timeouts.drain
        self._gateway.draining = self._gateway.limits.draining = True
        self._until = monotonic() + drain

    async def on_tick(self, counter: int) -> bool:
        """Look whether to end; uvicorn calls this ten times a second."""
        if self._until is not None:
            over = monotonic() >= self._until
            self.should_exit = self.should_exit or over or not self._gateway.limits.running
        return await super().on_tick(counter)

    def _ordered(self, orders: socket.socket) -> None:
        """Do what the parent says; if it is gone, end."""
        order = orders.recv(1)
        if order == RENEW and self._read is not None:
            self._reload(self._read)
        elif order in (END, b""):
            self.handle_exit(signal.SIGTERM, None)
        if not order:
            asyncio.get_running_loop().remove_reader(orders.fileno())

    def _reload(self, read: Callable[[], GatewayConfig]) -> None:
        if self._at_terminal and not os.isatty(0):  # it was closed, which sends the same signal
            self.handle_exit(signal.SIGHUP, None)
            return

        async def work() -> None:
            async with self._reloading:
                await reload(self._gateway, read)

        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, and let those on their way end."""
        self._gateway.draining = True
        if self._until is not None:
            left = self._until - monotonic()
            self.config.timeout_graceful_shutdown = max(1, round(left))
        for task in self._tasks:
            task.cancel()
        await super().shutdown(sockets)


def server_of(
    gateway: Gateway,
    ready: Callable[[str], None],
    read: Callable[[], GatewayConfig] | None = None,
    part: Part = "all",
    orders: socket.socket | None = None,
) -> Server:
    """The server of an open gateway, or of a part of it.

    Raises:
        ConfigError: Its address cannot be listened at.
    """
    config, timeouts = gateway.config, gateway.config.timeouts
    place = config.admin if part == "admin" and config.admin is not None else config
    settings: dict[str, Any] = {
        "host": place.host,
        "port": place.port,
        "http": guarded(config.limits.head_bytes, timeouts.head),
        "loop": "none",
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "proxy_headers": bool(config.proxies),
        "forwarded_allow_ips": list(config.proxies),
        "timeout_keep_alive": _IDLE,
        "timeout_graceful_shutdown": max(1, round(timeouts.drain)),
    }
    app = make_app(gateway, part)
    return Server(uvicorn.Config(app, **settings), gateway, ready, read, orders)


async def serve(
    config: GatewayConfig,
    models: Models,
    ready: Callable[[Gateway, str], None] = lambda gateway, address: None,
    read: Callable[[], GatewayConfig] | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve until a signal ends the process; every record is written by then.

    Args:
        config: Configuration of the gateway.
        models: Its models, open; closed at the end.
        ready: Called with the open gateway and its address once requests are taken.
        read: Reads the configuration again when the process gets SIGHUP; None leaves that signal.
        worker: What this process is of several; None if it is the only one.

    Raises:
        ConfigError: The configuration is wrong, or the address cannot be listened at.
    """
    if config.admin is not None and worker is None:
        check_address(config)
    process, killed = (None, ()) if worker is None else (worker.process, worker.killed)
    async with (
        opened(config, models, process=process, killed=killed) as gateway,
        _beside(gateway, worker) as part,
    ):
        leaving: list[asyncio.Task[None]] = []
        if worker is not None:
            gateway.beside = worker.others
            leaving.append(asyncio.create_task(keep_leaving(gateway.measured, worker.file)))

        def begun(address: str) -> None:
            gateway.pages = gateway.pages or address
            ready(gateway, address)
            if worker is not None:
                worker.ready()

        server = server_of(gateway, begun, read, part, None if worker is None else worker.orders)
        # What is in memory by now stays: looking through it for garbage would only halt answers.
        gc.collect()
        gc.freeze()
        try:
            await server.serve(None if worker is None else [worker.sockets["clients"]])
        except SystemExit as error:  # how uvicorn says that it cannot listen
            raise no_listening(config) from error
        finally:
            for task in leaving:
                await ended(task)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a program that serves on uvloop, which takes half the time of asyncio's own loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncGenerator[str, None]:
    """Serve an open gateway inside a running program; yields its address."""
    async with _beside(gateway) as part, _listening(gateway, part) as address:
        gateway.pages = gateway.pages or address
        yield address


@asynccontextmanager
async def _beside(gateway: Gateway, worker: Worker | None = None) -> AsyncGenerator[Part, None]:
    """Serve the admin part meanwhile if it has a port of its own; yields the part that is left.

    Of several workers, one alone serves it: it knows the numbers of the others a second later, and
    counters would seem to fall if another one answered.
    """
    if gateway.config.admin is None:
        yield "all"
        return
    sockets = None
    if worker is not None:
        sockets = [worker.sockets["admin"]]
        if worker.number:
            sockets[0].close()
            yield "clients"
            return
    async with _listening(gateway, "admin", sockets) as gateway.pages:
        yield "clients"


@asynccontextmanager
async def _listening(
    gateway: Gateway, part: Part, sockets: list[socket.socket] | None = None
) -> AsyncGenerator[str, None]:
    """Serve a part of a gateway inside a running program; yields its address."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = server_of(gateway, address.set_result, part=part)
    task = asyncio.create_task(server._serve(sockets))
    try:
        await asyncio.wait((task, address), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield address.result()
    finally:
        server.should_exit = True
        await task
