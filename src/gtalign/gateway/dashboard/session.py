"""Sessions of signed-in people, in memory. Time, signing out or a revoked key ends one."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import Key, Keys

SESSIONS: Final = 10_000
"""Most people who are signed in at once; the one who has been for longest has to sign in again."""

VOUCHED: Final = "oidc-"
"""How the ids of people begin for whom an identity provider vouches."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes from the system's generator


def new_id() -> str:
    """A cookie's value that nobody can guess."""
    return secrets.token_urlsafe(32)


def is_id(value: str | None) -> bool:
    """Whether a cookie's value looks like one of `new_id`."""
    return value is not None and _ID.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class _Session:
    key: Key
    until: float


class Sessions:
    """The sessions of a gateway; they end with its process.

    Args:
        keys: Of the gateway: a session lasts as long as its key is good.
        seconds: After which a session ends.
        clock: Seconds that only grow.
    """

    def __init__(self, keys: Keys, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = seconds
        self._keys = keys
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._by_hash: dict[bytes, _Session] = {}  # in the order in which they began
        self._redeemed: dict[str, float] = {}  # states of sign-ins, until when

    def begin(self, key: Key) -> str:
        """Begin a session; returns its id, for a cookie.

        Args:
            key: A key of the gateway, or that of a person for whom an identity provider vouches.
        """
        now = self._clock()
        for hash_, session in list(self._by_hash.items()):
            if session.until > now and len(self._by_hash) < SESSIONS:
                break
            del self._by_hash[hash_]
        id_ = new_id()
        self._by_hash[_hash(id_)] = _Session(key, now + self.seconds)
        return id_

    def find(self, id_: str) -> Key | None:
        """The key that a session was begun with; None if there is no such session any more."""
        session = self._by_hash.get(_hash(id_))
        if session is None:
            return None
        own, vouched = self._keys.get(session.key.id), session.key.id.startswith(VOUCHED)
        key = session.key if vouched else own
        good = key is not None and key.good and key.may("read")
        if not good or session.until <= self._clock():
            self.end(id_)
            return None
        return key

    def end(self, id_: str) -> None:
        """End a session, if there is one."""
        self._by_hash.pop(_hash(id_), None)

    def redeem(self, state: str, seconds: float) -> None:
        """Note that a sign-in with an identity provider has come back, which it does once.

        Args:
            state: Its state, which is good.
            seconds: After which the state is good no more.

        Raises:
            APIError: It has come back before (403).
        """
        now = self._clock()
        self._redeemed = {one: until for one, until in self._redeemed.items() if until > now}
        if state in self._redeemed:
            raise APIError(403, "this sign-in failed: it was used before, begin it again")
        self._redeemed[state] = now + seconds

    def signed(self, id_: str, text: str) -> str:
        """A signature of a text for the owner of a cookie, in 64 hexadecimal digits."""
        return hmac.new(self._secret, f"{id_}\n{text}".encode(), "sha256").hexdigest()

    def token(self, id_: str) -> str:
        """The token of a form; it shows that the owner of this cookie got the page from here.

        It follows from the cookie's value, so that nothing is kept for visitors who have not signed
        in; nobody outside can compute it.
        """
        return hmac.new(self._secret, id_.encode(), "sha256").hexdigest()

    def matches(self, id_: str, token: str) -> bool:
        """Whether a token belongs to a cookie."""
        return hmac.compare_digest(self.token(id_).encode(), token.encode("utf-8", "replace"))


def _hash(id_: str) -> bytes:
    return hashlib.sha256(id_.encode("utf-8", "replace")).digest()
