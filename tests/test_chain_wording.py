"""Words of choice are never missed by the quick look for their stems."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.chain import chosen_cell
from gtalign.chain.wording import CONCLUSION, CUES, DENIED, HYPOTHESIS, NEGATED, Words
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Words, "possible", lambda words, lowered: True)
        assert chosen_cell(text, USER_LLM) == quick
