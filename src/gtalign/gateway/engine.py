"""One engine of a model and its state: opened when it is there, checked from then on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gtalign.errors import ConfigError, SteeringError, UnreachableError, UpstreamError
from gtalign.gateway.errors import first_cause, unquoted
from gtalign.gateway.model_settings import EngineSettings
from gtalign.gateway.upstream import Upstream
from gtalign.models.names import is_url

log = logging.getLogger(__name__)

_NOT_TRIED: Final = "it has not answered yet"


class Engine:
    """One engine of a model.

    A check is one small request. Between two checks, a request that cannot reach the engine marks
    it as down.

    Args:
        settings: Its settings.
        label: The model and the engine, for logs.
        open: Connects to it, or loads it.
        place: What it is opened by; engines with the same are one.

    Attributes:
        upstream: The open engine; None until it has answered for the first time.
        problem: Why it is down; None while it is up.
        running: Number of answers that it is writing.
        taken: Number of answers that it was asked for.
        failures: Number of these that failed.
    """

    def __init__(
        self,
        settings: EngineSettings,
        label: str,
        open: Callable[[], Awaitable[Upstream]],
        place: object = None,
    ) -> None:
        self.place = place
        self.settings = settings
        self.upstream: Upstream | None = None
        self.problem: str | None = _NOT_TRIED
        self.running = self.taken = self.failures = 0
        self._label = label
        self._open = open
        self._tried = asyncio.Event()
        self._wrong: Exception | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Its name in metrics and in ``/readyz``."""
        return self.settings.name or self.settings.address

    @property
    def is_server(self) -> bool:
        """Whether it is a server, to which requests can be passed."""
        return is_url(self.settings.address)

    async def tried(self, seconds: float) -> None:
        """Wait until it was tried for the first time, but not longer than so many seconds.

        Raises:
            ConfigError: There is no such engine, whether it is up or not.
            SteeringError: It is there, and cannot be steered.
        """
        try:
            await asyncio.wait_for(self._tried.wait(), seconds)
        except TimeoutError:
            log.warning("%s: no answer after %g s; requests may come", self._label, seconds)
        if self._wrong is not None:
            raise self._wrong

    def keep(self, seconds: float) -> None:
        """Open it, and check it every so many seconds from now on."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(seconds))

    async def _keep(self, seconds: float) -> None:
        while True:
            try:
                await self._look()
            except UpstreamError as error:
                self._down(unquoted(error))
            except (ConfigError, SteeringError) as error:
                self._wrong = error
                self._down(str(error))
            except Exception as error:  # whatever it is, the next look comes
                self._wrong = error
                self._down(repr(error))
            else:
                self._up()
            self._tried.set()
            if not self.is_server and self.upstream is not None:
                return
            await asyncio.sleep(seconds)

    def failed(self, error: UpstreamError) -> None:
        """Note an answer that failed; of an engine that is not there, that it is down."""
        self.failures += 1
        if isinstance(first_cause(error), UnreachableError):
            self._down(unquoted(error))

    async def aclose(self) -> None:
        """Close connections and end threads, and check it no longer."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self.upstream is not None:
            await self.upstream.aclose()

    async def _look(self) -> None:
        if self.upstream is None:
            self.upstream = await self._open()
        elif self.upstream.proxy is not None and not (self.upstream.interrupts and self.running):
            await self.upstream.proxy.check()  # which could break off what it is writing

    def _down(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("%s is down: %s", self._label, problem)
        self.problem = problem

    def _up(self) -> None:
        if self.problem is not None:
            log.info("%s is up", self._label)
        self.problem = None


def opened_engine(upstream: Upstream) -> Engine:
    """An engine that was opened elsewhere and is not checked."""

    async def open() -> Upstream:
        return upstream

    engine = Engine(EngineSettings(address=upstream.backend.name, name="1"), upstream.name, open)
    engine.upstream, engine.problem = upstream, None
    return engine
