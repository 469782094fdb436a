"""Errors in the form of OpenAI's interface: a status, and an object that explains it."""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gtalign.errors import (
    ConfigError,
    DataError,
    EndedError,
    GTAlignError,
    LateError,
    OmittedError,
    RefusedError,
    SteeringError,
    StorageError,
    StoreError,
    UnreachableError,
    UpstreamError,
)
from gtalign.gateway.explanations import explanation
from gtalign.gateway.spent import Spent
from gtalign.gateway.text import to_json

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
    422: "invalid_request_error",
    431: "invalid_request_error",
    429: "rate_limit_error",
    499: "client_gone",
    502: "upstream_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}
WAITS: Final = {429: 1.0, 503: 5.0}
"""Seconds after which to try again, by status, where nothing better is known."""


class APIError(Exception):
    """An answer that refuses a request; a signal inside the gateway (see `gtalign.errors`).

    Args:
        status: The HTTP status.
        message: What was wrong and what would be right.
        code: A short name of the problem, stable across versions.
        param: The field of the request that is wrong.
        wait: Seconds after which to try again.
        allow: The methods that would be right.
    """

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
        body = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return to_json({"error": body})

    def headers(self) -> Mapping[str, str]:
        """``Retry-After``, where it helps to wait, and ``Allow``, where another method would.

        ``Retry-After-Ms`` says more exactly how long.

        A gateway that ends closes the connection, so that the next try comes to another one.
        """
        found = {"Connection": "close"} if self.code == "draining" else {}
        if self.wait is not None:
            found["Retry-After"] = str(max(1, math.ceil(self.wait)))
            if self.wait % 1:  # as some clients read it
                found["Retry-After-Ms"] = str(math.ceil(self.wait * 1000))
        if self.allow:
            found["Allow"] = ", ".join(self.allow)
        return found


class Unsteerable(APIError):
    """A request that cannot be steered. It is passed through, or refused where nobody takes it.

    Args:
        why: In a word or two, for the header that marks a request that is passed through.
        message: What was wrong and what would be right.
        param: The field of the request.

    Attributes:
        spent: What was taken of budgets before that turned out; None for nothing.
    """

    spent: Spent | None = None

    def __init__(self, why: str, message: str, *, param: str) -> None:
        super().__init__(400, message, code="unsupported", param=param)
        self.why = why


class EngineRefusal(APIError):
    """The engine refused a request, or reports a failure; the client gets its words whole.

    Args:
        status: The HTTP status.
        error: The object in which the engine explains itself; its members take the place of ours.
        code: As in `APIError`, where the engine gives none.
        wait: Seconds after which to try again.

    Attributes:
        quotes: As `UpstreamError.quotes`.
    """

    quotes: tuple[str, ...] = ()

    def __init__(
        self, status: int, error: Mapping[str, Any], *, code: str | None, wait: float | None
    ) -> None:
        super().__init__(status, error["message"], code=code, wait=wait)
        self._error = error

    def body(self) -> bytes:
        """The object of OpenAI's interface, with all that the engine says."""
        given = {"type": _TYPES.get(self.status, "api_error"), "param": None, "code": self.code}
        return to_json({"error": {**given, **self._error}})


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The reply to one class of errors.

    Args:
        status: The HTTP status.
        code: As `APIError.code`.
        says: The message; None for the error's own words, else a template of its attributes.
        longest: Most characters of the error's own words, which may quote what was sent.
    """

    status: int
    code: str | None
    says: str | None = None
    longest: int | None = None


REPLIES: Final[Mapping[type[Exception], ErrorReply]] = {
    GTAlignError: ErrorReply(400, None),
    ConfigError: ErrorReply(400, "invalid_value", longest=1000),
    DataError: ErrorReply(400, "invalid_value", longest=1000),
    SteeringError: ErrorReply(
        502, "not_steered", "no chain came of the answer, so that it cannot be steered"
    ),
    UpstreamError: ErrorReply(
        502, "upstream_failed", "the model server failed before the answer was complete"
    ),
    UnreachableError: ErrorReply(502, "upstream_failed", "the model server cannot be reached"),
    LateError: ErrorReply(504, "upstream_timeout", "the model server took longer than it may"),
    EndedError: ErrorReply(502, "upstream_ended", "the model server ended the answer: {0.finish}"),
    StorageError: ErrorReply(
        503,
        "not_recorded",
        "the decision cannot be recorded, so there is no answer; try later",
    ),
    # Other than of a record, whose writer raises its own.
    StoreError: ErrorReply(
        503, "store_unavailable", "{0.what}: the audit store does not answer; try later"
    ),
    TimeoutError: ErrorReply(504, "timeout", "the answer took longer than it may"),
    Exception: ErrorReply(500, "internal", "an internal error; the log has more"),
}
"""The reply to each class of error; a class without an entry gets the reply of its nearest base."""

_REFUSED: Final = {429: "upstream_busy", 503: "upstream_unavailable"}
_OURS: Final = (401, 403, 407)  # what an engine says to the gateway, whose key it refuses


def explained(error: Exception) -> APIError:
    """The reply to a request that failed with `error`, of any class.

    The reply explains a mistake of the client in full. Of a fault inside the gateway it names the
    kind alone; the log has the rest.
    """
    if isinstance(error, APIError):
        return error
    cause = first_cause(error)
    reply = next(REPLIES[kind] for kind in type(cause).__mro__ if kind in REPLIES)
    if isinstance(cause, UpstreamError):
        return _engine_s(cause, reply)
    if reply is REPLIES[Exception]:
        log.error("unexpected %s", type(error).__name__, exc_info=error)
    message = str(error)[: reply.longest] if reply.says is None else reply.says.format(error)
    return APIError(reply.status, message, code=reply.code, wait=WAITS.get(reply.status))


def as_object(error: Exception) -> dict[str, Any]:
    """The object that tells a client of an error, in the form of OpenAI's interface."""
    found: dict[str, Any] = orjson.loads(explained(error).body())["error"]
    return found


