"""JSON text of any value: no text that a file or a model can give is refused."""

import json
from typing import Any


def to_json(value: Any, indent: int | None = None) -> bytes:
    """Return the JSON text of a value, with its line break, in UTF-8.

    A lone surrogate has no UTF-8; JSON's own escape stands for it.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent) + "\n"
    return text.encode(errors="backslashreplace")
