"""How an engine explains a failure: objects in several dialects, texts, and pages of HTML."""

import html
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

_MESSAGES: Final = ("message", "detail", "msg", "error_message", "error_msg", "title", "errors")
"""Where dialects keep the message, the nearest to a sentence first."""

_NAMES: Final = ("code", "type", "status", "error_type", "param", "reason")
"""What an object without a message has to hold to be an explanation at all."""

_READ: Final = 8192  # bytes of a text or a page
_LONGEST: Final = 500  # characters of it in a message
_UNSEEN: Final = re.compile(
    r"<!--.*?-->|<(script|style|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE
)
_TITLE: Final = re.compile(r"<title\b[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>?")
_ADDRESS: Final = re.compile(
    r"\b\w+://[^\s'\"<>]+"  # a URL
    r"|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?\b"
    r"|\[[0-9a-fA-F:]*:[0-9a-fA-F:.]*\](?::[0-9]+)?"
    r"|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b"
    r"|\b[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*::[0-9a-fA-F:]*"
    r"|\b[a-zA-Z][\w-]*(?:\.[\w-]+)*:(?:80|443|[0-9]{4,5})\b"  # a host with its port
    r"|\blocalhost\b|\b[\w-]+(?:\.[\w-]+)*\.(?:local|internal|lan|cluster|svc)\b"
)


def explanation(reply: bytes) -> dict[str, Any] | None:
    """The object in which an engine explains a failure.

    Its ``message`` is a text; None if the engine says a code or a type alone. A text that is no
    JSON, or a page of HTML, is shortened, and names no address. An object is the engine's own words
    for its clients and stays as it is.

    Args:
        reply: What the engine has answered.

    Returns:
        The members of the object; None if the reply explains nothing.
    """
    try:
        value = orjson.loads(reply)
    except orjson.JSONDecodeError:
        message = _of_text(reply)
        return {"message": message} if message else None
    if isinstance(value, list) and value:  # as some interfaces wrap their one error
        value = value[0]
    if isinstance(value, str):
        message = _shortened(value)
        return {"message": message} if message else None
    return _of_object(value) if isinstance(value, dict) else None


def reported(data: bytes) -> dict[str, Any]:
    """The object by which an event of a stream reports an error, with a message in any case."""
    found = explanation(data) or {}
    return found | {"message": found.get("message") or "the model server reports an error"}


def _of_object(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """The explanation in an object: below its ``error``, or beside it, or itself."""
    error = value.get("error")
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        value, error = error, None
    found = {name: one for name, one in value.items() if name not in ("error", "object")}
    message = error
    lower = {name.lower(): name for name in found}
    names = iter(_MESSAGES)
    while not message and (name := next(names, None)) is not None:
        name = lower.get(name, name)
        message = found.get(name)
        if message and name != "errors":  # which may hold more than its messages
            del found[name]
    if message:
        return found | {"message": _in_words(message)}
    return found | {"message": None} if any(found.get(name) for name in _NAMES) else None


def _in_words(message: Any) -> str:
    """A message as a text, of whatever form it is."""
    if isinstance(message, list) and message:
        parts: list[Any] = [
            part.get("message") if isinstance(part, dict) else part for part in message
        ]
        if all(isinstance(part, str) for part in parts):
            return "; ".join(parts)
    return message if isinstance(message, str) else orjson.dumps(message).decode()


def _of_text(reply: bytes) -> str | None:
    """The text of what is no JSON; None if it is no text either."""
    try:
        text = reply[:_READ].decode()
    except UnicodeDecodeError as error:
        if len(reply) <= _READ or error.start < _READ - 4:
            return None
        text = reply[: error.start].decode()  # a character was cut
    if not text.lstrip().startswith("<"):
        return _shortened(text)
    title = _TITLE.search(text)
    said = _shortened(html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text))))
    return said or (_shortened(html.unescape(title[1])) if title else None)


def _shortened(text: str) -> str:
    """A text on one line, without addresses, and no longer than a message may be."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    line = _ADDRESS.sub("[address]", " ".join(plain.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
