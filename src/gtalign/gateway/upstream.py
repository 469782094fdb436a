"""An open engine: a model server, or a model in this process."""

import os
from dataclasses import dataclass

from gtalign.chain import prompt
from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, GameForm
from gtalign.game.file import load_game
from gtalign.gateway.model_settings import EngineSettings, ModelSettings
from gtalign.gateway.proxy import Proxy
from gtalign.gateway.settings import GatewayConfig
from gtalign.models.names import SERVER_KEY
from gtalign.steering import Backend, SteeringSettings
from gtalign.steering.http import HTTPBackend, Timeouts
from gtalign.steering.opening import open_backend


@dataclass
class Upstream:
    """The engine that writes the answers.

    Args:
        backend: Writes steered answers.
        name: The name that clients use for the model.
        model: The model's own name.
        proxy: Passes requests through; None where the model is in this process.
        kind: The kind of engine, for traces.
        interrupts: Whether a request breaks off the one that the engine is answering.
        form: The game of its chains.
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
    form: GameForm = USER_LLM

    @property
    def fingerprint(self) -> str | None:
        """How the engine last named itself and its settings; None if it does not."""
        return self.backend.fingerprint if isinstance(self.backend, HTTPBackend) else None

    async def counted_instruction(self, settings: SteeringSettings) -> int | None:
        """Tokens of the instruction; an engine that was too busy to count is asked again."""
        if self.instruction_tokens is None and isinstance(self.backend, HTTPBackend):
            text = instruction(self.form, settings)
            self.instruction_tokens = None if text is None else await self.backend.count(text)
        return self.instruction_tokens

    async def aclose(self) -> None:
        """Close connections and end threads."""
        await self.backend.aclose()
        if self.proxy is not None:
            await self.proxy.aclose()


def instruction(form: GameForm, settings: SteeringSettings) -> str | None:
    """The instruction for the chain that begins every prompt; None if none does."""
    if not settings.instructs or settings.instruct == "none":
        return None
    return prompt(form, **settings.chain, style=settings.instruct)


async def open_upstream(
    config: GatewayConfig, name: str | None, model: ModelSettings, engine: EngineSettings
) -> Upstream:
    """Connect to a model server, or load a checkpoint.

    Args:
        config: How to wait, and how answers are steered.
        name: Name by which clients call the model; None takes the engine's own.
        model: The model.
        engine: The engine that is opened.

    Raises:
        ConfigError: There is neither at the address, or the key is missing.
        UpstreamError: The server cannot be reached, or does not answer as a model server.
        SteeringError: It cannot continue an edited text, and no fallback is configured.
    """
    limits, steering, form = config.timeouts, config.steering, load_game(model.game)
    timeouts = Timeouts(limits.connect, limits.first, limits.idle, limits.total)
    key = _key(engine)
    opened = await open_backend(
        engine.address,
        model=engine.model,
        api_key=key,
        tokenizer=model.tokenizer,
        timeouts=timeouts,
        fallback_reask=steering.fallback == "reask" or steering.mode == "observe",
    )
    backend = opened.backend
    text = instruction(form, steering)
    if isinstance(backend, HTTPBackend):
        proxy = Proxy(engine.address, key, opened.model, timeouts)
        return Upstream(
            backend,
            name or opened.model,
            opened.model,
            proxy,
            opened.engine,
            backend.engine.interrupts,
            None if text is None else await backend.count(text),
            form,
        )
    own = engine.model or name or opened.model  # a checkpoint has no name of its own
    counted = None if text is None else _counted_here(backend, text)
    return Upstream(backend, name or own, own, instruction_tokens=counted, form=form)


def _key(engine: EngineSettings) -> str:
    """The key of a server; empty if it takes none."""
    if engine.key is None:
        return ""
    key = os.environ.get(engine.key, "")
    if not key and engine.key != SERVER_KEY:  # which may be missing
        raise ConfigError(f"key: the environment variable {engine.key} is not set")
    return key


def _counted_here(backend: Backend, text: str) -> int:
    """Tokens of a text for a model in this process."""
    from gtalign.steering.local import TransformersBackend

    assert isinstance(backend, TransformersBackend)
    return len(backend.tokenizer(text, add_special_tokens=False)["input_ids"])
