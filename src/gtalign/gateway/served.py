"""The models that clients can ask for, each with its engines."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, GameForm
from gtalign.game.file import load_game
from gtalign.gateway.engine import Engine, opened_engine
from gtalign.gateway.errors import APIError
from gtalign.gateway.model_settings import ModelSettings
from gtalign.gateway.route import Route
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.upstream import Upstream, open_upstream

_PAUSE: Final = 0.1  # seconds between two looks whether an engine has written its last answer
_PATIENCE: Final = 60.0
"""Seconds that the start waits for engines that accept a request and do not answer."""


class Served:
    """One model.

    Args:
        name: Name by which clients call it; None takes the name that its engine gives.
        engines: Its engines.
        retries: As `ModelSettings.retries`.
        wait: Seconds between two checks of an engine.
        form: The game of its chains.
    """

    def __init__(
        self,
        name: str | None,
        engines: tuple[Engine, ...],
        *,
        retries: int,
        wait: float,
        form: GameForm = USER_LLM,
    ) -> None:
        self.engines = engines
        self.form = form
        self._name = name
        self._retries = retries
        self._wait = wait

    @property
    def name(self) -> str | None:
        """Its name; None before an engine that is to give it has answered."""
        if self._name is not None:
            return self._name
        return next((e.upstream.name for e in self.engines if e.upstream is not None), None)

    @property
    def model(self) -> str:
        """The model's own name, by which its tokens are measured; else that for clients."""
        opened = (e.upstream.model for e in self.engines if e.upstream is not None)
        return next(opened, self.name or "")

    @property
    def behind_servers(self) -> bool:
        """Whether its engines are servers, to which requests can be passed."""
        return all(engine.is_server for engine in self.engines)

    @property
    def up(self) -> bool:
        """Whether one of its engines is up."""
        return any(engine.problem is None for engine in self.engines)

    def route(self, prompt: Any) -> Route:
        """The way of one answer to an engine.

        Args:
            prompt: The messages, or the plain prompt: those that begin alike prefer one engine.

        Raises:
            APIError: No engine of the model has answered yet (503).
        """
        name = self.name or ""
        return Route(name, self.engines, prompt, retries=self._retries, wait=self._wait)


