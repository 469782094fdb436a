"""The model server or the model in this process, opened from its settings."""

import os
from dataclasses import dataclass
from pathlib import Path

from gtalign.errors import ConfigError
from gtalign.gateway.proxy import Proxy
from gtalign.gateway.settings import GatewayConfig
from gtalign.steering import Backend
from gtalign.steering.checkpoint import load_checkpoint, renderer
from gtalign.steering.http import Timeouts, connect
from gtalign.steering.http.probe import KEY


@dataclass(frozen=True)
class Upstream:
    """What answers.

    Args:
        backend: What writes.
        name: What clients call the model.
        model: Its own name.
        proxy: Passes requests through; None where the model is in this process.
        kind: Of engine, for traces.
    """

    backend: Backend
    name: str
    model: str
    proxy: Proxy | None = None
    kind: str = "transformers"

    async def aclose(self) -> None:
        """Let go of connections and threads."""
        await self.backend.aclose()
        if self.proxy is not None:
            await self.proxy.aclose()


async def open_upstream(config: GatewayConfig) -> Upstream:
    """Connect to the model server, or load the checkpoint.

    Raises:
        ConfigError: There is neither at the address.
        UpstreamError: The server cannot be reached.
        SteeringError: It cannot go on from an edited text, and no fallback is configured.
    """
    wanted = config.upstream
    if wanted.address.startswith(("http://", "https://")):
        limits = config.timeouts
        timeouts = Timeouts(limits.connect, limits.first, limits.idle, limits.total)
        server = await connect(
            wanted.address,
            model=wanted.model,
            render=None if wanted.tokenizer is None else renderer(Path(wanted.tokenizer)),
            timeouts=timeouts,
            fallback_reask=config.steering.fallback == "reask" or config.steering.mode == "observe",
        )
        proxy = Proxy(wanted.address, os.environ.get(KEY), server.model, timeouts)
        name, kind = wanted.name or server.model, server.engine.name.lower()
        return Upstream(server, name, server.model, proxy, kind)
    folder = Path(wanted.address)
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"upstream.address: {wanted.address} is no checkpoint (a folder with a config.json) and"
            " no address that begins with http:// or https://"
        )
    model = wanted.model or wanted.name or folder.name  # a checkpoint has no name of its own
    return Upstream(load_checkpoint(folder), wanted.name or model, model)
