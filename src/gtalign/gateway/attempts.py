"""Count wrong keys by address."""

from collections.abc import Callable
from time import monotonic
from typing import Final

from gtalign.gateway.errors import APIError
from gtalign.gateway.limits import Bucket

ATTEMPTS: Final = 10
"""Wrong keys that one address may try in a minute before its tries are refused."""

_ADDRESSES: Final = 10_000


class Attempts:
    """Counts wrong keys by address, so that an address that tries many is turned away.

    A right key is never counted nor held up: behind one address there may be many people, and keys
    are of 32 random bytes, which nobody comes to by trying.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._left: dict[str, Bucket] = {}

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 if it may now."""
        bucket = self._left.get(address)
        return 0.0 if bucket is None else bucket.wait(1.0, self._clock())

    def failed(self, address: str) -> None:
        """Count a wrong key.

        Raises:
            APIError: This address has tried too many (429).
        """
        wait = self.wait(address)
        if wait > 0:
            message = f"too many wrong keys came from your address: try again in {wait:.0f} s"
            raise APIError(429, message, code="too_many_attempts", wait=wait)
        bucket = self._left.pop(address, None) or Bucket(ATTEMPTS, self._clock())
        self._left[address] = bucket  # the address heard of last stands last
        bucket.take(1.0)
        if len(self._left) > _ADDRESSES:
            del self._left[next(iter(self._left))]