class Models:
    """All models, by name.

    Args:
        models: The models; the first is the one that pages for people show.
        seconds: Seconds between two checks of an engine.
    """

    def __init__(self, models: tuple[Served, ...], seconds: float) -> None:
        self._models = models
        self._seconds = seconds
        self._config: GatewayConfig | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @classmethod
    def of(cls, config: GatewayConfig) -> "Models":
        """The models of a configuration, whose engines are not opened yet."""
        found = (_served(config, name, model) for name, model in _table(config))
        models = cls(tuple(found), config.timeouts.check)
        models._config = config
        return models

    @classmethod
    def of_one(cls, upstream: Upstream, retries: int = 1) -> "Models":
        """One model with one engine that is open already.

        Args:
            upstream: The engine.
            retries: As `ModelSettings.retries`.
        """
        engines = (opened_engine(upstream),)
        served = Served(upstream.name, engines, retries=retries, wait=1.0, form=upstream.form)
        return cls((served,), 0.0)

    def __iter__(self) -> Iterator[Served]:
        return iter(self._models)

    @property
    def first(self) -> Served:
        """The model that pages for people show."""
        return self._models[0]

    @property
    def engines(self) -> list[Engine]:
        """The engines of all models."""
        return [engine for model in self._models for engine in model.engines]

    @property
    def forms(self) -> tuple[GameForm, ...]:
        """The games of the models, each once."""
        return tuple(dict.fromkeys(model.form for model in self._models))

    @property
    def actions(self) -> tuple[str, ...]:
        """The LLM's actions in the games of all models, each once."""
        return tuple(dict.fromkeys(a for form in self.forms for a in form.llm_actions))

    @property
    def interrupt(self) -> bool:
        """Whether an engine breaks off what it is writing when another request comes."""
        return any(engine.upstream and engine.upstream.interrupts for engine in self.engines)

    @property
    def names(self) -> list[str]:
        """Names of the models, without those that are not known yet."""
        return [model.name for model in self._models if model.name is not None]

    def find(self, name: str) -> tuple[Served, str | None]:
        """The model of a name, and the policy that stands behind it, if one does.

        With ``upstream.any_name`` every other name is one of the only model.

        Raises:
            APIError: There is none (404); or its name is not known before its engine answers (503).
        """
        known = {model.name: model for model in self._models}
        if name in known:
            return known[name], None
        own, _, suffix = name.rpartition(":")
        if own in known and suffix:
            return known[own], suffix
        upstream = self._config and self._config.upstream
        if upstream and upstream.any_name:
            return self.first, None
        if None in known:
            known[None].route("")  # raises that it is not up
        raise APIError(
            404,
            f"the model {name[:200]!r} does not exist; there are {', '.join(self.names)}, each also"
            " with a policy after its name, as in MODEL:POLICY",
            code="model_not_found",
            param="model",
        )

    async def open(self) -> None:
        """Open the engines and keep checking them; those that are down are opened later.

        Raises:
            ConfigError: There is no such engine, whether it is up or not.
            SteeringError: An engine is there, and cannot be steered.
        """
        unopened = [engine for engine in self.engines if engine.upstream is None]
        for engine in unopened:
            engine.keep(self._seconds)
        tried = (engine.tried(_PATIENCE) for engine in unopened)
        for wrong in await asyncio.gather(*tried, return_exceptions=True):
            if isinstance(wrong, BaseException):
                raise wrong

    async def renew(self, config: GatewayConfig) -> None:
        """Put the models of another configuration in the place of these, once they are open.

        Engines that are in both stay open. Others are closed when their answers are written.

        Raises:
            ConfigError: There is no such engine, or a model in this process would change, which
                takes a restart.
            SteeringError: An engine is there, and cannot be steered.
        """
        if self._config is None:
            return
        if _parts(config) == _parts(self._config) and forms_of(config) == self.forms:
            self._config = config
            return
        new = Models.of(config)
        if not all(model.behind_servers for model in (*self, *new)):
            raise ConfigError("upstream, models: a model in this process changes with a restart")
        if _ways(config) == _ways(self._config):
            known = {engine.place: engine for engine in self.engines}
            for model in new:
                model.engines = tuple(known.get(e.place, e) for e in model.engines)
        try:
            await new.open()
        except BaseException:
            for engine in set(new.engines) - set(self.engines):
                await engine.aclose()
            raise
        gone = set(self.engines) - set(new.engines)
        self._models, self._config, self._seconds = new._models, config, new._seconds
        for engine in gone:
            task = asyncio.create_task(_left(engine))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def aclose(self) -> None:
        """Close every engine."""
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for engine in self.engines:
            await engine.aclose()


async def _left(engine: Engine) -> None:
    """Close an engine that gets no more answers to write, once it has written the last."""
    try:
        while engine.running:
            await asyncio.sleep(_PAUSE)
    finally:
        await engine.aclose()


def _parts(config: GatewayConfig) -> tuple[Any, ...]:
    return _table(config), *_ways(config)


def _ways(config: GatewayConfig) -> tuple[Any, ...]:
    """What engines are opened with, apart from their own settings."""
    return config.timeouts, config.steering


def _table(config: GatewayConfig) -> list[tuple[str | None, ModelSettings]]:
    """The models with their names; the short form is a table of one."""
    if config.upstream is not None:
        return [(config.upstream.name, config.upstream.long())]
    return [(name, model) for name, model in config.models.items()]


def _served(config: GatewayConfig, name: str | None, model: ModelSettings) -> Served:
    engines, form = [], load_game(model.game)
    for settings in model.engines:
        of = name or settings.model or "the model"
        label = f"engine {settings.name!r} of {of!r} ({settings.address})"
        open = partial(open_upstream, config, name, model, settings)
        engines.append(Engine(settings, label, open, (name, model.tokenizer, form, settings)))
    name = name or (model.engines[0].model if config.upstream is not None else None)
    return Served(
        name, tuple(engines), retries=model.retries, wait=config.timeouts.check, form=form
    )


def forms_of(config: GatewayConfig) -> tuple[GameForm, ...]:
    """The games of the models of a configuration, each once."""
    return tuple(dict.fromkeys(load_game(model.game) for _, model in _table(config)))
