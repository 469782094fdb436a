"""Send requests to an OpenAI-compatible endpoint, with limits, retries, counts and a cache.

The client's own retries are off; see `gtalign.endpoints.patience` for ours.
"""

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gtalign.endpoints.cache import Cache, cache_key
from gtalign.endpoints.dialect import Dialect
from gtalign.endpoints.failures import explain, place_of, said
from gtalign.endpoints.limits import Limits
from gtalign.endpoints.patience import attempts
from gtalign.endpoints.reply import Reply, reply_of
from gtalign.endpoints.settings import EndpointSettings
from gtalign.endpoints.usage import Usage
from gtalign.errors import JudgeError, TeacherError, UserError
from gtalign.models.listed import listed
from gtalign.tasks import Message

if TYPE_CHECKING:  # of the extra `judge`, and slow to import
    from openai import AsyncOpenAI

log = logging.getLogger(__name__)


class Endpoint:
    """One endpoint with its limits.

    It can be used from one event loop after another, and is closed by ``aclose``.

    Args:
        settings: Where it is and what it may do.
        cache: Cache of replies; a request that it holds is not sent.
        failure: The error to raise when it fails.
        source: Under which the cache adds up what its replies took, such as ``judge local``.
        limits: The limits, where it shares them with others; by default its own.

    Attributes:
        used: Requests, tokens and failures of this object.
        saved: Requests and tokens that the replies from the cache took when they were made.
        source: As given.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        cache: Cache | None = None,
        failure: type[JudgeError] | type[TeacherError] | type[UserError] = JudgeError,
        source: str = "",
        limits: Limits | None = None,
    ) -> None:
        self.settings = settings
        self.cache = cache
        self.failure = failure
        self.used = Usage()
        self.saved = Usage()
        self.source = source
        self._dialect = Dialect(settings.token_limit == "max_completion_tokens")
        self._limits = limits or Limits(settings.concurrency, settings.requests_per_minute)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: AsyncOpenAI | None = None
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def aclose(self) -> None:
        """Close the connections and the cache; both open again on use."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.close()
        if self.cache is not None:
            self.cache.close()

    def learn(self, other: "Endpoint") -> None:
        """Take over the form of requests that another endpoint has learned of the same server."""
        self._dialect = other._dialect

    def known(self, identity: Sequence[Message], body: Mapping[str, Any], sample: int) -> bool:
        """Whether the cache holds the reply to a request; see `complete`."""
        parameters = self._parameters(identity, body, sample)
        key = self._key(identity, parameters, sample)
        return self.cache is not None and self.cache.get(key) is not None

    def forget(self, identity: Sequence[Message], body: Mapping[str, Any], sample: int) -> None:
        """Have a request sent again the next time, although it has a reply; see `complete`."""
        if self.cache is not None:
            parameters = self._parameters(identity, body, sample)
            self.cache.forget(self._key(identity, parameters, sample))

    def account(self) -> dict[str, Any]:
        """Tell what it took, as JSON.

        ``used`` and ``saved`` are those of this object, and ``cost`` that of ``used``. With a
        cache, ``cached`` and ``cached_cost`` are those of every reply in it: of a cache that is one
        run's own, what all of the run took, however often it was interrupted.
        """
        prices = self.settings.prices
        told = {
            "used": self.used.to_json(),
            "saved": self.saved.to_json(),
            "cost": self.used.cost(prices),
        }
        if self.cache is not None:
            cached = self.cache.usage(self.source)
            told |= {"cached": cached.to_json(), "cached_cost": cached.cost(prices)}
        return told

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
        """Return the reply to a conversation.

        The same request made twice at once is sent once, if there is a cache. A request that is
        cancelled leaves nothing behind; a reply that has arrived is in the cache.

        Args:
            messages: Messages to send.
            identity: The messages without what is random in them: requests that share it, the
                body and the sample share a reply.
            accepts: Whether a text is what was asked for; if not, the reply is counted as unread.
                It is pickled where another process sends the requests.
            about: Who is asked and about what, for errors.
            body: Further parameters of the request, such as a `response_format`; what the client
                does not know goes into ``extra_body``.
            sample: Number of the sample; further samples of one request are further requests.

        Raises:
            ServiceError: No reply; says who, about what, and why. Its ``cause`` is the kind.
            StorageError: The cache failed.
        """
        client = self._bind()
        parameters = self._parameters(identity, body, sample)
        if self.cache is None:
            return await self._ask(client, messages, parameters, accepts, about)
        key = self._key(identity, parameters, sample)
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self.cache.get(key)
            if known is not None:
                self.saved += known.usage
                return known
            reply = await self._ask(client, messages, parameters, accepts, about)
            # Nothing is awaited in between, so it cannot be lost.
            self.cache.put(key, reply, self.source)
            return reply

    async def models(self) -> list[str]:
        """Return the names of the models that the server lists.

        Raises:
            ServiceError: The server does not list its models; says why.
        """
        from openai import OpenAIError

        about = f"the models of {self.settings.url}"
        try:
            async for attempt in attempts(self.settings, about):
                with attempt:
                    async with asyncio.timeout(self.settings.timeout):
                        answer: Any = await self._bind().get("/models", cast_to=object)
        except (OpenAIError, TimeoutError, ValueError, RecursionError) as error:
            cause, what = explain(error, self.settings)
            raise self.failure(f"{about}: {what}", cause) from error
        return [card["id"] for card in listed(answer)]

    def _key(self, identity: Sequence[Message], parameters: Mapping[str, Any], sample: int) -> str:
        about = {"url": self.settings.url, "messages": list(identity), "sample": sample}
        return cache_key(about | dict(parameters))

    def _parameters(
        self, identity: Sequence[Message], body: Mapping[str, Any], sample: int
    ) -> dict[str, Any]:
        settings = self.settings
        parameters: dict[str, Any] = {
            "model": settings.model,
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            **body,
        }
        if settings.seed is not None:
            about = {"seed": settings.seed, "messages": list(identity), "sample": sample}
            parameters["seed"] = int(cache_key(about)[:8], 16) >> 1  # a signed 32-bit number
        if settings.extra:
            parameters["extra_body"] = {**parameters.get("extra_body", {}), **settings.extra}
        return parameters

    def _bind(self) -> "AsyncOpenAI":
        """Return the client of the running loop; connections and locks belong to one loop."""
        from openai import DEFAULT_CONNECTION_LIMITS, AsyncOpenAI, DefaultAioHttpClient

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # As many connections as requests under way; the client's own limits are a tenth of what
            # a large server takes. An idle one is dropped before servers do it (uvicorn: 5 s).
            most = self.settings.concurrency
            limits = type(DEFAULT_CONNECTION_LIMITS)(
                max_connections=most, max_keepalive_connections=most, keepalive_expiry=3.0
            )
            self._client = AsyncOpenAI(
                base_url=self.settings.url,
                api_key=self.settings.key(),
                timeout=self.settings.timeout,
                max_retries=0,
                http_client=DefaultAioHttpClient(limits=limits),
            )
            self._locks = weakref.WeakValueDictionary()
            self._loop = loop
        return self._client

    async def _ask(
        self,
        client: "AsyncOpenAI",
        messages: Sequence[Message],
        parameters: dict[str, Any],
        accepts: Callable[[str], bool],
        about: str,
    ) -> Reply:
        from openai import OpenAIError

        request = {"messages": list(messages), **parameters}
        request |= request.pop("extra_body", {})
        if "max_completion_tokens" in request:
            request.pop("max_tokens", None)  # the extra keys name the limit
        try:
            async with self._limits.slots():
                async for attempt in attempts(self.settings, about):
                    with attempt:
                        completion = await self._send_adapted(client, request)
        except (OpenAIError, TimeoutError, ValueError, RecursionError) as error:
            cause, what = explain(error, self.settings)
            raise self.failure(f"{about}: {what}", cause) from error
        reply = reply_of(completion)
        if reply is None:
            raise self.failure(
                f"{about}: {self.settings.url} answered with something that is no chat completion;"
                " the address has to end where /chat/completions can follow, as in .../v1",
                "no completion",
            )
        if reply.problem is not None or not accepts(reply.text):
            reply = replace(reply, usage=reply.usage + Usage(unread=1))
        self.used += reply.usage
        return reply

    async def _send_adapted(self, client: "AsyncOpenAI", request: Mapping[str, Any]) -> Any:
        """Send a request in the form that the server takes, which its errors tell."""
        from openai import APIStatusError

        while True:
            dialect = self._dialect
            await self._limits.rate.wait()
            try:
                return await self._send(client, dialect.written(request))
            except APIStatusError as error:
                # Another request may have found it out meanwhile.
                if self._dialect == dialect:
                    adapted = dialect.after(error.status_code, said(error))
                    if adapted == dialect:
                        raise
                    self._dialect = adapted
                    log.warning("%s: %s", place_of(self.settings), adapted.told(dialect))

    async def _send(self, client: "AsyncOpenAI", request: Mapping[str, Any]) -> Any:
        from aiohttp import ClientError

        try:
            # The client's timeout is for each read: a server that drips would never meet it.
            async with asyncio.timeout(self.settings.timeout):
                # As chat.completions.create does, less checking every key of what we send and
                # building objects of what we get: most of its time, on either side.
                return await client.post("/chat/completions", body=request, cast_to=object)
        except Exception as error:
            self.used += Usage(failed=1)
            if isinstance(error, ClientError):  # of a reply that is no HTTP: the client knows none
                raise ValueError(str(error)) from error
            raise


def response_format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameter that holds a reply to a JSON Schema, for `Endpoint.complete`."""
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": name, "schema": schema, "strict": True},
        }
    }
