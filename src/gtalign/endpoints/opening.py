"""Who opens the endpoints of this process: it does itself, unless an engine shares them out.

Where the workers of a run are spread over processes, one process sends all requests, and so keeps
the limits, the cache and the bill; the others pass requests on (see `gtalign.integrations.ray`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gtalign.endpoints.cache import Cache
from gtalign.endpoints.settings import EndpointSettings
from gtalign.endpoints.transport import Endpoint
from gtalign.errors import JudgeError, TeacherError, UserError

Failure = type[JudgeError] | type[TeacherError] | type[UserError]
"""The error of whoever is asked."""


class Opener(Protocol):
    """Opens an endpoint."""

    def __call__(
        self, settings: EndpointSettings, cache: Cache | None, failure: Failure, source: str
    ) -> Endpoint:
        """Return the endpoint; the arguments are those of `Endpoint`."""
        ...


_opener: Opener = Endpoint


def open_endpoint(
    settings: EndpointSettings,
    cache: Cache | None = None,
    failure: Failure = JudgeError,
    source: str = "",
) -> Endpoint:
    """Return an endpoint, opened by whoever opens those of this process.

    Args:
        settings: Where it is and what it may do.
        cache: Cache of replies; a request that it holds is not sent.
        failure: The error of whoever is asked.
        source: Under which the cache adds up what its replies took.
    """
    return _opener(settings, cache, failure, source)


@contextmanager
def opening(opener: Opener) -> Iterator[None]:
    """Let another one open the endpoints of this process for a while."""
    global _opener
    before, _opener = _opener, opener
    try:
        yield
    finally:
        _opener = before
