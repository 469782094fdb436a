"""Text that may hold lone surrogates, which UTF-8 cannot write: as JSON, and as plain text."""

import json
from typing import Any

import orjson


def to_json(value: Any) -> bytes:
    """Return the compact JSON of a value; JSON's own escape stands for a lone surrogate.

    `gtalign.files.to_json` writes lines of a file; this one has no line break, and is as fast
    as orjson where there are no surrogates.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def without_surrogates(text: str) -> str:
    """Return a text with a question mark for each lone surrogate, for readers that take no escape.

    These are databases, and clients that put the chunks of a stream together.
    """
    return text.encode("utf-8", "replace").decode()