def _engine_s(error: UpstreamError, reply: ErrorReply) -> APIError:
    """The reply to a request at which the engine failed.

    It has the engine's own words where it sent any, and else no more than the kind of failure: our
    words name addresses inside.
    """
    status, code, said = reply.status, reply.code, explanation(error.reply)
    wait: float | None = None
    if isinstance(error, RefusedError):
        status = _passed_on(error.status)
        if status == error.status:
            code = _REFUSED.get(status, "upstream_refused")
        wait = error.wait
        if error.status in _OURS:
            said = None
    wait = (wait or WAITS[status]) if status in WAITS else None
    told = (reply.says or "").format(error)
    if isinstance(error, RefusedError):
        told = f"the model server refused the request (status {error.status})"
    if said is None:
        return APIError(status, told, code=code, wait=wait)
    message = said["message"]
    refusal = EngineRefusal(status, said | {"message": message or told}, code=code, wait=wait)
    refusal.quotes = (message,) if message else ()
    return refusal


def _passed_on(status: int) -> int:
    """The status that a client gets for one of an engine."""
    if 400 <= status < 500 and status not in _OURS:
        return status
    return status if status in (501, 503, 504) else 502


def reason_to_pass(error: UpstreamError) -> str | None:
    """Why a request whose steered answer failed is passed on as it came; None if it is not.

    The engine refused what the gateway had made of it, its chat template leaves out a part of it,
    or it ended the answer by itself. What becomes of the client's own request is then for the
    engine to say.
    """
    cause = first_cause(error)
    if isinstance(cause, RefusedError) and cause.status in (400, 404, 413, 422):
        return "refused"
    if isinstance(cause, OmittedError):
        return "chat template"
    return "ended" if isinstance(cause, EndedError) else None


def ended_by(error: UpstreamError) -> str | None:
    """The word with which the engine ended an answer by itself; None if it did not."""
    cause = first_cause(error)
    return cause.finish if isinstance(cause, EndedError) else None


def repeatable(error: UpstreamError) -> bool:
    """Whether to send a failed request again: the engine neither refused it nor took too long."""
    never = LateError | RefusedError | EndedError | OmittedError
    return not isinstance(first_cause(error), never)


def elsewhere(error: UpstreamError) -> bool:
    """Whether another engine may answer a failed request: the request itself was not refused."""
    cause = first_cause(error)
    if isinstance(cause, RefusedError):
        return cause.status not in (400, 413, 422)
    return not isinstance(cause, EndedError | OmittedError)


def unquoted(error: BaseException) -> str:
    """An error's words without those of the engine, which may repeat the prompt."""
    said, cause = str(error), error
    while True:
        for quote in getattr(cause, "quotes", ()):
            said = said.replace(quote, "[withheld]")
        if cause.__cause__ is None:
            return said
        cause = cause.__cause__


def first_cause(error: BaseException) -> BaseException:
    """The first failure of an engine that led to this one; other errors stand for themselves."""
    while isinstance(error, UpstreamError) and isinstance(error.__cause__, UpstreamError):
        error = error.__cause__
    return error
