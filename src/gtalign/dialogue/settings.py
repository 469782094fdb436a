"""Settings of simulated users, and how each kind is opened."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from gtalign.config import Beside, Config, Share
from gtalign.dialogue.endpoint import EndpointUser
from gtalign.dialogue.persona import Persona
from gtalign.dialogue.recorded import RecordedUser, read_recorded
from gtalign.dialogue.scripted import ScriptedUser
from gtalign.dialogue.user import User
from gtalign.endpoints import Cache, EndpointSettings, open_endpoint
from gtalign.errors import UserError

Open = Callable[["UserSettings", Path | None], User]
"""Takes the settings of a user and the file that keeps replies; returns the user."""


def _scripted(settings: "UserSettings", replies: Path | None) -> User:
    return ScriptedUser()


def _endpoint(settings: "UserSettings", replies: Path | None) -> User:
    assert settings.endpoint is not None
    cache = None if replies is None else Cache(replies)
    return EndpointUser(open_endpoint(settings.endpoint, cache, UserError, "user"))


def _recorded(settings: "UserSettings", replies: Path | None) -> User:
    assert settings.file is not None
    return RecordedUser(read_recorded(settings.file), settings.near)


USERS: Final[dict[str, Open]] = {
    "scripted": _scripted,
    "endpoint": _endpoint,
    "recorded": _recorded,
}
"""How each kind of user is opened; a further kind is one entry."""

_NEEDS: Final[Mapping[str, str]] = {"endpoint": "endpoint", "recorded": "file"}


def _known(kind: str) -> str:
    if kind not in USERS:
        raise ValueError(f"no kind of user {kind!r}; there are {', '.join(USERS)}")
    return kind


UserName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\[\],\x00-\x1f\x7f]*$")]
"""What users are called: the id of a conversation holds it."""


class UserSettings(Config):
    """A simulated user.

    Keys:
        kind: ``scripted``, a rule; ``endpoint``, a model that plays a person; ``recorded``, what
            people said.
        persona: Who the user is.
        endpoint: Where the model is that plays the user.
        file: Recorded replies, JSON Lines.
        near: Least nearness of a recorded question, from 0 to 1.
        plays: The user's action that this user plays, in a game other than that of one assistant
            turn: the row of the payoff matrices that ``matrix`` plays with it.
    """

    kind: Annotated[str, AfterValidator(_known)] = "scripted"
    persona: Persona = Persona()
    endpoint: EndpointSettings | None = None
    file: Beside | None = None
    near: Share = 0.1
    plays: str | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        for kind, key in _NEEDS.items():
            given = getattr(self, key) is not None
            if self.kind == kind and not given:
                raise ValueError(f"a user of kind {kind!r} needs {key!r}")
            if self.kind != kind and given:
                raise ValueError(f"{key!r} is for a user of kind {kind!r}, not {self.kind!r}")
        return self

    def open(self, replies: Path | None = None) -> User:
        """Return the user.

        Args:
            replies: File that keeps the replies of a model, so that none is asked for twice.

        Raises:
            DataError: The recorded replies are wrong.
        """
        return USERS[self.kind](self, replies)
