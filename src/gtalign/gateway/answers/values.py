"""Read single values of a request; an error names the field, and says what would be right."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from gtalign.gateway.errors import APIError, Unsteerable

_FLAGS: Final = {"true": True, "false": False}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?")


def wrong(param: str, right: str) -> APIError:
    """The error of a value that nobody takes."""
    return APIError(400, f"{param!r} has to be {right}", code="invalid_value", param=param)


def flag(body: Mapping[str, Any], name: str, param: str | None = None) -> bool:
    """True or false; false if it is missing.

    Raises:
        APIError: It is neither (400).
    """
    value = body.get(name)
    if isinstance(value, str) and value.lower() in _FLAGS:  # as engines take it
        return _FLAGS[value.lower()]
    if value is not None and not isinstance(value, bool):
        raise wrong(param or name, "true or false")
    return bool(value)


def table(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object; empty if it is missing.

    Raises:
        APIError: It is none (400).
    """
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise wrong(name, "an object")
    return value or {}


def whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    """A whole number within limits of the gateway; None if it is missing.

    Raises:
        APIError: It is none (400).
    """
    right = f"a whole number from {low} to {high}"
    value = _integer(body.get(name), name, right)
    if value is not None and not low <= value <= high:
        raise wrong(name, right)
    return value


def own_whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    """A whole number within limits of steering; None if it is missing.

    Raises:
        APIError: It is none (400).
        Unsteerable: It is beyond the limits; an engine may take it.
    """
    right = f"a whole number from {low} to {high}"
    value = _integer(body.get(name), name, right)
    if value is not None and not low <= value <= high:
        raise Unsteerable(name, f"{name!r} has to be {right}", param=name)
    return value


def number(body: Mapping[str, Any], name: str, high: float) -> float:
    """A number from 0 to `high`; 1 if it is missing.

    Raises:
        APIError: It is no number (400).
        Unsteerable: It is beyond the limits; an engine may take it.
    """
    value = body.get(name)
    if value is None:
        return 1.0
    right = f"a number from 0 to {high:g}"
    if isinstance(value, str) and _NUMBER.fullmatch(value):  # as engines take it
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(name, right)
    if not 0 <= value <= high:
        raise Unsteerable(name, f"{name!r} has to be {right}", param=name)
    return float(value)


def _integer(value: Any, name: str, right: str) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):  # as engines take it
        value = float(value) if "." in value else int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # as some languages write whole numbers
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise wrong(name, right)
    return value
