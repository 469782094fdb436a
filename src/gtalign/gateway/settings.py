"""The configuration of the gateway."""

from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from gtalign.config import Config, Share, visible
from gtalign.gateway.model_settings import ModelSettings, UpstreamSettings
from gtalign.gateway.oidc import OIDCSettings, safe_address
from gtalign.steering import SteeringSettings
from gtalign.steering.policy import PolicySource

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=0, le=65_535)]
ModelName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(visible)]
Currency = Annotated[str, Field(min_length=1, max_length=20), AfterValidator(visible)]
GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


def _stays(path: str) -> str:
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise ValueError("a path has no '.' or '..' between its slashes")
    return path


RootPath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$"), AfterValidator(_stays)]
PathPattern = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)+(/\*)?$"), AfterValidator(_stays)]
Show = Literal["response", "reasoning", "raw"]
"""What a client sees of a chain: the response, also the chain before it, or the whole text."""


def _address(host: str) -> str:
    if not host or any(c.isspace() for c in host):
        raise ValueError("an address to listen at has no spaces and is not empty")
    return host


Host = Annotated[str, AfterValidator(_address)]


class TimeoutSettings(Config):
    """How long to wait, in seconds.

    Keys:
        head: Seconds until the head of a request is complete.
        body: Seconds until the body of a request is complete.
        connect: Seconds until the model server accepts a connection, and until it answers a check.
        first: Seconds until the first byte of the model server's answer arrives.
        idle: Seconds between two pieces of an answer, and until the client reads more of it.
        total: Seconds until a whole answer is complete.
        keep_alive: Seconds without text after which a stream sends a comment.
        drain: Seconds that running answers get when the gateway shuts down.
        check: Seconds between two checks whether an engine is up.
    """

    head: Seconds = 10.0
    body: Seconds = 30.0
    connect: Seconds = 10.0
    first: Seconds = 120.0
    idle: Seconds = 60.0
    total: Seconds = 600.0
    keep_alive: Seconds = 10.0
    drain: Seconds = 60.0
    check: Seconds = 5.0


class LimitSettings(Config):
    """Limits of one request and of one key. A key can have its own values of the last three.

    Keys:
        head_bytes: Largest head of a request, in bytes.
        body_bytes: Largest body of a request, in bytes.
        upload_bytes: Largest body that is handed on to an engine while it comes, such as a
            recording, in bytes.
        max_tokens: Most tokens that a request may ask for.
        default_tokens: Longest steered answer, in tokens, to a request that asks for no number.
        choices: Largest number of answers to one request (``n``).
        total_concurrency: Largest number of requests that the gateway answers at once.
        concurrency: Largest number of requests of one key that the gateway answers at once.
        requests_per_minute: Largest number of requests of one key in a minute; no limit by
            default.
        tokens_per_minute: Largest number of tokens read and written for one key in a minute; no
            limit by default.
    """

    head_bytes: Annotated[int, Field(ge=1024)] = 32_768
    body_bytes: Annotated[int, Field(ge=1024)] = 4_194_304
    upload_bytes: Annotated[int, Field(ge=1024)] = 104_857_600
    max_tokens: Count = 131_072
    default_tokens: Count = 4096
    choices: Count = 8
    total_concurrency: Count = 512
    concurrency: Count = 128
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None

    @property
    def unnamed(self) -> int:
        """Most tokens of a steered answer to a request that asks for no number."""
        return min(self.default_tokens, self.max_tokens)


class AuditSettings(Config):
    """The record of decisions.

    Keys:
        database: SQLite file, or URL of a database with an asynchronous driver, such as
            ``postgresql+asyncpg://...``.
        when_down: What happens to requests while decisions cannot be written: ``fail`` refuses
            them (503); ``pass`` answers them unsteered and says so.
        texts: Whether prompts and answers are kept.
        text_days: Days after which kept texts are deleted.
        batch: Largest number of records in one transaction.
        busy_seconds: Seconds to wait for a locked database.
        watch_seconds: Seconds between two checks whether other processes on the database changed
            keys or policies.
    """

    database: str = "gtalign.db"
    when_down: Literal["fail", "pass"] = "fail"
    texts: bool = False
    text_days: Annotated[float, Field(gt=0)] = 30.0
    batch: Count = 512
    busy_seconds: Seconds = 5.0
    watch_seconds: Seconds = 2.0


class GroupSettings(Config):
    """A group of keys, whose requests have a policy in common.

    Keys:
        policy: Policy of requests that name none.
        others: Other policies that requests may name; ``*`` for all. By default none.
    """

    policy: str
    others: tuple[str, ...] = ()

    def allows(self, policy: str) -> bool:
        """Whether requests may name a policy."""
        return policy == self.policy or policy in self.others or "*" in self.others


class TelemetrySettings(Config):
    """Traces for OpenTelemetry.

    Keys:
        endpoint: Address of a collector that accepts OTLP over HTTP, such as
            ``http://127.0.0.1:4318``; no traces by default. The environment variable
            OTEL_EXPORTER_OTLP_HEADERS holds headers for the collector.
        service: Name of the gateway in traces.
    """

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")] | None = None
    service: Annotated[str, Field(min_length=1)] = "gtalign"


