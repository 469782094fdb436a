"""Errors as clients of OpenAI's interface expect them: a status, and an object that explains it."""

import logging
from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from gtalign.errors import GTAlignError, SteeringError, StorageError, UpstreamError
from gtalign.gateway.store.database import StoreError
from gtalign.steering.http import LateError, RefusedError

log = logging.getLogger(__name__)

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    499: "client_gone",
    502: "upstream_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}
WAITS: Final = {429: 1.0, 503: 5.0}
"""Seconds after which to try again, by status, where nothing better is known."""


class APIError(Exception):
    """An answer that refuses a request.

    Args:
        status: Of HTTP.
        message: What was wrong and what would be right.
        code: A short name of the problem, stable across versions.
        param: The field of the request that is wrong.
        wait: Seconds after which to try again.
        allow: The methods that would be right.

    Attributes:
        quotes: As `UpstreamError.quotes`.
    """

    quotes: tuple[str, ...] = ()

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        wait: float | None = None,
        allow: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.wait = wait
        self.allow = tuple(allow)

    def body(self) -> bytes:
        """The object of OpenAI's interface, as JSON."""
        kind = _TYPES.get(self.status, "api_error")
        told = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return orjson.dumps({"error": told})

    def headers(self) -> Mapping[str, str]:
        """``Retry-After``, where it helps to wait, and ``Allow``, where another method would."""
        found = {}
        if self.wait is not None:
            found["Retry-After"] = str(max(1, -int(-self.wait // 1)))
        if self.allow:
            found["Allow"] = ", ".join(self.allow)
        return found


def explained(error: Exception) -> APIError:
    """The answer to a request that failed with `error`, whatever that is.

    What a client did wrong is told in full. What is wrong inside is logged, and told by its kind.
    """
    if isinstance(error, APIError):
        return error
    if isinstance(error, UpstreamError):
        return _of_upstream(error)
    if isinstance(error, SteeringError):
        return APIError(502, str(error), code="not_steered")
    if isinstance(error, StoreError):  # other than of a record, whose writer raises its own
        return APIError(
            503,
            f"{error.what}: the audit store does not answer; try later",
            code="store_unavailable",
            wait=WAITS[503],
        )
    if isinstance(error, StorageError):
        return APIError(
            503,
            "the decision cannot be recorded, so that no answer is given; try later",
            code="not_recorded",
            wait=WAITS[503],
        )
    if isinstance(error, TimeoutError):
        return APIError(504, "the answer took longer than it may", code="timeout")
    if isinstance(error, GTAlignError):
        return APIError(400, str(error))
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return APIError(500, "an internal error; the log has more", code="internal")


def _of_upstream(error: UpstreamError) -> APIError:
    cause = _cause(error)
    if isinstance(cause, LateError):
        return APIError(504, str(error), code="upstream_timeout")
    if isinstance(cause, RefusedError):
        if cause.status in (400, 413, 422):
            return APIError(400, str(error), code="upstream_refused")
        if cause.status == 429:
            wait = cause.wait or WAITS[429]
            return APIError(429, str(error), code="upstream_busy", wait=wait)
        if cause.status == 503:
            wait = cause.wait or WAITS[503]
            return APIError(503, str(error), code="upstream_unavailable", wait=wait)
    return APIError(502, str(error), code="upstream_failed")


def repeatable(error: UpstreamError) -> bool:
    """Whether a request that failed may be sent again: nothing answered it, and not for long."""
    return not isinstance(_cause(error), LateError | RefusedError)


def unquoted(error: BaseException) -> str:
    """What is told of an error where no text of a prompt may stand: an engine may repeat it."""
    said, cause = str(error), error
    while True:
        for quote in getattr(cause, "quotes", ()):
            said = said.replace(quote, "[withheld]")
        if cause.__cause__ is None:
            return said
        cause = cause.__cause__


def _cause(error: BaseException) -> BaseException:
    """The first error of the chain that led to this one."""
    while isinstance(error.__cause__, UpstreamError):
        error = error.__cause__
    return error
