"""Sign-in to the dashboard with an identity provider, as configuration."""

from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from gtalign.config import Config, Name
from gtalign.gateway.loopback import is_loopback

GROUP: Final = "group:"
"""How an entry of a list of people begins that names a group."""


def safe_address(url: str) -> str:
    """Return an address that nobody on the way can read: https, or on this machine.

    Raises:
        ValueError: It is another one.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "") if parts.username is None else ""
    if (parts.scheme == "https" and host) or (parts.scheme == "http" and is_loopback(host)):
        return url
    raise ValueError("an address has to be https://..., or http://... on this machine")


def _who(text: str) -> str:
    """Return one of the people on a list; an address is written in small letters."""
    if text.startswith(GROUP) and text != GROUP:
        return text
    name, at, domain = text.partition("@")
    if not (name and at and domain) or any(c.isspace() for c in text):
        raise ValueError("an address of e-mail, or group:NAME")
    return text.casefold()


Who = Annotated[str, AfterValidator(_who)]


class OIDCSettings(Config):
    """Sign-in to the dashboard with an identity provider, by OpenID Connect.

    People on neither list cannot sign in in this way. Keys go on to work beside it.

    Keys:
        issuer: Address of the provider, exactly as its tokens name it. It has to be https, except
            on this machine.
        client_id: Name by which the provider knows the gateway.
        secret: Environment variable that holds the client's secret; by default the client has
            none.
        name: Name of the provider on the sign-in page.
        scopes: What the gateway asks the provider to tell, beside ``openid``.
        groups: Claim of the provider's ID token that lists a person's groups.
        read: People with the scope ``read``: addresses of e-mail, and ``group:NAME`` for a group.
            An address counts only if the token says that the provider has verified it.
        admin: People with the scopes ``read``, ``chat`` and ``admin``, in the same form.
    """

    issuer: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$")]
    client_id: Annotated[str, Field(min_length=1)]
    secret: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    name: Name = "the identity provider"
    scopes: tuple[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")], ...] = ("email",)
    groups: Annotated[str, Field(min_length=1)] = "groups"
    read: tuple[Who, ...] = ()
    admin: tuple[Who, ...] = ()

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, issuer: str) -> str:
        return safe_address(issuer)

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> Self:
        if not (self.read or self.admin):
            raise ValueError("name somebody in read or admin, or nobody can sign in")
        return self
