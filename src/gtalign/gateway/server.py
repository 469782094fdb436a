"""Serve the application with uvicorn, with limits on connections and request heads."""

import asyncio
import gc
import logging
import os
import re
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from time import monotonic
from types import FrameType
from typing import Any, Final

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gtalign.errors import ConfigError
from gtalign.gateway.app import Part, make_app
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway, ended, opened
from gtalign.gateway.reload import reload
from gtalign.gateway.served import Models
from gtalign.gateway.settings import AdminSettings, GatewayConfig
from gtalign.gateway.telemetry.together import keep_leaving
from gtalign.gateway.worker import END, RENEW, Worker

log = logging.getLogger(__name__)

_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |\Z)")
_PIPELINED: Final = 16  # requests that wait behind one on the same connection
_BACKLOG: Final = 2048  # connections that wait until a worker accepts them
_IDLE: Final = 75  # seconds that a connection is kept without a request


def guarded(head_bytes: int, seconds: float) -> type[asyncio.Protocol]:
    """A protocol that ends connections whose next request has no head within limits.

    Args:
        head_bytes: Most bytes of a head.
        seconds: That it may take from its first byte on, or from the connection on.
    """

    class Guarded(HttpToolsProtocol):
        """Counts the bytes of a head and the seconds that it takes."""

        _in_head = True
        _refused = False
        _pending = 0  # bytes of a head that is not complete
        _begin = b""  # of the head, if its first bytes have just come
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            if self._pending > head_bytes or len(self.pipeline) > _PIPELINED:
                self._refuse()
                return
            if self._refused:
                return
            self._begin = data if self._pending == 0 else b""
            self._pending += len(data)
            super().data_received(data)
            if self._in_head and self._pending and self._timer is None:
                self._wait()  # the rest of a head is on its way

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._stop()
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if self._refused or size + len(self.url) > head_bytes:
                self._refuse()
                return
            for name, value in self.headers:
                if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                    why = "of the transfer codings, chunked alone is known; say Content-Encoding"
                    self._refuse(501, why, "unknown_transfer")
                    return
            super().on_headers_complete()
            if self.scope["http_version"] == "1.0":
                _without_chunks(self.cycle)

        def on_body(self, body: bytes) -> None:
            self._pending = 0  # what grows without more of a body is lines behind it
            if not self._refused:
                super().on_body(body)

        def on_message_complete(self) -> None:
            self._in_head = True
            self._stop()
            if not self._refused:
                super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            if _METHOD.match(self._begin) and not self.headers and not self.url:
                self._answer(501, "no address takes this method", "unknown_method")
            else:
                self._answer(400, "this is not HTTP as it has to be", "not_http")

        def _refuse(
            self,
            status: int = 431,
            why: str = f"the head may have {head_bytes} bytes at most",
            code: str = "too_large",
        ) -> None:
            """Refuse a head, by default as too large, unless an answer is on its way."""
            self._stop()
            if self._refused:
                return
            self._refused = True
            if self.cycle is None or self.cycle.response_complete:
                self._answer(status, why, code)
            self.transport.close()

        def _answer(self, status: int, message: str, code: str) -> None:
            body = APIError(status, message, code=code).body()
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%b"
                % (status, HTTPStatus(status).phrase.encode(), len(body), body)
            )
            self.transport.close()

        def on_response_complete(self) -> None:
            waiting = bool(self.pipeline)
            super().on_response_complete()
            if not self._in_head and not waiting:  # a body that nobody reads comes on
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._timer = self.loop.call_later(seconds, self._late)

        def _late(self) -> None:
            self._timer = None
            self.transport.close()

        def _stop(self) -> None:
            self._pending = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Guarded


def _without_chunks(cycle: RequestResponseCycle) -> None:
    """Let a body of unknown length end with its connection: HTTP/1.0 knows no chunks."""
    send, ends = cycle.send, False

    async def plain(message: Any) -> None:
        nonlocal ends
        if message["type"] == "http.response.start":
            ends = all(name.lower() != b"content-length" for name, _ in message["headers"])
            if ends:
                cycle.chunked_encoding = False
        elif ends:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = plain  # type: ignore[method-assign]


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
            raise _no_listening(config) from error
        finally:
            for task in leaving:
                await ended(task)


def check_address(config: GatewayConfig) -> None:
    """Refuse an address at which nobody can listen.

    Raises:
        ConfigError: The port is in use, or the address is not one of this machine.
    """
    for wanted in (config, config.admin):
        if wanted is None:
            continue
        try:
            places = socket.getaddrinfo(wanted.host, wanted.port, type=socket.SOCK_STREAM)
            for family, kind, protocol, _, place in places:
                with socket.socket(family, kind, protocol) as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(place)
        except OSError as error:
            raise _no_listening(wanted) from error


def listening(place: GatewayConfig | AdminSettings) -> socket.socket:
    """A socket that listens at an address, for several processes.

    Raises:
        ConfigError: The port is in use, or the address is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        family, _, _, _, where = found
        return socket.create_server(where[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _no_listening(place) from error


def _no_listening(config: GatewayConfig | AdminSettings) -> ConfigError:
    keys = "admin.host, admin.port" if isinstance(config, AdminSettings) else "host, port"
    return ConfigError(f"{keys}: cannot listen on {config.host}:{config.port}; is the port in use?")


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
