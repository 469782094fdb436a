"""The model server or the model in this process, opened from its settings."""

import os
from dataclasses import dataclass

from gtalign.gateway.proxy import Proxy
from gtalign.gateway.settings import GatewayConfig
from gtalign.steering import Backend
from gtalign.steering.http import Timeouts
from gtalign.steering.http.probe import KEY
from gtalign.steering.opening import is_url, open_backend


@dataclass(frozen=True)
class Upstream:
    """The engine that writes the answers.

    Args:
        backend: Writes steered answers.
        name: The name that clients use for the model.
        model: The model's own name.
        proxy: Passes requests through; None where the model is in this process.
        kind: The kind of engine, for traces.
    """

    backend: Backend
    name: str
    model: str
    proxy: Proxy | None = None
    kind: str = "transformers"

    async def aclose(self) -> None:
        """Close connections and end threads."""
        await self.backend.aclose()
        if self.proxy is not None:
            await self.proxy.aclose()


async def open_upstream(config: GatewayConfig) -> Upstream:
    """Connect to the model server, or load the checkpoint.

    Raises:
        ConfigError: There is neither at the address.
        UpstreamError: The server cannot be reached.
        SteeringError: It cannot continue an edited text, and no fallback is configured.
    """
    wanted, limits = config.upstream, config.timeouts
    timeouts = Timeouts(limits.connect, limits.first, limits.idle, limits.total)
    opened = await open_backend(
        wanted.address,
        model=wanted.model,
        tokenizer=wanted.tokenizer,
        timeouts=timeouts,
        fallback_reask=config.steering.fallback == "reask" or config.steering.mode == "observe",
    )
    if is_url(wanted.address):
        proxy = Proxy(wanted.address, os.environ.get(KEY), opened.model, timeouts)
        name = wanted.name or opened.model
        return Upstream(opened.backend, name, opened.model, proxy, opened.engine)
    model = wanted.model or wanted.name or opened.model  # a checkpoint has no name of its own
    return Upstream(opened.backend, wanted.name or model, model)
