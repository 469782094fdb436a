"""The configuration of models: the engines that answer for each, and where these are."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, field_validator

from gtalign.config import Config, Name
from gtalign.game.file import GameSource
from gtalign.models.names import SERVER_KEY

_USER: Final = re.compile(r"(\w+://[^/?#]*|[^/@]*:[^/@]*)@")


def _without_user(address: str) -> str:
    """Return the address of an engine; it goes to logs, metrics and pages, so it holds no key."""
    if _USER.match(address):
        raise ValueError(
            "the address of an engine holds no user and no password; the key of a server goes to"
            " the environment (GTALIGN_UPSTREAM_KEY, or what `key` names)"
        )
    return address


EngineAddress = Annotated[str, AfterValidator(_without_user)]


class EngineSettings(Config):
    """An engine that answers for a model: a model server, or a model in the gateway's own process.

    Keys:
        address: Address of the server's OpenAI-compatible interface; or a folder with a
            checkpoint, ``gguf:FILE`` or ``package:NAME``.
        model: Name of the model on the server; by default the first model that the server lists.
        name: Name of the engine in metrics and in ``/readyz``; by default its number in the list.
        weight: Its share of the requests, relative to the other engines. An engine of weight 0 is
            a reserve: it gets requests only if the others fail.
        key: Environment variable that holds the API key of the server; by default none is sent.
    """

    address: EngineAddress
    model: str | None = None
    name: Name | None = None
    weight: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 1.0
    key: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None


class ModelSettings(Config):
    """A model that clients can ask for, and the engines that answer for it.

    Keys:
        engines: The engines.
        tokenizer: Folder of a tokenizer whose chat template renders prompts for servers that only
            continue plain text; by default none.
        retries: How often the gateway sends a request again to an engine that failed before its
            answer began, once no other engine is left.
        game: The game that the model's chains are about: a file, or the name of one that comes
            with the package; by default that of one assistant turn.
    """

    engines: Annotated[tuple[EngineSettings, ...], Field(min_length=1)]
    tokenizer: str | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    game: GameSource | None = None

    @field_validator("engines")
    @classmethod
    def _have_names_of_their_own(
        cls, engines: tuple[EngineSettings, ...]
    ) -> tuple[EngineSettings, ...]:
        """Number the engines that have no name, so that each has one."""
        named = tuple(
            engine if engine.name else engine.model_copy(update={"name": str(number)})
            for number, engine in enumerate(engines, 1)
        )
        names = [engine.name for engine in named]
        if len(set(names)) < len(names):
            raise ValueError(
                f"each engine needs a name of its own, not {', '.join(map(str, names))}"
            )
        return named


class UpstreamSettings(Config):
    """One model with one engine: the short form of a table of models.

    Keys:
        address: As ``models.NAME.engines.address``. The environment variable GTALIGN_UPSTREAM_KEY
            holds the API key of the server.
        model: Name of the model on the server. If it is missing, the gateway takes the first model
            that the server lists; for a checkpoint, it takes ``name`` or the name of the folder.
        name: Name by which clients call the model; by default the same as ``model``.
        any_name: Whether a name that is not known means the model too, as before llama.cpp: for
            clients whose name of a model is fixed. Without it such a request is refused (404).
        tokenizer: As ``models.NAME.tokenizer``.
        retries: As ``models.NAME.retries``.
        game: As ``models.NAME.game``.
    """

    address: EngineAddress
    model: str | None = None
    name: str | None = None
    any_name: bool = False
    tokenizer: str | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    game: GameSource | None = None

    def long(self) -> ModelSettings:
        """The same in the long form."""
        address, model = self.address, self.model
        engine = EngineSettings(address=address, model=model, name="1", key=SERVER_KEY)
        return ModelSettings(
            engines=(engine,), tokenizer=self.tokenizer, retries=self.retries, game=self.game
        )
