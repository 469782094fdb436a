"""Numbers for people: a true minus sign, no minus zero, and a dash for a missing number."""

import math
from typing import Final

NONE: Final = "\N{EN DASH}"
"""Shown for a missing value."""

MINUS: Final = "\N{MINUS SIGN}"


def fixed(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """A number with fixed decimals, for columns; a dash for None and not-a-number.

    Args:
        value: The number, in any unit.
        digits: Number of decimals.
        sign: Whether positive numbers get a plus sign.
    """
    return _written(value, f"{'+' if sign else ''}.{digits}f")


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A number with at most so many decimals and thousands separators; a dash as in `fixed`."""
    text = _written(value, f"{'+' if sign else ''},.{digits}f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(value: float | None, digits: int = 2) -> str:
    """A number as `number` writes it, with its sign."""
    return number(value, digits, sign=True)


def interval(low: float | None, high: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """An interval as ``[low, high]``; empty if an end is None."""
    if low is None or high is None:
        return ""
    return f"[{fixed(low, digits, sign=sign)}, {fixed(high, digits, sign=sign)}]"


def change(value: float | None) -> str:
    """A relative change, as a fraction, in per cent with one decimal and its sign: ``+7.2%``."""
    text = fixed(None if value is None else 100 * value, 1, sign=True)
    return text if text == NONE else f"{text}%"


def counted(count: int, noun: str) -> str:
    """A number of things, ``1 question`` or ``1,200 questions``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def share(part: float, whole: float) -> str:
    """A part of a whole in per cent with one decimal; a dash if the whole is 0."""
    return f"{fixed(100 * part / whole, 1)}%" if whole else NONE


def short(value: float) -> str:
    """A number on an axis, in about nine characters at most: ``0.25``, ``1,200``, ``2e+06``."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.4g}".replace("-", MINUS)
    return number(value, 6 if abs(value) < 100 else 2)


def _written(value: float | None, form: str) -> str:
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else f"{MINUS}\N{INFINITY}"
    text = format(value, form)
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)
