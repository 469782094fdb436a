"""Open endpoints: in this process or, in a run on several processes, through one of them.

In such a run one process sends all requests, so that limits, cache and bill hold for the whole run.
The other processes pass their requests on to it (see `gtalign.integrations.ray`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gtalign.endpoints.cache import Cache
from gtalign.endpoints.settings import EndpointSettings
from gtalign.endpoints.transport import Endpoint
from gtalign.errors import JudgeError, TeacherError, UserError

Failure = type[JudgeError] | type[TeacherError] | type[UserError]
"""The error to raise: that of the judge, the teacher or the user that the endpoint plays."""


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
    """Return an endpoint, opened by the opener of this process (`opening`).

    Args:
        settings: Where it is and what it may do.
        cache: Cache of replies; a request that it holds is not sent.
        failure: The error to raise when it fails.
        source: Name under which the cache adds up what its replies took.
    """
    return _opener(settings, cache, failure, source)


@contextmanager
def opening(opener: Opener) -> Iterator[None]:
    """Let another opener open the endpoints of this process, inside the block."""
    global _opener
    before, _opener = _opener, opener
    try:
        yield
    finally:
        _opener = before
