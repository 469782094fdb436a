"""One process that sends the requests of all workers: limits, cache and bill are that of one run.

The desk runs on the machine where the run began, beside its cache of replies. A worker's endpoint
passes each request on. What arrives is on disk there, so a worker that dies loses no reply.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gtalign.endpoints.cache import Cache
from gtalign.endpoints.limits import Limits
from gtalign.endpoints.opening import Failure
from gtalign.endpoints.reply import Reply
from gtalign.endpoints.settings import EndpointSettings
from gtalign.endpoints.transport import Endpoint
from gtalign.errors import GTAlignError
from gtalign.tasks import Message


@dataclass(frozen=True, slots=True)
class Account:
    """Whose requests go to which server.

    Args:
        settings: Those of the endpoint, as JSON text.
        cache: File of the cache; None for none.
        failure: The error to raise when it fails.
        source: Under which usage is added up.
    """

    settings: str
    cache: str | None
    failure: Failure
    source: str


class Desk:
    """Holds the endpoints of a run. Its methods return errors of the package as values."""

    def __init__(self) -> None:
        self._endpoints: dict[Account, Endpoint] = {}
        self._caches: dict[str, Cache] = {}
        self._limits: dict[tuple[Any, ...], Limits] = {}

    async def lend(self, name: str, key: str) -> None:
        """Take an API key from the process that began the run, under the name of its variable."""
        os.environ[name] = key

    async def aclose(self) -> None:
        """Close the connections and the caches."""
        for endpoint in self._endpoints.values():
            await endpoint.aclose()

    async def call(self, account: Account, method: str, *values: Any, **named: Any) -> Any:
        """Call a method of an endpoint and return its result, or the error that it raised."""
        try:
            found = getattr(self._endpoint(account), method)(*values, **named)
            return await found if asyncio.iscoroutine(found) else found
        except GTAlignError as error:
            return error

    def _endpoint(self, account: Account) -> Endpoint:
        endpoint = self._endpoints.get(account)
        if endpoint is None:
            settings = EndpointSettings.model_validate_json(account.settings)
            file = account.cache
            cache = None if file is None else self._caches.setdefault(file, Cache(Path(file)))
            # All requests to one server under one key share its limits: the trial and the judge.
            server = (settings.url, settings.model, settings.key_env)
            bounds = (settings.concurrency, settings.requests_per_minute)
            limits = self._limits.setdefault((*server, *bounds), Limits(*bounds))
            endpoint = Endpoint(settings, cache, account.failure, account.source, limits)
            self._endpoints[account] = endpoint
        return endpoint


class DeskEndpoint(Endpoint):
    """An endpoint whose requests the desk sends.

    Args:
        desk: Calls a method of the desk: its name and values in, a result or a future of it out.
        settings: As for `Endpoint`.
        cache: As for `Endpoint`; only its file is used.
        failure: As for `Endpoint`.
        source: As for `Endpoint`.
    """

    def __init__(
        self,
        desk: "DeskCalls",
        settings: EndpointSettings,
        cache: Cache | None,
        failure: Failure,
        source: str,
    ) -> None:
        super().__init__(settings, cache, failure, source)
        self._desk = desk
        only = EndpointSettings.model_validate(
            settings.model_dump(include=set(EndpointSettings.model_fields))
        )
        file = None if cache is None else str(cache.file.absolute())
        self._account = Account(only.model_dump_json(), file, failure, source)

    async def aclose(self) -> None:
        """Do nothing: the connections are the desk's."""

    def known(self, identity: Sequence[Message], body: Mapping[str, Any], sample: int) -> bool:
        """Whether the cache holds the reply to a request."""
        found = self.cache is not None and self._now("known", list(identity), dict(body), sample)
        return bool(found)

    def forget(self, identity: Sequence[Message], body: Mapping[str, Any], sample: int) -> None:
        """Have a request sent again the next time, although it has a reply."""
        if self.cache is not None:
            self._now("forget", list(identity), dict(body), sample)

    def account(self) -> dict[str, Any]:
        """Tell what it took, in all workers, as JSON."""
        return dict(self._now("account"))

    async def models(self) -> list[str]:
        """Return the names of the models that the server lists."""
        return list(_raised(await self._desk.later(self._account, "models")))

    async def complete(
        self,
        messages: Sequence[Message],
        identity: Sequence[Message],
        *,
        accepts: Callable[[str], bool],
        about: str,
        body: Mapping[str, Any] = MappingProxyType({}),
        sample: int = 0,
    ) -> Reply:
        """Return the reply to a conversation; see `Endpoint.complete`."""
        reply = await self._desk.later(
            self._account,
            "complete",
            list(messages),
            list(identity),
            accepts=accepts,
            about=about,
            body=dict(body),
            sample=sample,
        )
        found: Reply = _raised(reply)
        self.used += found.usage
        return found

    def _now(self, method: str, *values: Any) -> Any:
        return _raised(self._desk.now(self._account, method, *values))


def _raised(found: Any) -> Any:
    if isinstance(found, GTAlignError):
        raise found
    return found


class DeskCalls:
    """Calls of the desk from a worker, or from the process that began the run.

    Args:
        handle: The handle of the desk's actor.
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    @classmethod
    def of(cls, name: str) -> "DeskCalls":
        """Return calls of the desk with a name."""
        import ray

        return cls(ray.get_actor(name))

    def now(self, *values: Any, **named: Any) -> Any:
        """Call the desk and wait; a millisecond, as nothing is sent to a server."""
        import ray

        return ray.get(self.handle.call.remote(*values, **named))

    async def later(self, *values: Any, **named: Any) -> Any:
        """Call the desk."""
        return await asyncio.wrap_future(self.handle.call.remote(*values, **named).future())
