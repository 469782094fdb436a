"""Traces of requests for OpenTelemetry, where an address is configured, without text of prompts.

A request is one span, with the attributes of the conventions for generative AI, and continues the
trace of its client. Its child spans are made after the answer, from times that the gateway measures
anyway, so the code of answers does no tracing. Without an address, OpenTelemetry is not imported.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers

from gtalign.errors import ConfigError, GTAlignError
from gtalign.gateway.errors import APIError, explained
from gtalign.gateway.settings import TelemetrySettings
from gtalign.steering.http.transport import TRACE

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

_QUEUE: Final = 2048  # spans that wait to be sent; later ones are dropped
_SECONDS: Final = 3  # that an export may take
_SILENCE: Final = 60.0  # seconds between two lines of log about exports that fail
_CARRIED: Final = ("traceparent", "tracestate")


class Trace:
    """The trace of one request; this one sends nothing."""

    def named(self, name: str) -> None:
        """Name the request."""

    def about(self, attributes: Mapping[str, Any]) -> None:
        """Say more of the request; what is None is left out."""

    def part(self, name: str, began: float, ended: float, **attributes: Any) -> None:
        """Tell of a part of it, between two readings of `perf_counter`."""


class Tracing:
    """Where traces go; this one goes nowhere.

    Attributes:
        on: Whether anything is traced.
    """

    on = False

    @contextmanager
    def request(self, operation: str, headers: Headers) -> Iterator[Trace]:
        """The trace of a request, which `current` returns meanwhile."""
        yield _NOBODY

    async def aclose(self) -> None:
        """Send what is left."""


_NOBODY: Final = Trace()
_CURRENT: ContextVar[Trace] = ContextVar("trace", default=_NOBODY)


def current() -> Trace:
    """The trace of the request that is being answered."""
    return _CURRENT.get()


def open_tracing(settings: TelemetrySettings) -> Tracing:
    """Begin to trace, if an address is configured.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    if settings.endpoint is None:
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"telemetry.endpoint: {error}; install gtalign with the extra 'otel'"
        ) from error
    provider = TracerProvider(
        resource=Resource.create({"service.name": settings.service}), shutdown_on_exit=False
    )
    address = settings.endpoint.rstrip("/").removesuffix("/v1/traces") + "/v1/traces"
    exporter = OTLPSpanExporter(endpoint=address, timeout=_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUE))
    return _Exported(provider)


class _Exported(Tracing):
    """Sends spans in a thread of its own, in batches."""

    on = True

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("gtalign")
        self._propagator = TraceContextTextMapPropagator()
        self._log = logging.getLogger("opentelemetry")
        self._before = self._log.handlers, self._log.propagate
        self._log.handlers, self._log.propagate = [_Seldom()], False

    @contextmanager
    def request(self, operation: str, headers: Headers) -> Iterator[Trace]:
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        carried = {name: headers[name] for name in _CARRIED if name in headers}
        span = self._tracer.start_span(
            operation,
            self._propagator.extract(carried),
            SpanKind.SERVER,
            {"gen_ai.operation.name": operation},
        )
        context = set_span_in_context(span)
        passed_on: dict[str, str] = {}
        self._propagator.inject(passed_on, context)
        trace, sent = _CURRENT.set(_Spans(self._tracer, span, context)), TRACE.set(passed_on)
        try:
            yield _CURRENT.get()
        except BaseException as error:
            kind: str | None = None
            if isinstance(error, APIError | GTAlignError | TimeoutError):
                kind = explained(error).code
            span.set_attribute("error.type", kind or type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            _CURRENT.reset(trace)
            TRACE.reset(sent)
            span.end()

    async def aclose(self) -> None:
        await asyncio.to_thread(self._provider.shutdown)
        self._log.handlers, self._log.propagate = self._before


class _Spans(Trace):
    """The span of a request, and those of its parts."""

    def __init__(self, tracer: Any, span: Any, context: Any) -> None:
        self._tracer = tracer
        self._span = span
        self._context = context
        self._zero = time.time_ns() - round(perf_counter() * 1e9)

    def named(self, name: str) -> None:
        self._span.update_name(name)

    def about(self, attributes: Mapping[str, Any]) -> None:
        self._span.set_attributes(_known(attributes))

    def part(self, name: str, began: float, ended: float, **attributes: Any) -> None:
        at, until = (self._zero + round(moment * 1e9) for moment in (began, ended))
        span = self._tracer.start_span(
            name, self._context, attributes=_known(attributes), start_time=at
        )
        span.end(until)


class _Seldom(logging.Handler):
    """Passes on what goes wrong with exports, one line a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = -_SILENCE

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now - self._last >= _SILENCE:
            self._last = now
            log.warning("telemetry: %s", record.getMessage())


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
