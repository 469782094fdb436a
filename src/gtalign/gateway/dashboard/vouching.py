"""The seam between the dashboard and an identity provider that vouches for people."""

from dataclasses import dataclass
from typing import Protocol

from gtalign.gateway.keys import Key


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The request that begins one sign-in (OpenID Connect).

    Args:
        state: Comes back with the browser.
        nonce: Comes back in the token.
        verifier: Shows that the browser that redeems the code has begun the sign-in.
    """

    state: str
    nonce: str
    verifier: str


class IdentityProvider(Protocol):
    """Signs people in.

    Attributes:
        name: Its name for people.
    """

    name: str

    async def address(self, flow: AuthorizationRequest) -> str:
        """The address at the provider to which a browser goes to sign in.

        Raises:
            APIError: The provider does not answer (503).
        """
        ...

    async def person(self, code: str, flow: AuthorizationRequest, issuer: str | None) -> Key:
        """Who has signed in, as a key with the scopes of that person.

        Args:
            code: The code with which the browser came back.
            flow: The sign-in.
            issuer: Who sent the browser back, if it says so.

        Raises:
            APIError: The provider does not answer (503), vouches for nobody, or for a person who
                is on no list (403).
        """
        ...
