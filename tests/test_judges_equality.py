"""Equality of mathematical answers: by value where both are numbers, and unknown where unsure."""
# ruff: noqa: RUF001

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.judges.equality import choice, number, same_answer, spelled


@pytest.mark.parametrize(
    ("answer", "truth", "same"),
    [
        # one value, many notations
        ("1,000", "1000", True),
        ("1{,}234", "1234", True),
        (r"1\,234", "1234", True),
        (r"\$8,\!424,\!000", "8424000", True),
        ("½", "0.5", True),
        ("1½", "1.5", True),
        (r"1\frac12", "1.5", True),
        ("1 1/2", "3/2", True),
        ("12/5", "2.4", True),
        (r"-\frac{1}{2}", "-.5", True),
        (r"\dfrac{-1}{2}", "-0.5", True),
        ("−5", "-5", True),
        ("–5", "-5", True),
        ("１２", "12", True),
        ("٣", "3", True),
        ("x = 5", "5", True),
        ("$5.50", "5.5", True),
        ("**12**", "12", True),
        (r"\text{12 cm}", "12", True),
        ("45°", r"45^\circ", True),
        ("50%", "0.5", True),
        (r"50\%", "50", True),
        ("2 kg", "2", True),
        (r"3 \text{ m/s}^2".replace("}^2", "^2}"), "3", True),
        ("1 000 000", "1000000", True),
        ("12,34,567", "1234567", True),
        ("1,234,5", "12345", None),
        ("2‰", "0.002", True),
        ("2‱", "0.0002", True),
        ("5 percent", r"5\%", True),
        (r"12 \text{ million}", "12000000", True),
        ("5万", "50000", True),
        ("5 Millionen", "5", None),
        ("12 squared", "12", None),
        ("3 quarters", "3", None),
        ("2xy", "2", None),
        ("3/x", "3", None),
        ("5 яблок", "5", True),
        ("9 cm²", r"9\text{ cm}^2", True),
        (r"\text{The answer is } 15", "15", True),
        (r"\angle ABC = 90^\circ", "90", True),
        ("negative 12", "-12", True),
        (r"0.\overline{3}", "1/3", True),
        ("0.1(6)", "1/6", True),
        ("1/3 = 0.333...", "1/3", True),
        ("10001₂", "10001_2", True),
        ("10001_3", "10001_2", None),
        ("10001_2", "17", None),
        (r"\color{red}{5}", "5", True),
        # exact numbers exactly, others relatively
        ("1000000", "1000001", False),
        (r"9.28 \times 10^{2}", "928", True),
        ("9.28e2", "928", True),
        ("6.02 × 10²³", "6.02e23", True),
        (r"3.2 \times 10^{-19}", "1.6e-19", False),
        ("2e-30", "1e-30", False),
        ("0", "1e-30", False),
        ("0.333333", "1/3", True),
        ("0.33", "1/3", False),
        ("3.14159", "3.14159265", True),
        ("12 apples", "13", False),
        # letters of choices
        ("(C)", "C", True),
        (r"\textbf{(C)}", "C", True),
        ("C. 12", r"\text{(C)}", True),
        ("option B", "C", False),
        ("(C)", "42", None),
        ("12", "C", None),
        ("(C) 12", "12", True),
        # written alike
        (r"\left( 3, 4 \right)", "(3,4)", True),
        (r"x \in [0,1]", r"x\in[0,1]", True),
        ("East", r"\text{east}", True),
        (r"12 \text{ cm}", "12cm", True),
        # unknown
        ("2x", "2", None),
        (r"\sqrt{2}", "2", None),
        (r"5\pi", "5", None),
        ("5 or 6", "5", None),
        ("1 m", "1 cm", None),
        ("1/0", "4", None),
        ("1e99999999", "4", None),
        ("10^{10^{10}}", "4", None),
        ("9" * 5000, "4", None),
        (r"\infty", "4", None),
        ("", "", None),
    ],
)
def test_answers(answer: str, truth: str, same: bool | None) -> None:
    assert same_answer(answer, truth) is same


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_a_fraction_equals_itself_and_no_neighbour(above: int, below: int) -> None:
    written = rf"\frac{{{above}}}{{{below}}}"
    assert same_answer(written, f"{above}/{below}") is True
    assert same_answer(written, rf"\frac{{{above + 1}}}{{{below}}}") is False


@given(st.floats(1e-300, 1e300), st.floats(1.00001, 10))
def test_decimals_are_compared_by_their_ratio(value: float, factor: float) -> None:
    assert same_answer(repr(value), repr(value * (1 + 1e-9))) is True
    assert same_answer(repr(value), repr(value * factor)) is False


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_texts_compare(one: str, other: str) -> None:
    assert same_answer(one, other) in (True, False, None)
    assert same_answer(one, one) in (True, None)


def test_what_is_read() -> None:
    found = number(r"2.5 \times 10^{3}\text{ m/s}")
    assert found is not None
    assert (found.value, found.exact, found.unit) == (Fraction(2500), False, "m/s")
    assert choice("answer (b)") == "B"
    assert choice("AB") is None
    assert spelled(r"$\dfrac{1}{2}$.") == spelled(r"\frac12")
