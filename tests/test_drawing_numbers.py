"""Numbers as text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.drawing import MINUS, NONE, change, fixed, interval, number, share, short, signed

FINITE = st.floats(-1e15, 1e15)


def read(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(",", ""))


@given(FINITE, st.integers(0, 6), st.booleans())
def test_a_number_reads_as_what_it_is(value: float, digits: int, sign: bool) -> None:
    for write in (fixed, number):
        text = write(value, digits, sign=sign)
        assert "-" not in text and "e" not in text
        assert read(text) == pytest.approx(value, rel=1e-12, abs=0.51 * 10**-digits)
        assert (read(text) == 0) <= (text[0] not in f"+{MINUS}")
        assert (text[0] == "+") == (sign and read(text) > 0)
    assert len(fixed(value, digits).partition(".")[2]) == digits
    assert not number(value, digits).partition(".")[2].endswith("0")


def test_numbers_for_columns_and_for_prose() -> None:
    assert [fixed(v) for v in (None, math.nan, 0.5, -0.0001, 1234)] == [
        *(NONE, NONE, "0.500", "0.000", "1234.000")
    ]
    assert [number(v) for v in (None, -0.001, 0, 1234.5, -2.75, 1e15)] == [
        *(NONE, "0", "0", "1,234.5", MINUS + "2.75", "1,000,000,000,000,000")
    ]
    assert [signed(v) for v in (3, 0, -0.004, None)] == ["+3", "0", "0", NONE]
    assert [fixed(math.inf), number(-math.inf)] == ["∞", MINUS + "∞"]


def test_intervals_changes_and_shares() -> None:
    assert interval(0.1, 0.25, 2) == "[0.10, 0.25]"
    assert interval(-0.1, 0.25, 1, sign=True) == f"[{MINUS}0.1, +0.2]"
    assert interval(None, 1) == interval(1, None) == ""
    assert [change(v) for v in (0.072, -0.5, 0, None, math.nan)] == [
        *("+7.2%", MINUS + "50.0%", "0.0%", NONE, NONE)
    ]
    assert [share(1, 8), share(0, 0), share(0, 3)] == ["12.5%", NONE, "0.0%"]


@given(st.floats(-1e308, 1e308))
def test_a_number_on_an_axis_is_short(value: float) -> None:
    text = short(value)
    assert len(text) <= 12 and read(text) == pytest.approx(value, rel=0.01)


def test_numbers_on_an_axis() -> None:
    assert [short(v) for v in (0, 0.25, -2, 1200, 2e6, 1e-7)] == [
        *("0", "0.25", MINUS + "2", "1,200", "2e+06", f"1e{MINUS}07")
    ]
