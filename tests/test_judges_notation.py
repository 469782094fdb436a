"""One notation: whatever characters and names a formula is written with."""
# ruff: noqa: RUF001

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting import check_linear
from gtalign.judges.notation import tex


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("√(x+1)", r"\sqrt{x+1}"),
        ("√((x+1)²+3)", r"\sqrt{(x+1)^{2}+3}"),
        ("√(1+√(2))", r"\sqrt{1+\sqrt{2}}"),
        (r"\sqrt(3)/2", r"\sqrt{3}/2"),
        ("∛(x+1)", r"\sqrt[3]{x+1}"),
        ("³√2", r"\sqrt[3]{2}"),
        ("x³√2", r"x^{3}\sqrt{2}"),
        ("x₁₂", "x_{12}"),
        ("2ⁿ⁺¹", "2^{n+1}"),
        ("⁻5", "-5"),
        ("¹⁄₃", r" \frac{1}{3}"),
        ("1½", r"1 \frac{1}{2}"),
        ("x^½", r"x^{\frac{1}{2}}"),
        ("x ⩾ 2", r"x \ge  2"),
        ("x≦2", r"x\le 2"),
        (r"x \geqslant 2", r"x \ge 2"),
        ("x ≠ 2", r"x \ne  2"),
        ("6∙x⋅y·z", r"6\cdot x\cdot y\cdot z"),
        ("a⨯b✕c", r"a\times b\times c"),
        ("a∕b⁄c÷d", "a/b/c/d"),
        ("‒5 ﹣5 －5 –5", "-5 -5 -5 -5"),
        ("45° 45º 45˚", r"45^\circ  45^\circ  45^\circ "),
        ("٥٪", "5%"),
        ("١٬٢٣٤٫٥", "1,234.5"),
        ("１２㎠", "12cm2"),
        ("𝜋𝟓", r"\pi 5"),
        ("5 µΩ", r"5 \mu \Omega "),
        ("ℝ", r"\mathbb{R}"),
        (r"\mathbb R", r"\mathbb{R}"),
        ("⌊x⌋", r"\lfloor x\rfloor "),
        ("1’234", "1'234"),
        ("6\u2062x", "6x"),
        ("x**2", "x^2"),
        ("**12**", "**12**"),
        (r"\dfrac 12 \frac ab", r"\frac{1}{2} \frac{a}{b}"),
        ("log₂ 3", r"\log_{2} 3"),
        ("sqrt(3)/2", r"\sqrt{3}/2"),
        (r"\sqrt[3]5", r"\sqrt[3]{5}"),
        (r"\big(\frac12, 3\bigr)", r"(\frac{1}{2}, 3)"),
        ("]0;1[", "(0,1)"),
        ("[0,1[", "[0,1)"),
        ("(3; 4)", "(3, 4)"),
        ("(3,5; 4)", "(3,5; 4)"),
    ],
)
def test_notations(written: str, meant: str) -> None:
    assert tex(written) == meant


@given(st.text(max_size=30))
def test_any_text_has_a_notation(text: str) -> None:
    assert isinstance(tex(text), str)


@pytest.mark.parametrize("piece", ["√(", "\\sqrt(", "x²", "½", "-", "]"])
def test_the_work_grows_with_the_text(piece: str) -> None:
    check_linear(tex, piece)
