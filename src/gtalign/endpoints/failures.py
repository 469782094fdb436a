"""What a failed request says: the kind of the failure, and a message that names the endpoint."""

import json
from typing import TYPE_CHECKING, Final

from gtalign.endpoints.dialect import refuses_form
from gtalign.endpoints.settings import EndpointSettings

if TYPE_CHECKING:
    from openai import APIStatusError

UNKNOWN_PART: Final = (400, 422)
"""Statuses with which servers refuse a request because they do not know a part of it."""

FORM_REFUSED: Final = "form refused"
"""The kind of a failure whose text says that the server holds no reply to a JSON Schema."""


def refuses_part(cause: str) -> bool:
    """Whether a failure of this kind may be that a server does not know a part of the request."""
    return cause in {FORM_REFUSED, *(f"http {status}" for status in UNKNOWN_PART)}


def place_of(settings: EndpointSettings) -> str:
    """Return the name of an endpoint for messages: its model and its address."""
    return f"{settings.model!r} at {settings.url}"


def explain(error: Exception, settings: EndpointSettings) -> tuple[str, str]:
    """Return the kind of a failure in a word or two, and its message."""
    import openai

    where = place_of(settings)
    first = _first_cause(error)
    if isinstance(error, TimeoutError) or isinstance(first, TimeoutError):
        return "timeout", f"no reply from {where} within {settings.timeout:g} s"
    if isinstance(error, openai.APIStatusError):
        words = said(error)
        reason = " ".join(words.replace(settings.key(), "***").split())[:300]
        if refuses_form(words):
            return FORM_REFUSED, f"{where} failed: {reason}"
        if error.status_code in (401, 403):
            refused = f"the API key in {settings.key_env}"
            if settings.key_env is None:
                refused = "requests without an API key (key_env names the variable that holds one)"
            return f"http {error.status_code}", f"{where} refuses {refused}: {reason}"
        if error.status_code == 404:
            return "http 404", f"{where}: no such address or model: {reason}"
        return f"http {error.status_code}", f"{where} failed: {reason}"
    if isinstance(error, openai.APIConnectionError):
        return "connection", f"cannot reach {where}: {str(first) or type(first).__name__}"
    return "bad reply", f"{where} sent a reply that cannot be read: {str(error)[:300]}"


def said(error: "APIStatusError") -> str:
    """Return the words of a server that refused a request, in whatever form it wrote them.

    The client's own message has those of the usual form alone.
    """
    words, body = str(error.message), error.body
    if body in (None, "", {}) or not words.endswith(f"code: {error.status_code}"):
        return words
    return f"{words} - {body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)}"


def _first_cause(error: BaseException) -> BaseException:
    """Return what an error began with: the client takes connections that break for timeouts."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
