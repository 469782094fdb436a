"""The model server or the model in this process, opened from its settings."""

import os
from dataclasses import dataclass

from gtalign.chain import prompt
from gtalign.gateway.proxy import Proxy
from gtalign.gateway.settings import GatewayConfig
from gtalign.models.names import is_url
from gtalign.steering import Backend
from gtalign.steering.http import HTTPBackend, Timeouts
from gtalign.steering.http.probe import KEY
from gtalign.steering.opening import open_backend


@dataclass(frozen=True)
class Upstream:
    """The engine that writes the answers.

    Args:
        backend: Writes steered answers.
        name: The name that clients use for the model.
        model: The model's own name.
        proxy: Passes requests through; None where the model is in this process.
        kind: The kind of engine, for traces.
        interrupts: Whether a request breaks off the one that the engine is answering.
        instruction_tokens: Tokens of the instruction for the chain; None if there is none, or the
            engine does not count.
    """

    backend: Backend
    name: str
    model: str
    proxy: Proxy | None = None
    kind: str = "transformers"
    interrupts: bool = False
    instruction_tokens: int | None = None

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
    backend, steering = opened.backend, config.steering
    text = None
    if steering.instructs and steering.instruct != "none":
        text = prompt(low=steering.low, high=steering.high, style=steering.instruct)
    if is_url(wanted.address):
        assert isinstance(backend, HTTPBackend)
        proxy = Proxy(wanted.address, os.environ.get(KEY), opened.model, timeouts)
        return Upstream(
            backend,
            wanted.name or opened.model,
            opened.model,
            proxy,
            opened.engine,
            backend.engine.interrupts,
            None if text is None else await backend.count(text),
        )
    model = wanted.model or wanted.name or opened.model  # a checkpoint has no name of its own
    counted = None if text is None else _counted_here(backend, text)
    return Upstream(backend, wanted.name or model, model, instruction_tokens=counted)


def _counted_here(backend: Backend, text: str) -> int:
    """Tokens of a text for a model in this process."""
    from gtalign.steering.local import TransformersBackend

    assert isinstance(backend, TransformersBackend)
    return len(backend.tokenizer(text, add_special_tokens=False)["input_ids"])
