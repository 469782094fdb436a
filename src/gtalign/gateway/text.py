"""Text that may hold lone surrogates, which UTF-8 cannot write: as JSON, and as plain text."""

from typing import Any

import orjson

from gtalign import files


def to_json(value: Any) -> bytes:
    """Return the compact JSON of a value: that of `gtalign.files.to_json`, at orjson's speed."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, a key that is no text, or a number beyond 64 bits
        return files.to_json(value, "compact", portable=True)


def without_surrogates(text: str) -> str:
    """Return a text with a question mark for each lone surrogate, for readers that take no escape.

    These are databases, and clients that put the chunks of a stream together.
    """
    return text.encode("utf-8", "replace").decode()
