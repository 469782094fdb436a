"""The configuration of the gateway."""

from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from gtalign.config import Config
from gtalign.steering import SteeringSettings

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1)]
Show = Literal["response", "reasoning", "raw"]
"""What a client sees of a chain: the response, also the chain before it, or the whole text."""


class UpstreamSettings(Config):
    """The model server that answers.

    Keys:
        address: Of its OpenAI-compatible interface, or a folder with a checkpoint, which is then
            served in this process. The key of a server is read from GTALIGN_UPSTREAM_KEY.
        model: Name of the model; None takes the first that the server lists, or for a checkpoint
            ``name``, or else the folder's.
        name: What clients call the model; None for the same name.
        tokenizer: Folder of a tokenizer whose chat template renders prompts for a server that
            continues plain text only.
        retries: How often a request is sent again that failed before its answer began.
    """

    address: str
    model: str | None = None
    name: str | None = None
    tokenizer: str | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 1


class TimeoutSettings(Config):
    """How long to wait, in seconds.

    Keys:
        head: For the head of a request.
        body: For the body of a request.
        connect: For a connection to the upstream.
        first: For the first byte of an answer of the upstream.
        idle: For more of an answer that has begun, and for a client to read on.
        total: For a whole answer.
        keep_alive: After so long without text, a stream carries a comment.
        drain: For running answers when the gateway shuts down.
    """

    head: Seconds = 10.0
    body: Seconds = 30.0
    connect: Seconds = 10.0
    first: Seconds = 120.0
    idle: Seconds = 60.0
    total: Seconds = 600.0
    keep_alive: Seconds = 10.0
    drain: Seconds = 60.0


class LimitSettings(Config):
    """What one request and one key may take; a key can have limits of its own for the last three.

    Keys:
        head_bytes: Most bytes of the head of a request.
        body_bytes: Most bytes of its body.
        max_tokens: Most tokens of one answer; also what a request gets that asks for no number.
        choices: Most answers to one request (``n``).
        total_concurrency: Most requests that are answered at once.
        concurrency: Most requests of one key that are answered at once.
        requests_per_minute: Requests of one key in a minute; None for no limit.
        tokens_per_minute: Tokens read and written for one key in a minute; None for no limit.
    """

    head_bytes: Annotated[int, Field(ge=1024)] = 32_768
    body_bytes: Annotated[int, Field(ge=1024)] = 4_194_304
    max_tokens: Count = 4096
    choices: Count = 8
    total_concurrency: Count = 512
    concurrency: Count = 128
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None


class AuditSettings(Config):
    """The record of decisions.

    Keys:
        database: A file of SQLite, or the URL of a database with an asynchronous driver, such as
            ``postgresql+asyncpg://...``.
        when_down: While decisions cannot be written, ``fail`` refuses requests (503), ``pass``
            answers them unsteered and says so.
        texts: Keep the prompts and answers.
        text_days: Days after which kept texts are deleted.
        batch: Most records of one transaction.
        busy_seconds: How long to wait for a database that is locked.
        watch_seconds: How often to look for changes that other processes on the database made to
            keys and policies.
    """

    database: str = "gtalign.db"
    when_down: Literal["fail", "pass"] = "fail"
    texts: bool = False
    text_days: Annotated[float, Field(gt=0)] = 30.0
    batch: Count = 512
    busy_seconds: Seconds = 5.0
    watch_seconds: Seconds = 2.0


class TelemetrySettings(Config):
    """Traces for OpenTelemetry.

    Keys:
        endpoint: Address of a collector that takes OTLP over HTTP, such as
            ``http://127.0.0.1:4318``; None for no traces. Headers that it wants are read from
            OTEL_EXPORTER_OTLP_HEADERS.
        service: Name of the gateway in traces.
    """

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")] | None = None
    service: Annotated[str, Field(min_length=1)] = "gtalign"


class DashboardSettings(Config):
    """The pages for people.

    Keys:
        origin: The scheme and host that browsers show, if the gateway sees another, as behind a
            proxy: ``https://gateway.example``. With https, cookies are for https alone.
        hours: After which a person has to sign in again.
    """

    origin: str | None = None
    hours: Annotated[float, Field(gt=0, le=720)] = 12.0

    @field_validator("origin")
    @classmethod
    def _is_an_origin(cls, origin: str | None) -> str | None:
        if origin is None:
            return None
        parts = urlsplit(origin)
        known = parts.scheme in ("http", "https") and bool(parts.netloc)
        if not known or f"{parts.scheme}://{parts.netloc}" != origin:
            raise ValueError("an origin is a scheme and a host, as in https://gateway.example")
        return origin


class GatewayConfig(Config):
    """A gateway.

    Keys:
        upstream: The model server.
        host: Address to listen at. Without a key it has to be one of loopback.
        port: Port to listen at; 0 takes a free one.
        proxies: Addresses and networks of reverse proxies, whose word on where a request came from
            (X-Forwarded-For, X-Forwarded-Proto) is taken, and nobody else's.
        policies: Policies that are there from the start: files, or names of those that ship.
        default_policy: The one in force where none is asked for; None for the first.
        show: What clients see of a chain unless they ask for something else.
        log_prompts: Write the messages of requests to the log.
        steering: How answers are steered.
        timeouts: How long to wait.
        limits: What requests may take.
        audit: The record of decisions.
        dashboard: The pages for people.
        telemetry: Traces.
    """

    upstream: UpstreamSettings
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8400
    proxies: tuple[str, ...] = ()
    policies: Annotated[tuple[str, ...], Field(min_length=1)] = ("subscription", "per-token")
    default_policy: str | None = None
    show: Show = "response"
    log_prompts: bool = False
    steering: SteeringSettings = SteeringSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    limits: LimitSettings = LimitSettings()
    audit: AuditSettings = AuditSettings()
    dashboard: DashboardSettings = DashboardSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @field_validator("host")
    @classmethod
    def _is_an_address(cls, host: str) -> str:
        if not host or any(c.isspace() for c in host):
            raise ValueError("an address to listen at has no spaces and is not empty")
        return host

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ip_network(proxy)  # its ValueError says what is wrong, such as host bits of a network
        return proxies

    @model_validator(mode="after")
    def _keeps_alive_in_time(self) -> Self:
        if self.timeouts.first > self.timeouts.total:
            raise ValueError("timeouts.first is longer than timeouts.total")
        return self
