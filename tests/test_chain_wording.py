"""Words of choice are never missed by the quick look for their stems."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.chain import choice, chosen_cell
from gtalign.chain.wording import (
    CONCLUSION,
    CUES,
    DENIED,
    HYPOTHESIS,
    NEGATED,
    Words,
    distinct,
    possible,
)
from gtalign.game import USER_LLM

ALL = (*CUES, CONCLUSION, DENIED, HYPOTHESIS, NEGATED)
PIECES = (
    *("DQ_AQ", "VQ_CQ", "(VQ,DA)", "CQ", "DA", "choose", "I", "not", "final answer:", "best", "is"),
    *("so", "the", "optimal", ".", "?", "if", "rather", "than", "dominated", "chosen", "and", "or"),
    *(",", "therefore", "isn't", "isn\u2019t", "\u017fo", "prefer", "without"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)


@pytest.mark.parametrize("words", ALL, ids=lambda words: words.stems[0])
@given(data=st.data())
def test_every_match_is_possible(words: Words, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(words.expression))
    assert words.possible(text.lower())


@pytest.mark.parametrize("words", ALL, ids=lambda words: words.stems[0])
def test_plain_text_holds_none_of_them(words: Words) -> None:
    assert not words.possible("the user asks a question")
    assert words.possible("the u\u017fer")  # which the expressions may read as another letter


@given(TEXTS)
def test_the_quick_look_changes_no_choice(text: str) -> None:
    quick = chosen_cell(text, USER_LLM)

    def matches(words: Words, text: str, end: int) -> Iterator[re.Match[str]]:
        return words.expression.finditer(text, 0, end)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Words, "possible", lambda words, lowered: True)
        patch.setattr(choice, "possible", lambda lowered, stems: True)
        patch.setattr(Words, "matches", matches)
        assert chosen_cell(text, USER_LLM) == quick


@pytest.mark.parametrize("words", [*CUES, HYPOTHESIS], ids=lambda words: words.stems[0])
@given(data=st.data())
def test_matches_begin_with_stems(words: Words, data: st.DataObject) -> None:
    match = st.from_regex(words.expression, fullmatch=True)
    text = "".join(data.draw(st.lists(match | st.sampled_from([" ", "x", ". "]), max_size=5)))
    end = data.draw(st.integers(0, len(text)))
    expected = [found.span() for found in words.expression.finditer(text, 0, end)]
    assert [found.span() for found in words.matches(text, end)] == expected


@given(st.lists(st.sampled_from(["no", "not", "than", "an", "wors", "s"])), TEXTS)
def test_distinct_stems_are_as_good_as_all(stems: list[str], text: str) -> None:
    assert possible(text, distinct(tuple(stems))) == possible(text, tuple(stems))
