"""The parts of a gateway that its endpoints share."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast, get_args

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers

from gtalign.errors import ConfigError, StorageError
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.attempts import Attempts
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import ANYONE, Key, Keys, KeyScope, lacking
from gtalign.gateway.limits import Limits
from gtalign.gateway.loopback import check_local, is_loopback
from gtalign.gateway.policies import Policies
from gtalign.gateway.presence import keep_present
from gtalign.gateway.served import Models
from gtalign.gateway.settings import GatewayConfig, GroupSettings, Show
from gtalign.gateway.shadows import Shadows
from gtalign.gateway.sharing import SharedLimits
from gtalign.gateway.spending import keep_counting, recount
from gtalign.gateway.store.changes import watch
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.hours import keep_rolling
from gtalign.gateway.store.processes import new_id
from gtalign.gateway.store.reader import Reader
from gtalign.gateway.store.writer import AuditWriter
from gtalign.gateway.telemetry.metrics import Metrics
from gtalign.gateway.telemetry.tracing import Tracing, open_tracing
from gtalign.gateway.upstream import Upstream
from gtalign.steering import Policy, SteeringSettings, TokenHistory

_TRIED: Final = 10_000  # dry runs that may wait


def _dry_runs() -> Shadows:
    return Shadows(lambda: False, "a dry run", _TRIED)


@dataclass
class Gateway:
    """A gateway at work.

    Args:
        config: Its configuration.
        models: The models that write the answers, and their engines.
        store: The audit store.
        writer: Writes decisions to the store.
        reader: Reads decisions from the store.
        keys: The keys of clients.
        policies: The policies that a request can name.
        limits: Counts what each key takes, and refuses what is too much.
        metrics: Numbers for Prometheus.
        history: The measured tokens of each action.
        tracing: Sends traces of requests.
        shadows: Asks for the chains of answers that were only observed.
        dry_runs: Tries policies on answers that are out.
        attempts: Counts wrong keys by address.
        draining: Whether the gateway is ending, once the answers on their way are out.
        process: Id of this process in records.
        pages: Address of the dashboard's port; empty before it is known.
        beside: Where the other workers of this gateway have left their metrics.
    """

    config: GatewayConfig
    models: Models
    store: AsyncEngine
    writer: AuditWriter
    reader: Reader
    keys: Keys
    policies: Policies
    limits: Limits
    metrics: Metrics = field(default_factory=Metrics)
    history: TokenHistory = field(default_factory=TokenHistory)
    tracing: Tracing = field(default_factory=Tracing)
    shadows: Shadows = field(default_factory=lambda: Shadows(lambda: False))
    dry_runs: Shadows = field(default_factory=_dry_runs)
    attempts: Attempts = field(default_factory=Attempts)
    draining: bool = False
    process: str | None = None
    pages: str = ""
    beside: Callable[[], Sequence[Path]] = tuple
    _observing: tuple[SteeringSettings, SteeringSettings] | None = field(default=None, init=False)

    @property
    def upstream(self) -> Upstream:
        """An engine of the first model, which the playground asks.

        Raises:
            APIError: None has answered yet (503).
        """
        return self.models.first.route("").upstream

    @property
    def observing(self) -> SteeringSettings:
        """The settings by which an answer is left as it is, and only looked at."""
        steering = self.config.steering
        if self._observing is None or self._observing[0] is not steering:
            self._observing = steering, steering.model_copy(update={"mode": "observe"})
        return self._observing[1]

    @property
    def passive(self) -> bool:
        """Whether chats are only observed: passed through, as their model writes no chains."""
        steering = self.config.steering
        servers = all(model.behind_servers for model in self.models)
        return steering.mode == "observe" and not steering.trained and servers

    def caller(self, headers: Headers, scope: KeyScope, address: str) -> Key:
        """Find out who sends a request, and check that they may.

        Args:
            headers: Headers of the request.
            scope: What they want to do.
            address: Where the request comes from, which may try only so many wrong keys.

        Raises:
            APIError: The key is missing, wrong, revoked or expired (401), too many wrong ones were
                tried (429), or it lacks the scope (403).
        """
        if not self.keys.required:
            check_local(headers, self.config.cors)
            return ANYONE
        given = headers.get("authorization")
        if given is None:  # Anthropic's clients have a header of their own
            given = f"bearer {headers.get('x-api-key', '')}"
        kind, _, secret = given.partition(" ")
        if kind.lower() != "bearer" or not secret:
            raise APIError(
                401, "a key is needed: Authorization: Bearer gta-...", code="missing_api_key"
            )
        key = self.keys.find(secret.strip())
        if key is None:
            self.attempts.failed(address)
            raise APIError(
                401, "this key is wrong or was revoked, or it has expired", code="invalid_api_key"
            )
        if not key.may(scope):
            raise lacking(scope)
        return key

    def terms(self, headers: Headers, key: Key, model: str, *, id: str, request_id: str) -> Terms:
        """Settle under which terms a request is answered.

        Args:
            headers: Headers of the request.
            key: Who asks.
            model: The model's name as the client gave it.
            id: Id of the answer.
            request_id: Id of the request.

        Raises:
            APIError: There is no such model or policy (404), there is no such way to show chains,
                two policies are named, or the policy is of another game (400), or the key is bound
                to another one (403), or the policy's budget is spent (429), or the model's name is
                not known before its engine answers (503).
        """
        show = headers.get("x-gtalign-show", self.config.show)
        if show not in get_args(Show):
            raise APIError(400, f"X-GTAlign-Show has to be one of {', '.join(get_args(Show))}")
        served, suffix = self.models.find(model)
        policy = self._policy(suffix, headers, key)
        try:
            policy.check(served.form)
        except ConfigError as error:
            raise APIError(400, str(error), code="policy_of_another_game") from None
        self.limits.check_policy(policy)
        return Terms(id, request_id, key, policy, cast(Show, show), model, served)

    def group_of(self, key: Key) -> GroupSettings | None:
        """The policy of a key and those that its requests may name; None if it has neither a
        policy nor a group.

        Raises:
            APIError: The configuration has no such group (403).
        """
        if key.policy is not None:
            return GroupSettings(policy=key.policy)
        if key.group is None:
            return None
        group = self.config.groups.get(key.group)
        if group is None:
            raise APIError(
                403,
                f"this key is of the group {key.group!r}, which the configuration does not have",
                code="unknown_group",
            )
        return group

    def check_store(self) -> bool:
        """Whether decisions can be recorded.

        Raises:
            StorageError: They cannot, and answers without a record are not allowed.
        """
        if self.writer.down is None:
            return True
        if self.config.audit.when_down == "pass":
            return False
        raise StorageError(self.writer.down)

    def measured(self) -> Metrics:
        """The metrics of this process, as they stand."""
        metrics, writer = self.metrics, self.writer
        metrics.records.set(writer.written)
        metrics.waiting.set(writer.waiting)
        metrics.dropped.set(writer.dropped)
        metrics.down.set(float(writer.down is not None))
        metrics.engines(self.models)
        policies = (self.policies.get(name) for name in self.policies.names())
        metrics.spending(self.limits, self.keys.all(), policies)
        return metrics

    async def decision(self, id_: str) -> dict[str, Any] | None:
        """Read one decision from the record, with all of its answer if that has gone out.

        An answer does not wait until its end is on record, so its readers wait here.
        """
        await self.writer.settled()
        return await self.reader.decision(id_)

    def _policy(self, suffix: str | None, headers: Headers, key: Key) -> Policy:
        """The policy in force: of the header, the model's suffix, the key, its group, or else the
        default."""
        header = headers.get("x-gtalign-policy")
        if suffix and header and suffix != header:
            raise APIError(
                400,
                f"the model's name asks for {suffix!r}, the header for {header[:80]!r}",
                param="model",
            )
        wanted = header or suffix
        param = None if header else "model"
        own = self.group_of(key)
        if wanted and own is not None and not own.allows(wanted) and "admin" not in key.scopes:
            whose = f"the group {key.group!r} has" if key.policy is None else "this key is bound to"
            told = f"{whose} the policy {own.policy!r}"
            raise APIError(403, told, code="policy_not_allowed", param=param)
        try:
            return self.policies.get(wanted or (own.policy if own else self.policies.default))
        except ConfigError as error:
            raise APIError(404, str(error), code="policy_not_found", param=param) from None


@asynccontextmanager
async def opened(
    config: GatewayConfig, models: Models, *, process: str | None = None, killed: Sequence[str] = ()
) -> AsyncGenerator[Gateway, None]:
    """Open the parts of a gateway, and close them when it ends; everything is written by then.

    Args:
        config: Its configuration.
        models: Its models, open; closed at the end.
        process: Id of this process; None for a new one.
        killed: Ids of processes that are known to have ended so.

    Raises:
        ConfigError: The configuration is wrong, or can be reached from elsewhere without a key.
        StorageError: The audit store cannot be opened.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(models.aclose)
        store = await open_store(config.audit)
        stack.push_async_callback(store.dispose)
        keys = await Keys.open(store)
        hosts = {"host": config.host}
        if config.admin is not None:
            hosts["admin.host"] = config.admin.host
        reached = (at for at in hosts.items() if not is_loopback(at[1]))
        if not keys.required and (open_to := next(reached, None)):
            raise ConfigError(
                f"{open_to[0]}: other machines can reach {open_to[1]}, but the gateway has no key;"
                " make one (gtalign serve --key NAME), or listen on 127.0.0.1"
            )
        if not keys.required and config.proxies:
            raise ConfigError(
                "proxies: other machines send requests through them, but the gateway has no key;"
                " make one (gtalign serve --key NAME), or leave out proxies"
            )
        if not keys.required and config.dashboard.oidc is not None:
            raise ConfigError(
                "dashboard.oidc: without a key of the gateway everybody on this machine is let in;"
                " make one (gtalign serve --key NAME), which also works when the provider is down"
            )
        policies = await Policies.open(store, config.policies, config.default_policy, models.forms)
        policies.check_named(config)
        reader, process = Reader(store), process or new_id()
        total = config.timeouts.total
        limits = await _limits(stack, config, store, policies, process)
        counted = partial(recount, limits, reader, policies, total=total)
        await counted()
        # Closed after the writer, whose last records are spans as well.
        tracing = open_tracing(config.telemetry)
        stack.push_async_callback(tracing.aclose)
        writer = AuditWriter(store, batch=config.audit.batch)
        stack.push_async_callback(writer.close)
        watching = watch(
            store,
            {"keys": keys.reload, "policies": policies.reload},
            config.audit.watch_seconds,
        )
        works = [keep_rolling(store), watching, keep_counting(limits, counted, store, total=total)]
        if isinstance(limits, SharedLimits):
            await limits.flush()
            works.append(keep_present(store, process, limits, killed, counted))
        for work in works:
            stack.push_async_callback(ended, asyncio.create_task(work))
        # An engine that answers one request breaks off another: it is left to the clients.
        shadows = Shadows(lambda: models.interrupt and limits.running > 0)
        stack.push_async_callback(shadows.aclose)
        dry_runs = _dry_runs()
        stack.push_async_callback(dry_runs.aclose)
        yield Gateway(
            config,
            models,
            store,
            writer,
            reader,
            keys,
            policies,
            limits,
            tracing=tracing,
            shadows=shadows,
            dry_runs=dry_runs,
            process=process,
        )


async def _limits(
    stack: AsyncExitStack,
    config: GatewayConfig,
    store: AsyncEngine,
    policies: Policies,
    process: str,
) -> Limits:
    """The limits of this process, or those that it shares with others on a PostgreSQL."""
    if store.dialect.name != "postgresql":
        return Limits(config.limits)
    limits = SharedLimits(config, store, process, policies.budgeted)
    stack.push_async_callback(limits.aclose)
    await limits.look()
    return limits


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancel a task that runs for ever."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
