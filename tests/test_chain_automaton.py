"""Automata of expressions: what they accept, and how much they may take."""

import contextlib
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gtalign.chain.automaton import Budget, automaton
from gtalign.chain.regex import ANY, Edge, Repeat, Sequence, read_regex
from gtalign.errors import DataError

PATTERNS: Any = st.recursive(
    st.sampled_from(["a", "b", "ab", ".", "[ab]", "[^a]", r"\d", "^", "$", "", "(?=a)", "(?!b$)"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}"])).map(
            lambda two: f"({two[0]}){two[1]}"
        ),
        inner.map(lambda one: f"(?={one})"),
        inner.map(lambda one: f"(?!{one})"),
    ),
    max_leaves=6,
)


@given(st.lists(PATTERNS, min_size=1, max_size=2), st.lists(st.text("ab1", max_size=6), max_size=8))
def test_it_accepts_what_python_matches(patterns: list[str], texts: list[str]) -> None:
    def right(text: str) -> bool:
        return all(re.search(pattern, text) for pattern in patterns)

    try:
        read = automaton([read_regex(pattern) for pattern in patterns], Budget())
    except DataError as error:
        assume("no text" in str(error))  # it is none that all readers share
        assert not any(map(right, texts))
        return
    for text in texts:
        assert read.accepts(text) == right(text), text


def test_lengths_are_an_expression_too() -> None:
    length = Sequence((Edge(True), Repeat(ANY, 2, 3), Edge(False)))
    read = automaton([read_regex("^a*b?$"), length], Budget())
    found = [
        text for text in ("", "a", "ab", "aab", "aaa", "aaab", "b", "ba") if read.accepts(text)
    ]
    assert found == ["ab", "aab", "aaa"]


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(a|b)*a(a|b){20}",
            "((a{500}){500}){500}",
            "a{9999}",
            "((((){9999}){9999}){9999}){9999}",
        ),
        *("(a|aa|aaa)*b(?=.*(x|y){9}).*z(x|y){9}", "(?=.*a{99})(?=.*b{99})(?=.*c{99}).*"),
        *("^(" + "|".join("a" * n + "{2,40}" for n in range(1, 60)) + ")*$", "(.*){300}x"),
        *("^" + "(?=.*a" * 30 + ")" * 30, "((a?){40}){40}b", "a^", "$a", "(?!)"),
    ],
)
def test_a_hostile_pattern_ends_soon(pattern: str) -> None:
    with contextlib.suppress(DataError):
        automaton([read_regex(pattern)], Budget())
