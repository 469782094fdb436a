"""Errors in Anthropic's form."""

from collections.abc import Mapping
from typing import Any, Final

_BY_STATUS: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_BY_TYPE: Final[Mapping[str, str]] = {
    "rate_limit_error": "rate_limit_error",
    "service_unavailable_error": "overloaded_error",
    "timeout_error": "timeout_error",
    "invalid_request_error": "invalid_request_error",
}


def error_of(
    error: Mapping[str, Any], status: int | None = None, *, request_id: str
) -> dict[str, Any]:
    """An error as Anthropic's interface writes it.

    Args:
        error: The error as a chat tells it.
        status: The HTTP status; None where it has gone out already.
        request_id: Id of the request.
    """
    if status is None:
        kind = _BY_TYPE.get(str(error.get("type")), "api_error")
    else:
        kind = "invalid_request_error" if 400 <= status < 500 else "api_error"
        kind = _BY_STATUS.get(status, kind)
    more = {name: error[name] for name in ("code", "param") if error.get(name) is not None}
    told = {"type": kind, "message": str(error.get("message")), **more}
    return {"type": "error", "error": told, "request_id": request_id}
