"""JSON text of any value: no text that a file or a model can give is refused."""

import json
import math
from typing import Any, Final, Literal

Form = Literal["line", "readable", "compact"]

_FORMS: Final[dict[Form, dict[str, Any]]] = {
    "line": {},
    "readable": {"indent": 2},
    "compact": {"separators": (",", ":")},
}


def to_json(value: Any, form: Form = "line", *, portable: bool = False) -> bytes:
    """Return the JSON text of a value in UTF-8.

    A lone surrogate has no UTF-8; JSON's own escape stands for it.

    Args:
        value: Objects, lists, texts, numbers, truth values and None.
        form: One ``line`` with its line break, several ``readable`` ones, or a ``compact`` text
            without spaces and line break.
        portable: Whether null stands for NaN and for an infinite number, which JSON does not have.
            Otherwise they are written as Python's reader takes them, as in our own files.
    """
    options = {"ensure_ascii": False, **_FORMS[form]}
    try:
        text = json.dumps(value, allow_nan=not portable, **options)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, **options)
    return (text + "\n" * (form != "compact")).encode(errors="backslashreplace")


def _finite(value: Any) -> Any:
    """Return a value with None in place of each number that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