def _checked(origin: str) -> str:
    """Return an origin; raises ValueError if it is none."""
    parts = urlsplit(origin)
    known = parts.scheme in ("http", "https") and bool(parts.netloc) and parts.username is None
    if not known or f"{parts.scheme}://{parts.netloc}" != origin:
        raise ValueError("an origin is a scheme and a host, as in https://gateway.example")
    return origin


class DashboardSettings(Config):
    """The dashboard: web pages for the people who run the gateway.

    Keys:
        origin: Scheme and host that browsers show, such as ``https://gateway.example``. It is
            needed behind a proxy, where the gateway sees another host. With https, browsers send
            cookies only over https.
        currency: Unit of the prices in policies, such as ``USD``, shown beside amounts of money.
        hours: Hours after which a person has to sign in again.
        oidc: Sign-in with an identity provider; by default people sign in with keys alone. It
            needs ``origin``, to which the provider sends people back, and ``gtalign[oidc]``.
    """

    origin: str | None = None
    currency: Currency = "currency units"
    hours: Annotated[float, Field(gt=0, le=720)] = 12.0
    oidc: OIDCSettings | None = None

    @field_validator("origin")
    @classmethod
    def _is_an_origin(cls, origin: str | None) -> str | None:
        return None if origin is None else _checked(origin)

    @model_validator(mode="after")
    def _sends_people_back(self) -> Self:
        if self.oidc is not None:
            if self.origin is None:
                raise ValueError("oidc needs origin: where the provider sends people back to")
            safe_address(self.origin)
        return self


class AdminSettings(Config):
    """A port of its own for those who run the gateway.

    Keys:
        host: Address on which the gateway listens for them.
        port: Port on which it does; 0 takes a free one.
    """

    host: Host = "127.0.0.1"
    port: Port


class GatewayConfig(Config):
    """A gateway.

    Keys:
        upstream: The model and its engine, where there is one of each.
        models: The models by the names that clients call them, each with its engines. Give either
            this or ``upstream``.
        host: Address on which the gateway listens. Without keys, it must be a loopback address.
        port: Port on which the gateway listens; 0 takes a free one.
        workers: Processes that serve it, over one PostgreSQL.
        admin: A port of its own for the admin interface, the metrics and the dashboard, which
            clients then cannot reach at ``port``; by default they are at ``port``.
        proxies: Addresses and networks of reverse proxies. The gateway believes the headers
            X-Forwarded-For and X-Forwarded-Proto only if they come from these.
        root_path: Path under which a reverse proxy shows the gateway, such as ``/llm``. The
            proxy may cut it off or leave it on.
        cors: Sites whose pages may ask the gateway from a browser, such as
            ``https://app.example``; ``*`` for all. By default none may.
        passes: Further addresses of the engine whose requests are passed through and recorded;
            ``/*`` at the end stands for all below it. By default those that answer without keeping
            anything: embeddings, moderations, ranks, scores, speech, images, tokens, their number.
        policies: Policies that exist from the start: files, or names of built-in policies.
        default_policy: Policy of requests that name none; by default the first of ``policies``.
        groups: Groups of keys by name, each with its policy. A key names its group.
        dry_runs: Policies that are tried on live answers without being applied, each with the
            share of the answers. What they would have chosen is recorded.
        show: What clients see of a chain unless they ask for something else.
        log_prompts: Whether the messages of requests are written to the log.
        steering: How answers are steered.
        timeouts: How long the gateway waits.
        limits: Limits of requests and keys.
        audit: The record of decisions.
        dashboard: The web pages for the people who run the gateway.
        telemetry: Traces for OpenTelemetry.
    """

    upstream: UpstreamSettings | None = None
    models: dict[ModelName, ModelSettings] = Field(default_factory=dict)
    host: Host = "127.0.0.1"
    port: Port = 8400
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    admin: AdminSettings | None = None
    proxies: tuple[str, ...] = ()
    root_path: RootPath = ""
    cors: tuple[str, ...] = ()
    passes: tuple[PathPattern, ...] = (
        *("/v1/embeddings", "/v1/moderations", "/v1/rerank", "/v1/score", "/v1/audio/*"),
        *("/v1/images/*", "/v1/chat/completions/input_tokens", "/v1/responses/input_tokens"),
        *("/tokenize", "/detokenize"),
    )
    policies: Annotated[tuple[PolicySource, ...], Field(min_length=1)] = (
        "subscription",
        "per-token",
    )
    default_policy: str | None = None
    groups: dict[GroupName, GroupSettings] = Field(default_factory=dict)
    dry_runs: dict[str, Share] = Field(default_factory=dict)
    show: Show = "response"
    log_prompts: bool = False
    steering: SteeringSettings = SteeringSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    limits: LimitSettings = LimitSettings()
    audit: AuditSettings = AuditSettings()
    dashboard: DashboardSettings = DashboardSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ip_network(proxy)  # its ValueError says what is wrong, such as host bits of a network
        return proxies

    @field_validator("cors")
    @classmethod
    def _are_origins(cls, cors: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin if origin == "*" else _checked(origin) for origin in cors)

    @model_validator(mode="after")
    def _serves_something(self) -> Self:
        if (self.upstream is None) == (not self.models):
            raise ValueError(
                "give the models either as [upstream], one model with one engine, or as tables"
                " [models.NAME]"
            )
        return self

    @model_validator(mode="after")
    def _keeps_alive_in_time(self) -> Self:
        if self.timeouts.first > self.timeouts.total:
            raise ValueError("timeouts.first is longer than timeouts.total")
        return self
