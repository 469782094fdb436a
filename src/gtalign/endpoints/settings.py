"""Configuration of an OpenAI-compatible endpoint: small, serialisable, and without secrets."""

import os
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gtalign.config import Config
from gtalign.errors import ConfigError

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username or parts.password
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("an address begins with http:// or https:// and names a host")
    if secret:
        raise ValueError("an address holds no user or password: secrets come from the environment")
    return url.rstrip("/")


class Prices(Config):
    """Prices of a million tokens at an endpoint, in one currency of your choice.

    Keys:
        prompt: Price of a million tokens of prompts.
        completion: Price of a million tokens of replies.
    """

    prompt: Price
    completion: Price


class EndpointSettings(Config):
    """An OpenAI-compatible chat endpoint, and limits on its requests.

    Keys:
        url: Base address, up to and including ``/v1``.
        model: Name of the model on the server.
        key_env: Name of the environment variable that holds the API key; by default no key is
            sent.
        temperature: Sampling temperature of the replies.
        max_tokens: Longest reply in tokens, including reasoning.
        token_limit: Name of that limit in a request: ``max_tokens``, or ``max_completion_tokens``
            as reasoning models of some services want. ``auto`` sends ``max_tokens`` until the
            server refuses it. A temperature that the server refuses is then left out as well.
        seed: If given, each request carries a seed made from this one, the messages and the number
            of the sample. A server that uses the seed then gives the same replies in every run.
        concurrency: Largest number of requests at once.
        requests_per_minute: Largest number of requests begun in a minute, evenly spaced; no limit
            by default.
        timeout: Seconds that one request may take from beginning to end.
        attempts: How often one request is sent at most. It is sent again if it times out, if the
            server refuses it for load (429) or if the server fails (5xx). The waits between eight
            attempts add up to a minute.
        prices: Prices of tokens; without them no cost is reported.
        extra: Further keys of the request's body, such as a server's own switches.
    """

    url: Annotated[str, AfterValidator(_address)]
    model: Annotated[str, Field(min_length=1)]
    key_env: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    token_limit: Literal["auto", "max_tokens", "max_completion_tokens"] = "auto"
    seed: int | None = None
    concurrency: Annotated[int, Field(gt=0)] = 16
    requests_per_minute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    timeout: Seconds = 120.0
    attempts: Annotated[int, Field(gt=0)] = 8
    prices: Prices | None = None
    extra: dict[str, Any] = Field(default_factory=dict)

    def key(self) -> str:
        """Return the API key.

        Raises:
            ConfigError: The variable that should hold it is not set; names the variable.
        """
        if self.key_env is None:
            return "none"  # the client insists on one
        found = os.environ.get(self.key_env, "").strip()
        if not found:
            raise ConfigError(
                f"{self.model!r} at {self.url}: the environment variable {self.key_env}"
                " that should hold its API key is not set"
            )
        return found
